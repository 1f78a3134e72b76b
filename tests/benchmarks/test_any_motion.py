"""One store of several data sets of motion, and who learns from whom when one is left out."""

from collections import Counter

import numpy as np
import pytest

from benchmarks.any_motion.forest import TurnFreeForest, turn_free_features
from benchmarks.any_motion.leave_one_out import (
    Protocol,
    SourceRun,
    compare,
    device_of,
    runs,
    shared_labels,
    thinned,
)
from benchmarks.any_motion.union import open_stores, write_union
from sensor2llm.errors import DataError
from sensor2llm.recipes.config import Recipe
from sensor2llm.signals.spec import Channel, Modality, SignalSpec
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.window import Window
from sensor2llm.tasks.metrics import Predictions

UNION = {
    "rate_hz": 10,
    "window_s": 2,
    "labels": {"walking": ["walking"], "stairs": ["upstairs", "stairs"]},
    "devices": {
        "waist": {"data_set": "lab", "placement": "waist", "accel": ["total"], "gyro": "turn"},
        "phone": {
            "data_set": "home", "placement": "pocket", "accel": ["linear", "gravity"], "gyro": "g",
        },
        "watch": {"data_set": "home", "placement": "wrist", "accel": ["acc"], "gyro": "g"},
    },
}  # fmt: skip


def spec(names: dict[str, str], rate_hz: float, window_s: float) -> SignalSpec:
    return SignalSpec(
        modalities=tuple(
            Modality(
                name=name,
                channels=tuple(Channel(name=f"{name}_{axis}", unit=unit) for axis in "xyz"),
                steps=round(rate_hz * window_s),
                rate_hz=rate_hz,
            )
            for name, unit in names.items()
        ),
        window_s=window_s,
    )


def rows(spec: SignalSpec, label: str, count: int, step_s: float, people: int, seed: int):
    generator = np.random.default_rng(seed)
    for person in range(people):
        for i in range(count):
            signals = {m.name: generator.normal(size=m.shape) for m in spec.modalities}
            yield Window(signals, subject=str(person), label=label, start_s=i * step_s)


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """Give a store of 1 s windows that overlap by half, and two of 2.4 s."""
    folder = tmp_path_factory.mktemp("stores")
    waist = spec({"total": "g", "turn": "rad/s"}, 20, 1.0)
    phone = spec({"linear": "g", "gravity": "g", "g": "rad/s"}, 10, 2.4)
    watch = spec({"acc": "m/s^2", "g": "rad/s"}, 10, 2.4)
    windows = {
        "waist": [*rows(waist, "walking", 6, 0.5, 3, 0), *rows(waist, "upstairs", 6, 0.5, 3, 1)],
        "phone": [*rows(phone, "walking", 4, 2.4, 3, 2), *rows(phone, "stairs", 4, 2.4, 3, 3)],
        "watch": [
            *rows(watch, "walking", 4, 2.4, 3, 4), *rows(watch, "stairs", 4, 2.4, 3, 5),
            *rows(watch, "typing", 2, 2.4, 3, 6),
        ],
    }  # fmt: skip
    specs = {"waist": waist, "phone": phone, "watch": watch}
    return {
        name: WindowStore.write(folder / name, specs[name], some, source=f"{name[0]} 2020")
        for name, some in windows.items()
    }


@pytest.fixture(scope="module")
def union(stores, tmp_path_factory):
    return write_union(tmp_path_factory.mktemp("union") / "store", stores, union=UNION)


def test_devices_have_one_spec_and_labels_by_meaning(union):
    assert union.spec.names == ("accel", "gyro")
    assert union.spec["accel"].shape == (3, 20)
    assert union.label_names == ("walking", "stairs")
    assert Counter(device_of(union, row) for row in range(len(union))) == {
        "waist": 24, "phone": 24, "watch": 24,
    }  # fmt: skip
    worn = {"waist": "waist", "phone": "pocket", "watch": "wrist"}
    rows = range(len(union))
    assert all(union.placement_of(row) == worn[device_of(union, row)] for row in rows)


def test_people_of_two_devices_are_one_and_data_sets_stay_apart(union):
    assert set(union.subject_names) == {f"{data}/{i}" for data in ("lab", "home") for i in range(3)}
    assert set(union.parts) == {"lab", "home"}


def test_windows_that_follow_each_other_are_put_together_and_turned(stores, union):
    first = union[min(r for r in range(len(union)) if device_of(union, r) == "waist")]
    person = first.subject.partition("/")[2]
    own = [w for w in stores["waist"] if w.subject == person and w.label == "walking"]
    both = np.concatenate([own[0].signals["total"], own[2].signals["total"]], 1)
    # A turn keeps the length of every sample; resampling is linear, so it commutes with turns.
    from sensor2llm.signals.resample import resample

    expected = np.linalg.norm(resample(both, 20, 10), axis=0)
    np.testing.assert_allclose(np.linalg.norm(first.signals["accel"], axis=0), expected, atol=1e-4)
    assert not np.allclose(first.signals["accel"], resample(both, 20, 10), atol=1e-2)


def test_accelerations_of_two_parts_are_added_and_units_are_converted(stores, union):
    wrist = next(w for w in union if (w.recording or "").startswith("watch"))
    own = next(w for w in stores["watch"] if w.subject == wrist.subject.partition("/")[2])
    norm = np.linalg.norm(own.signals["acc"][:, 2:22], axis=0) / 9.80665
    np.testing.assert_allclose(np.linalg.norm(wrist.signals["accel"], axis=0), norm, rtol=1e-4)
    pocket = next(w for w in union if (w.recording or "").startswith("phone"))
    own = next(w for w in stores["phone"] if w.subject == pocket.subject.partition("/")[2])
    total = (own.signals["linear"] + own.signals["gravity"])[:, 2:22]
    expected = np.linalg.norm(total, axis=0)
    np.testing.assert_allclose(np.linalg.norm(pocket.signals["accel"], axis=0), expected, rtol=1e-4)


def test_at_most_so_many_windows_of_a_person_device_and_activity_are_taken(stores, union, tmp_path):
    few = write_union(tmp_path / "store", stores, most=2, union=UNION)
    counts = Counter((few.recording_of(r), int(few.subject_ids[r])) for r in range(len(few)))
    assert set(counts.values()) == {2}
    assert len(counts) == 18
    starts = sorted(few.starts[r] for r in range(len(few)) if few.subjects[r] == "lab/0")
    assert starts == [0.0, 0.0, 1.5, 1.5]


def test_an_unknown_device_and_a_word_without_a_folder_are_errors(stores, tmp_path):
    with pytest.raises(DataError, match="does not name 'ring'; it names waist, phone, watch"):
        write_union(tmp_path / "store", {"ring": stores["watch"]}, union=UNION)
    with pytest.raises(DataError, match="'watch' is no DEVICE=FOLDER"):
        open_stores(["watch"])


def test_no_turn_changes_what_the_forest_reads(stores, union, tmp_path):
    again = write_union(tmp_path / "store", stores, seed=1, union=UNION)
    every = np.arange(len(union))
    assert not np.allclose(union.read(every)["accel"], again.read(every)["accel"], atol=0.1)
    before, after = turn_free_features(union, every), turn_free_features(again, every)
    np.testing.assert_allclose(before, after, rtol=1e-3, atol=1e-3)


def test_the_forest_learns_labels_that_movement_tells(union, tmp_path):
    def louder(window: Window) -> Window:
        factor = 3.0 if window.label == "stairs" else 1.0
        signals = {name: factor * values for name, values in window.signals.items()}
        return Window(signals, window.subject, window.label)

    store = WindowStore.write(tmp_path / "store", union.spec, map(louder, union))
    even, odd = np.arange(0, len(store), 2), np.arange(1, len(store), 2)
    assert (TurnFreeForest(store, even).predict(odd) == store.labels[odd]).mean() > 0.9


def test_a_sensor_that_is_missing_has_no_features(union, tmp_path):
    gyro = [Window({"gyro": w.signals["gyro"]}, w.subject, w.label) for w in union]
    store = WindowStore.write(tmp_path / "store", union.spec, [*gyro[:-1], union[len(union) - 1]])
    features = turn_free_features(store, np.array([0]))
    assert np.isnan(features).any()
    assert np.isfinite(features).any()


def test_runs_are_each_alone_and_all_but_one():
    assert list(runs(["a", "b", "c"])) == [
        ("a",), ("b",), ("c",), ("b", "c"), ("a", "c"), ("a", "b"),
    ]  # fmt: skip


def test_a_run_learns_from_its_sources_people_and_everybody_elses_thirds_test(union, tmp_path):
    protocol = Protocol(union, Recipe(), most=5, seed=0, out=tmp_path)
    assert shared_labels(union) == ["walking", "stairs"]
    store = protocol.write_store(["home"])
    assert {name.split("/")[0] for name in store.published["train"]} == {"home"}
    assert len(store.published["train"]) == 2
    assert sorted(name.split("/")[0] for name in store.published["test"]) == ["home", "lab"]
    assert not set(store.published["train"]) & set(store.published["test"])
    other = protocol.write_store(["lab"])
    assert other.published["test"] == store.published["test"]


def test_thinning_takes_everybody_alike(union):
    chosen = thinned(union, range(len(union)), 6, seed=0)
    counts = Counter(
        (device_of(union, row), int(union.labels[row]), int(union.subject_ids[row]))
        for row in chosen
    )
    assert set(counts.values()) == {2}
    assert len(chosen) == 36


def test_all_others_are_compared_with_each_alone_the_forest_and_the_ceiling():
    true = np.tile(np.arange(2), 60)
    people = np.repeat([f"a/{i}" for i in range(6)], 20)

    def right(share: float) -> dict[str, Predictions]:
        wrong = np.arange(len(true)) % 10 >= round(10 * share)
        return {
            "phone": Predictions(
                labels=("x", "y"), true=true, predicted=np.where(wrong, 1 - true, true),
                subjects=people,
            )
        }  # fmt: skip

    said = {
        ("a",): SourceRun(right(1.0), right(0.9)), ("b",): SourceRun(right(0.4), right(0.4)),
        ("c",): SourceRun(right(0.6), right(0.6)), ("b", "c"): SourceRun(right(0.8), right(0.7)),
        ("a", "c"): SourceRun(right(0.9), right(0.9)),
    }  # fmt: skip
    figures = compare("phone", "a", said)
    assert set(figures["adapters"]) == {"a", "b", "c", "b+c"}
    assert (figures["others"], figures["best_single"]) == ("b+c", "c")
    assert figures["above_singles_mean"] == pytest.approx(0.3, abs=0.01)
    assert figures["gap_to_own"] == pytest.approx(-0.2, abs=0.01)
    assert figures["against_best_single"][0] == pytest.approx(0.2, abs=0.01)
    assert figures["against_forest"][0] == pytest.approx(0.1, abs=0.01)
