"""Numbers to estimate: read from windows, written, read back, and measured in their unit."""

import math

import numpy as np
import pytest

from sensor2llm.bridge.number_head import Target
from sensor2llm.datasets.simulation.simulate import SimulationConfig, simulate_store
from sensor2llm.errors import ConfigError, DataError
from sensor2llm.signals.facts.facts import extract_facts
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.tasks.regression import errors, read_numbers, requests, target_values
from tests.signals.stores import SPEC, make_windows

TARGET = Target(name="x", unit="bpm", mean=70.0, scale=5.0, decimals=1)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    config = SimulationConfig(subjects=3, sessions=1, bout_s=10, missing_share=0.5)
    return simulate_store(tmp_path_factory.mktemp("regression") / "store", config)


@pytest.fixture(scope="module")
def numbered(tmp_path_factory):
    folder = tmp_path_factory.mktemp("numbers") / "store"
    return WindowStore.write(
        folder, SPEC, make_windows(people=2, each=6, labels=("1.5", "3", "-10", None))
    )


def test_a_facts_number_is_the_target(store):
    rows = np.arange(len(store))[::-1]
    values, unit = target_values(store, rows, "heart_rate.heart_rate")
    assert unit == "bpm"
    rates = [
        extract_facts(store[row], store.spec).get("heart_rate.heart_rate") for row in rows.tolist()
    ]
    expected = np.array([np.nan if fact is None else fact.value for fact in rates])
    np.testing.assert_array_equal(values, expected)
    assert 0 < np.isnan(values).sum() < len(values)


def test_a_number_that_is_not_there_counts_as_none(store):
    rows = np.arange(len(store))
    values, unit = target_values(store, rows, "ankle_acc.step_rate")
    assert unit == "Hz"
    still = [
        extract_facts(store[row], store.spec).get("ankle_acc.intensity") for row in rows.tolist()
    ]
    assert all(
        math.isnan(value)
        for value, fact in zip(values.tolist(), still, strict=True)
        if fact is None or fact.value == "still"
    )


def test_labels_that_are_numbers_are_the_target(numbered):
    rows = np.arange(len(numbered))
    values, unit = target_values(numbered, rows, "label")
    assert unit == ""
    expected = [math.nan if numbered[i].label is None else float(numbered[i].label) for i in rows]
    np.testing.assert_array_equal(values, expected)
    assert set(values[~np.isnan(values)].tolist()) == {1.5, 3.0, -10.0}


def test_a_target_that_there_is_not_names_those_there_are(store, numbered):
    rows = np.arange(len(store))
    for name in ("heart_rate.colour", "wrist_acc.intensity", "wrist_acc.mean"):
        with pytest.raises(ConfigError, match=f"number '{name}'; choose from label, .*heart_rate"):
            target_values(store, rows, name)
    with pytest.raises(DataError, match="needs labels that are numbers, got "):
        target_values(store, rows, "label")
    unlabelled = np.flatnonzero(np.asarray(numbered.labels) < 0)
    with pytest.raises(DataError, match="none of these has a label"):
        target_values(numbered, unlabelled, "label")


def test_a_number_is_asked_for_with_the_true_one_as_its_answer():
    found = requests(np.array([71.26, 60.0]), TARGET)
    assert [(r.task, r.answer, r.number) for r in found] == [
        ("regression", "71.3 bpm", 71.26),
        ("regression", "60.0 bpm", 60.0),
    ]


def test_the_first_number_of_an_answer_is_read():
    texts = ["72 bpm", "about -3.5, or 7", "+4", ".25 L", "1.", "none", "", "-.5", "a 1.2.3"]
    expected = [72, -3.5, 4, 0.25, 1, np.nan, np.nan, -0.5, 1.2]
    np.testing.assert_array_equal(read_numbers(texts), expected)


def test_what_is_written_is_read_back_within_half_a_step():
    values = np.random.default_rng(0).normal(0, 100, 50)
    read = read_numbers([TARGET.write(value) for value in values])
    assert np.abs(read - values).max() <= 0.05 + 1e-9


def test_errors_are_those_of_plain_loops():
    rng = np.random.default_rng(0)
    true, estimated = rng.normal(70, 8, 40), rng.normal(70, 8, 40)
    estimated[[3, 17]] = np.nan
    subjects = np.array(["a"] * 25 + ["b"] * 10 + ["c"] * 5)
    found = errors(true, estimated, subjects, mean=69.0)
    said = [69.0 if math.isnan(value) else value for value in estimated.tolist()]
    off = [abs(a - b) for a, b in zip(said, true.tolist(), strict=True)]
    assert found["mae"] == pytest.approx(sum(off) / 40)
    assert found["rmse"] == pytest.approx(math.sqrt(sum(o * o for o in off) / 40))
    assert found["mae_of_mean"] == pytest.approx(sum(abs(69 - t) for t in true.tolist()) / 40)
    people = (sum(off[:25]) / 25, sum(off[25:35]) / 10, sum(off[35:]) / 5)
    assert found["mae_by_subject"] == pytest.approx(sum(people) / 3)
    assert found["unparsed_rate"] == 2 / 40
    mean_said, mean_true = sum(said) / 40, sum(true.tolist()) / 40
    joint = sum((a - mean_said) * (b - mean_true) for a, b in zip(said, true, strict=True))
    spreads = sum((a - mean_said) ** 2 for a in said), sum((b - mean_true) ** 2 for b in true)
    assert found["correlation"] == pytest.approx(joint / math.sqrt(spreads[0] * spreads[1]))


def test_the_truth_has_no_error_and_saying_the_mean_has_the_means():
    true, subjects = np.array([60.0, 70.0, 95.0]), np.array([0, 0, 1])
    right = errors(true, true, subjects, mean=72.0)
    assert (right["mae"], right["rmse"], right["correlation"]) == (0.0, 0.0, pytest.approx(1.0))
    mute = errors(true, np.full(3, np.nan), subjects, mean=72.0)
    assert mute["mae"] == mute["mae_of_mean"] == pytest.approx((12 + 2 + 23) / 3)
    assert (mute["unparsed_rate"], mute["correlation"]) == (1.0, 0.0)
