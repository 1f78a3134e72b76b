"""One adapter on other devices: turned, slower, without gravity, of one sensor alone.

    python -m benchmarks.any_motion.devices --adapter any-motion --data stores/any_motion

The test people's windows are changed as another device would give them: every recording turned
by a rotation of its own, at half the rate, accelerations less their mean, one sensor taken away,
accelerations in m/s^2 that are called g. Beside the labels stands how many recordings of 20 windows
or more are said to be unlike training.
"""

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.machine import record, write
from sensor2llm.errors import run_verb
from sensor2llm.evaluation.evaluation import checked_split
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.signals.resample import resample
from sensor2llm.signals.scale import GRAVITY
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.views.conversion import convert_store
from sensor2llm.signals.views.in_memory import InMemoryWindows
from sensor2llm.signals.window import Window
from sensor2llm.tasks.classification import predictions
from sensor2llm.tasks.likeness import RecordingJudge
from sensor2llm.tasks.loading import load_model
from sensor2llm.tasks.metrics import measure, paired_difference

RESULTS = Path(__file__).resolve().parents[1] / "results" / "devices"
ACCELERATION, RECORDED = "accel", "as recorded"
HEAD = ("device", "macro-F1 (95 % over people)", "less as recorded", "recordings", "unlike",
        "windows unlike alone")  # fmt: skip
Change = Callable[[Window], Window]


def turned(window: Window) -> Window:
    """Turn all sensors of a recording alike, by a rotation that its name gives."""
    name = f"{window.subject} {window.recording}".encode()
    turn, _ = np.linalg.qr(np.random.default_rng(list(name)).normal(size=(3, 3)))
    turn = (turn * np.sign(np.linalg.det(turn))).astype(np.float32)
    return replace(window, signals={key: turn @ values for key, values in window.signals.items()})


def slower(spec: SignalSpec) -> tuple[SignalSpec, Change]:
    """Give the spec of half the rate, and what brings a window there."""
    half = tuple(replace(m, rate_hz=(m.rate_hz or 0) / 2, steps=m.steps // 2)
                 for m in spec.modalities)  # fmt: skip

    def change(window: Window) -> Window:
        signals = {m.name: resample(window.signals[m.name], m.rate_hz or 0, (m.rate_hz or 0) / 2)
                   for m in spec.modalities if m.name in window.signals}  # fmt: skip
        return replace(window, signals=signals)

    return replace(spec, modalities=half), change


def without_gravity(window: Window) -> Window:
    """Take the mean out of accelerations."""
    return _accelerated(window, lambda values: values - values.mean(-1, keepdims=True))


def in_another_unit(window: Window) -> Window:
    """Give accelerations in m/s^2 as if they were g."""
    return _accelerated(window, lambda values: np.float32(GRAVITY) * values)


def alone(name: str) -> Change:
    """Give what leaves one sensor."""
    return lambda window: replace(window, signals={name: window.signals[name]})


def _accelerated(window: Window, change: Callable[[np.ndarray], np.ndarray]) -> Window:
    there = window.signals
    changed = {ACCELERATION: change(there[ACCELERATION])} if ACCELERATION in there else {}
    return replace(window, signals={**there, **changed})


def devices(spec: SignalSpec) -> dict[str, tuple[SignalSpec, Change]]:
    """Name the devices, with the spec of their windows and what makes one of a window."""
    rate = next(m.rate_hz for m in spec.modalities if m.rate_hz)
    return {
        RECORDED: (spec, lambda window: window),
        "each recording turned at random": (spec, turned),
        f"{rate / 2:g} Hz": slower(spec),
        "without gravity": (spec, without_gravity),
        **{f"{name} alone": (spec, alone(name)) for name in spec.names},
        "m/s^2 called g": (spec, in_another_unit),
    }


def judge(model: SensorLanguageModel, windows: Sequence[Window]) -> dict[str, Any]:
    """Label test people's windows as every device gives them, and say what is unlike."""
    figures, recorded = {}, None
    for name, (spec, change) in devices(model.adapter.spec).items():
        # What lacks the sensor that stays, or its label, is no window of such a device.
        some = [change(w) for w in windows if name.removesuffix(" alone") in (*w.signals, name)]
        held = convert_store(InMemoryWindows(some, spec, name), model.adapter.spec, quiet=True)
        said = predictions(model, held, np.arange(len(some)))
        recorded = recorded or said
        seen = RecordingJudge(model.adapter.trust.profile)
        for _ in seen.watch(held):
            pass
        whole = [one for one in seen.verdict().recordings if one.whole]
        found = measure(said)
        less = paired_difference(said, recorded) if len(said.true) == len(recorded.true) else None
        figures[name] = {
            "macro_f1": found.macro_f1, "interval": found.interval, "windows": found.windows,
            "less_recorded": less, "recordings": len(whole),
            "unlike": sum(one.unlike > 0 for one in whole),
            "windows_unlike": float((seen.scores() > 0).mean()),
        }  # fmt: skip
        print(f"{name}: {found.macro_f1:.3f}, unlike {figures[name]['unlike']} of {len(whole)}",
              flush=True)  # fmt: skip
    return figures


def table(figures: Mapping[str, Mapping[str, Any]]) -> str:
    """Write a row a device."""
    lines = ["| " + " | ".join(HEAD) + " |", "|---" * len(HEAD) + "|"]
    for name, one in figures.items():
        low, high = one["interval"]
        less = ""
        if one["less_recorded"] and name != RECORDED:
            difference, (least, most) = one["less_recorded"]
            less = f"{difference:+.3f} ({least:+.3f} to {most:+.3f})"
        cells = (
            name, f"{one['macro_f1']:.3f} ({low:.3f} to {high:.3f})", less,
            str(one["recordings"]), str(one["unlike"]), f"{one['windows_unlike']:.1%}",
        )  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Judge, print and keep."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--adapter", default="any-motion")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    started, store = os.getloadavg(), WindowStore.open(options.data)
    model = load_model(options.adapter, None)
    adapter = model.adapter
    split = checked_split(adapter.recipe, store, adapter.taught, f"'{options.adapter}'")
    figures = judge(model, list(store.windows(split.test.tolist())))
    write(record("any_motion.devices", {"devices": figures}, started), options.out / "results.json")
    (options.out / "table.md").write_text(table(figures), encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(run_verb(main))
