"""Write data sets of motion as one store: two sensors, one rate, labels united by meaning.

    python -m benchmarks.any_motion.union --out stores/any_motion
        uci_har=stores/uci_har motionsense=stores/motionsense_5s
        wisdm_phone=stores/wisdm_phone_5s wisdm_watch=stores/wisdm_watch_5s

A device is named as in benchmarks/data/any_motion.yaml, which says its sensors, its labels and
where it is worn. Stores have windows of 5.12 s (`prepare … --window-s 5.12`), UCI HAR's are of
2.56 s: two that follow each other are put together. Each window is turned at random, its two
sensors alike, so that nothing can be learnt of how a data set's device was held. What has a label
of no meaning here is left out and counted. `--most` takes at most so many windows of a person,
device and activity.
"""

import argparse
import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from sensor2llm.artefacts.yaml_file import read_yaml
from sensor2llm.errors import DataError, run_verb
from sensor2llm.signals.spec import Channel, Modality, SignalSpec
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.store.windows import Windows
from sensor2llm.signals.views.conversion import convert_windows
from sensor2llm.signals.window import Window

UNION = Path(__file__).resolve().parents[1] / "data" / "any_motion.yaml"
UNITS = {"accel": "g", "gyro": "rad/s"}
logger = logging.getLogger(__name__)


def common_spec(rate_hz: float, window_s: float) -> SignalSpec:
    """Give the spec of all devices: three axes of each sensor."""
    return SignalSpec(
        modalities=tuple(
            Modality(
                name=name,
                channels=tuple(Channel(name=axis, unit=unit) for axis in "xyz"),
                steps=round(rate_hz * window_s),
                rate_hz=rate_hz,
            )
            for name, unit in UNITS.items()
        ),
        window_s=window_s,
    )


def sensor_windows(store: Windows, device: Mapping[str, Any]) -> Iterator[Window]:
    """Give a device's windows under the common names; accelerations of several parts are added.

    A part that is missing, as gravity may be, adds nothing; without the first there is no sensor.
    """
    first, *more = device["accel"]
    for window in store:
        there, signals = window.signals, {}
        if first in there:
            signals["accel"] = sum((there[n] for n in more if n in there), start=there[first])
        if device["gyro"] in there:
            signals["gyro"] = there[device["gyro"]]
        if signals:
            yield replace(window, signals=signals)


def measured_spec(store: Windows, device: Mapping[str, Any]) -> SignalSpec:
    """Give what `sensor_windows` are measured in: the store's rates, steps and units."""
    spec, names = store.spec, {"accel": device["accel"][0], "gyro": device["gyro"]}
    axes = [
        replace(
            spec[theirs],
            name=ours,
            channels=tuple(
                replace(channel, name=axis)
                for channel, axis in zip(spec[theirs].channels, "xyz", strict=True)
            ),
        )
        for ours, theirs in names.items()
    ]
    return SignalSpec(modalities=tuple(axes), window_s=spec.window_s)


def paired(windows: Iterator[Window], length_s: float) -> Iterator[Window]:
    """Put windows together that follow each other in one activity of one person.

    Windows that overlap by half are every other one's neighbours; a pair begins at each of them.
    """
    waiting: dict[float, Window] = {}
    last: Window | None = None
    for window in windows:
        if last is None or (last.subject, last.label) != (window.subject, window.label):
            waiting = {}
        last = window
        before = waiting.pop(round(window.start_s - length_s, 6), None)
        waiting[round(window.start_s, 6)] = window
        if before is not None:
            names = [name for name in before.signals if name in window.signals]
            both = {n: np.concatenate([before.signals[n], window.signals[n]], 1) for n in names}
            yield replace(before, signals=both)


def doubled(spec: SignalSpec) -> SignalSpec:
    """Give the spec of windows twice as long."""
    assert spec.window_s is not None
    modalities = tuple(replace(m, steps=2 * m.steps) for m in spec.modalities)
    return SignalSpec(modalities=modalities, window_s=2 * spec.window_s)


def united(
    name: str, store: Windows, union: Mapping[str, Any], spec: SignalSpec, dropped: Counter[str]
) -> Iterator[Window]:
    """Give one device's windows in the common spec, under the common labels."""
    device, labels = union["devices"][name], meanings(union["labels"])
    measured, windows = measured_spec(store, device), sensor_windows(store, device)
    if (measured.window_s or 0.0) < union["window_s"]:
        assert measured.window_s is not None
        windows, measured = paired(windows, measured.window_s), doubled(measured)
    for window in convert_windows(windows, measured, spec, name):
        if window.label not in labels:
            dropped[f"{name}: {window.label}"] += 1
            continue
        yield replace(
            window,
            subject=f"{device['data_set']}/{window.subject}",
            label=labels[window.label],
            recording=f"{name}: {window.label}",
        )


def meanings(labels: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Give each label's text in a data set -> the common one."""
    return {theirs: ours for ours, texts in labels.items() for theirs in texts}


def turned(window: Window, generator: np.random.Generator) -> Window:
    """Turn a window's sensors alike, any way round."""
    turn = Rotation.random(rng=generator).as_matrix()
    signals = {name: turn @ values for name, values in window.signals.items()}
    return replace(window, signals=signals)


def thinned(windows: Iterable[Window], most: int) -> list[Window]:
    """Take at most so many windows of a person, device and activity, spread evenly."""
    groups: dict[tuple[str | None, str | None], list[Window]] = defaultdict(list)
    for window in windows:
        groups[window.subject, window.recording].append(window)
    places = {
        key: np.linspace(0, len(some) - 1, min(most, len(some))) for key, some in groups.items()
    }
    return [groups[key][round(place)] for key, rows in places.items() for place in rows.tolist()]


def write_union(
    out: Path,
    stores: Mapping[str, Windows],
    *,
    most: int | None = None,
    seed: int = 0,
    union: Mapping[str, Any] | None = None,
) -> WindowStore:
    """Write devices' stores as one; see this module.

    Raises:
        DataError: the union does not name a device.
    """
    union = union or read_yaml(UNION, DataError, str(UNION))
    _check_names(stores, union["devices"])
    spec, generator = common_spec(union["rate_hz"], union["window_s"]), np.random.default_rng(seed)
    dropped: Counter[str] = Counter()
    windows: list[Window] = []
    for name, store in stores.items():
        own: Iterable[Window] = united(name, store, union, spec, dropped)
        own = own if most is None else thinned(own, most)
        windows += [turned(window, generator) for window in own]
    for what, count in sorted(dropped.items()):
        logger.info("%d windows are left out: %s", count, what)
    sources = {union["devices"][name]["data_set"]: store.source for name, store in stores.items()}
    placements = {
        str(w.recording): union["devices"][str(w.recording).partition(":")[0]]["placement"]
        for w in windows
    }
    source = "; ".join(dict.fromkeys(sources.values()))
    # People of one data set lie together, whatever device they wore.
    windows.sort(key=lambda window: str(window.subject))
    return WindowStore.write(
        out, spec, windows, label_names=list(union["labels"]), source=source, parts=sources,
        placements=placements,
    )  # fmt: skip


def _check_names(wanted: Iterable[str], names: Iterable[str]) -> None:
    if unknown := [name for name in wanted if name not in names]:
        raise DataError(f"{UNION.name} does not name {unknown[0]!r}; it names {', '.join(names)}")


def open_stores(words: Sequence[str]) -> dict[str, Windows]:
    """Open the stores that a command line names as DEVICE=FOLDER."""
    pairs = [word.partition("=") for word in words]
    if bad := [name for name, _, folder in pairs if not folder]:
        raise DataError(f"{bad[0]!r} is no DEVICE=FOLDER; name the device and its store")
    return {name: WindowStore.open(Path(folder)) for name, _, folder in pairs}


def main() -> None:
    """Write the store and say what is in it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stores", nargs="+", metavar="DEVICE=FOLDER")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--most", type=int)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    stores = open_stores(options.stores)
    store = write_union(options.out, stores, most=options.most)
    counts = np.bincount(store.labels, minlength=len(store.label_names))
    each = ", ".join(f"{n} {c}" for n, c in zip(store.label_names, counts, strict=True))
    print(f"{store.path}: {len(store)} windows, {len(store.subject_names)} people: {each}")


if __name__ == "__main__":
    raise SystemExit(run_verb(main))
