"""What a store holds is what it is: neither its folder nor the time of writing counts."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sensor2llm.errors import DataError
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.store.windows import digest_window, digest_windows, fingerprint
from sensor2llm.signals.views.converted import ConvertedView
from sensor2llm.signals.views.in_memory import InMemoryWindows
from sensor2llm.signals.views.joined import JoinedStores
from sensor2llm.studies.data import SubjectSubset
from tests.signals.stores import ACCEL, SPEC, make_windows

LABELS = ("rest", "walk")
GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "format1" / "store"


def write(folder: Path, windows=None, **changes) -> WindowStore:
    facts = {"spec": SPEC, "label_names": LABELS, "published": {"train": ["s1"], "test": ["s2"]},
             "source": "made up", "parts": {"a": "b"}}  # fmt: skip
    return WindowStore.write(folder, windows=windows or make_windows(), **(facts | changes))


def changed(**fields):
    """Give the windows with other fields in one of them."""
    windows = list(make_windows())
    windows[7] = replace(windows[7], **fields)
    return windows


def one_value() -> dict:
    signals = dict(list(make_windows())[7].signals)
    name = next(iter(signals))
    signals[name] = signals[name].copy()
    signals[name][0, 0] += 1e-3
    return signals


def one_sensor_less() -> dict:
    signals = dict(list(make_windows())[7].signals)
    del signals["rr"]
    return signals


def test_the_same_data_in_another_folder_have_the_same_fingerprint(tmp_path):
    first, second = write(tmp_path / "first"), write(tmp_path / "second")
    assert first.fingerprint == second.fingerprint
    assert first.fingerprint.startswith("sha256:")
    assert WindowStore.open(first.path).fingerprint == first.fingerprint


@pytest.mark.parametrize(
    "changes",
    [
        {"windows": changed(signals=one_value())},
        {"windows": changed(signals=one_sensor_less())},
        {"windows": changed(label="rest")},
        {"windows": changed(label=None)},
        {"windows": changed(subject="s6")},
        {"windows": changed(start_s=7.5)},
        {"windows": list(make_windows())[:-1]},
        {"windows": list(make_windows())[::-1]},
        {"label_names": LABELS[::-1]},
        {"published": {"train": ["s1"], "test": ["s3"]}},
        {"source": "made up, twice"},
        {"parts": {}},
        {"spec": replace(SPEC, modalities=(replace(ACCEL, channels=tuple(
            replace(c, unit="m/s^2") for c in ACCEL.channels)), *SPEC.modalities[1:]))},
    ],
    ids=["value", "sensor", "label", "no label", "person", "start", "fewer", "order", "label names",
         "published", "source", "parts", "unit"],
)  # fmt: skip
def test_whatever_a_store_holds_is_in_its_fingerprint(tmp_path, changes):
    assert write(tmp_path / "b", **changes).fingerprint != write(tmp_path / "a").fingerprint


def test_it_is_made_when_the_store_is_written_and_read_from_there(tmp_path):
    store = write(tmp_path / "store")
    written = json.loads((store.path / "store.json").read_text())
    assert written["fingerprint"] == fingerprint(store)
    file = store.path / "store.json"
    file.write_text(json.dumps(written | {"fingerprint": "sha256:1"}))
    assert WindowStore.open(store.path).fingerprint == "sha256:1"


def test_a_store_of_the_first_format_gets_one_when_it_is_asked(tmp_path):
    old = WindowStore.open(GOLDEN)
    assert "fingerprint" not in json.loads((GOLDEN / "store.json").read_text())
    assert not (GOLDEN / "digests.npy").exists()
    new = WindowStore.write(
        tmp_path / "new", old.spec, old, old.label_names, old.published, old.source
    )
    assert old.fingerprint == new.fingerprint
    np.testing.assert_array_equal(old.digests, new.digests)


def test_equal_signals_have_equal_digests_whoever_they_are_called(tmp_path):
    store = write(tmp_path / "store")
    np.testing.assert_array_equal(np.load(store.path / "digests.npy"), digest_windows(store))
    assert len(np.unique(store.digests)) == len(store)
    window = store[0]
    other = replace(window, subject="x", label=None, start_s=9.0)
    assert digest_window(other) == digest_window(window) == int(store.digests[0])


def test_damaged_digests_are_said(tmp_path):
    store = write(tmp_path / "store")
    np.save(store.path / "digests.npy", np.zeros(3, np.uint64))
    with pytest.raises(DataError, match=r"damaged: digests.npy holds uint64 \(3,\), expected"):
        _ = WindowStore.open(store.path).digests


def cut(store, steps: int = 8) -> ConvertedView:
    accel = replace(ACCEL, steps=steps)
    spec = replace(SPEC.subset(["accel"]), modalities=(accel,), window_s=steps / 8)
    return ConvertedView(store, {"accel": "accel"}, spec)


VIEWS = {
    "some people": lambda store: SubjectSubset(store, ("s1", "s3")),
    "mapped": cut,
    "joined": lambda store: JoinedStores([store, store], names=["a", "b"]),
    "held": lambda store: InMemoryWindows(list(store), store.spec),
}
OTHERS = {
    "some people": lambda store: SubjectSubset(store, ("s1", "s4")),
    "mapped": lambda store: cut(store, steps=4),
    "joined": lambda store: JoinedStores([store, store], names=["a", "c"]),
    "held": lambda store: InMemoryWindows(list(store)[1:], store.spec),
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_is_known_by_what_it_reads_and_what_it_makes_of_it(tmp_path, name):
    store, view = write(tmp_path / "store"), VIEWS[name]
    same = write(tmp_path / "again")
    changed_values = write(tmp_path / "other", changed(signals=one_value()))
    assert view(store).fingerprint == view(same).fingerprint
    other = OTHERS[name](store).fingerprint
    assert len({view(store).fingerprint, other, store.fingerprint}) == 3
    if name != "some people":
        assert view(changed_values).fingerprint != view(store).fingerprint
    assert (
        SubjectSubset(changed_values, ("s5",)).fingerprint
        != SubjectSubset(store, ("s5",)).fingerprint
    )


@pytest.mark.parametrize("name", ["some people", "joined", "held"])
def test_a_views_digests_are_those_of_its_windows(tmp_path, name):
    view = VIEWS[name](write(tmp_path / "store"))
    np.testing.assert_array_equal(view.digests, digest_windows(view))


def test_a_converted_window_keeps_the_digest_that_it_was_written_with(tmp_path):
    store = write(tmp_path / "store")
    view = cut(store)
    there = np.asarray(store.present)[:, 0]
    np.testing.assert_array_equal(view.digests, np.asarray(store.digests)[there])
