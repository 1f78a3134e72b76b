"""Columns are looked at one by one: what a form erases of one is not hidden by another."""

import numpy as np
import pytest

from sensor2llm.signals.spec import Channel, Modality, SignalSpec
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.window import Window
from tests.tokenization_study.constructed import characters, whole_numbers
from tokenization_study.audit import audit

RNG = np.random.default_rng(0)
PRESSURE = np.round(101_325 + 50 * RNG.normal(size=600), 1)
ACCEL = np.round(0.003 * RNG.normal(size=600), 6)


def remedies(report):
    return {r.form: r for r in report.remedies}


def rms(read, values):
    return float(np.sqrt(((read - values) ** 2).mean()) / values.std())


@pytest.fixture(scope="module")
def csv(tmp_path_factory):
    path = tmp_path_factory.mktemp("columns") / "walk.csv"
    rows = zip(PRESSURE.tolist(), ACCEL.tolist(), strict=True)
    path.write_text("p,ax\n" + "".join(f"{p},{a:.6f}\n" for p, a in rows))
    return path


def test_what_is_lost_is_that_of_the_column_that_loses_most(csv):
    found = remedies(audit(csv, [characters()], ["plain"]))
    assert found["plain"].error == 0
    assert found["fixed"].worst_column == "ax"
    assert found["fixed"].error == pytest.approx(rms(np.round(ACCEL, 2), ACCEL), rel=0.1)
    assert found["significant"].worst_column == "p"
    assert found["significant"].error == pytest.approx(rms(np.round(PRESSURE, -3), PRESSURE), 0.1)


@pytest.mark.parametrize("tokenizer", [characters(), whole_numbers()])
def test_a_form_that_erases_a_column_is_not_recommended(csv, tokenizer):
    report = audit(csv, [tokenizer], ["plain"])
    assert [r.form for r in report.recommendations] == ["plain"]
    cheaper = remedies(report)["scaled_integer"]
    assert cheaper.against_plain < 1
    assert cheaper.error > 0.5
    # On the common scale of both columns hundredths would do.
    assert cheaper.error * ACCEL.std() / np.concatenate([PRESSURE, ACCEL]).std() < 1e-6


def test_the_worst_column_is_named(csv):
    table = audit(csv, [characters()], ["plain"]).markdown()
    line = next(line for line in table.splitlines() if line.startswith("| rounding: two decimals"))
    assert "of a standard deviation lost in ax, the worst column |" in line


def test_lines_of_text_have_columns_too():
    rows = zip(PRESSURE.tolist(), ACCEL.tolist(), strict=True)
    lines = [f"anna,{1000 + 20 * i},{p},{a:.6f};" for i, (p, a) in enumerate(rows)]
    found = remedies(audit(lines, [characters()], ["as_written"]))
    assert found["fixed"].worst_column == "number 3 of a line"
    assert found["fixed"].error == pytest.approx(rms(np.round(ACCEL, 2), ACCEL), rel=0.1)
    assert found["significant"].worst_column == "number 2 of a line"


@pytest.mark.parametrize(
    "lines",
    [
        ["a walk of 3.25 km", "at 72.5 bpm, 71.5 later, 70.25 at last", "no number", "6.125"],
        [", ".join(f"{x:.4f}" for x in ACCEL)],
        ["0.125", "0.25, 0.5", "1.125, 2.25, 3.5"],
    ],
)
def test_a_text_without_rows_is_one_column(lines):
    found = remedies(audit(lines, [characters()], ["as_written"]))
    assert found["plain"].error == 0
    assert found["fixed"].worst_column == "the signal"


def test_a_modality_that_is_missing_moves_no_other_column(tmp_path):
    spec = SignalSpec(modalities=tuple(
        Modality(name=name, channels=(Channel(name="x", unit=unit),), steps=20, rate_hz=10)
        for name, unit in (("press", "Pa"), ("accel", "g"))))  # fmt: skip
    values = {"press": PRESSURE.reshape(30, 1, 20), "accel": ACCEL.reshape(30, 1, 20)}
    names = [("press",) if i % 3 == 0 else ("accel",) if i % 3 == 1 else tuple(values)
             for i in range(30)]  # fmt: skip
    windows = [
        Window(signals={n: values[n][i].astype(np.float32) for n in own}, subject="a", start_s=i)
        for i, own in enumerate(names)
    ]
    store = WindowStore.write(tmp_path / "store", spec, windows, source="made up")
    report = audit(store, [characters()], ["plain", "fixed", "csv"])
    assert {m.values for m in report.measures} == {800}
    found = remedies(report)
    assert found["fixed"].worst_column == "accel x"
    assert found["significant"].worst_column == "press x"
    # 20 windows have each modality, and a window of one is written as that one alone.
    assert report.measures[0].texts == 30


def test_arrays_of_an_npz_are_told_apart(tmp_path):
    np.savez(tmp_path / "a.npz", press=PRESSURE.reshape(10, 1, 60),
             accel=ACCEL.reshape(5, 2, 60))  # fmt: skip
    found = remedies(audit(tmp_path / "a.npz", [characters()], ["plain"]))
    assert found["fixed"].worst_column in ("accel 1", "accel 2")
    assert found["significant"].worst_column == "press"


def test_what_a_column_spreads_over_is_that_of_the_whole_input():
    """The sample's stretches are short; a slow drift is in the spread all the same."""
    drift = np.repeat(np.arange(100.0), 100) + RNG.uniform(size=10_000)
    found = remedies(audit(drift, [characters()], ["plain"]))
    assert found["fixed"].error == pytest.approx(0.01 / np.sqrt(12) / drift.std(), rel=0.1)
