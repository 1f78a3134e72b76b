"""Two rhythms on one grid, and normal windows again with premature beats."""

from pathlib import Path

import numpy as np
import pytest

from sensor2llm.datasets.heart import af_rhythm
from sensor2llm.datasets.heart.af_rhythm import FIBRILLATION, NORMAL, ticked
from sensor2llm.datasets.heart.premature_beats import PATTERNS, with_premature_beats
from sensor2llm.errors import ConfigError
from sensor2llm.signals.reader_options import SourceOptions
from sensor2llm.signals.reading import Reading

SAMPLE_MS = 4.0


def intervals(count: int = 60, spread_ms: float = 20.0, seed: int = 0) -> np.ndarray:
    """Give intervals in ms, whole samples at 250 Hz."""
    drawn = np.random.default_rng(seed).normal(800, spread_ms, count)
    return np.round(drawn / SAMPLE_MS) * SAMPLE_MS


def write_record(folder: Path, record: str, labels: list[str]) -> None:
    folder.mkdir(exist_ok=True)
    values = np.concatenate([intervals(seed=i) for i in range(len(labels))]) / 1000
    rows = zip(np.cumsum(values), values, np.repeat(labels, 60), strict=True)
    text = "".join(f"{time:.3f}\t{interval:.4f}\t{label}\n" for time, interval, label in rows)
    (folder / f"{record}.txt").write_text(text)


@pytest.fixture
def reading(tmp_path) -> Reading:
    write_record(tmp_path / "afdb", "04015", ["N", "N", "AFIB", "AFL", "N", "J", "N"])
    write_record(tmp_path / "afdb", "04043", ["N", "N", "N"])
    return af_rhythm.read(tmp_path / "afdb", SourceOptions())


def test_the_two_rhythms_come_and_every_second_normal_window_again(reading):
    found = [(w.subject, w.label) for w in reading]
    assert found == [
        ("04015", NORMAL),
        ("04015", NORMAL),
        ("04015~simulated", NORMAL),
        ("04015", FIBRILLATION),
        ("04015", NORMAL),
        ("04015", NORMAL),
        ("04015~simulated", NORMAL),
        ("04043", NORMAL),
        ("04043", NORMAL),
        ("04043~simulated", NORMAL),
        ("04043", NORMAL),
    ]


def test_every_window_is_accounted_for(reading):
    made = len(list(reading))
    windows = reading.ledger["windows"]
    assert windows.kept == made
    assert windows.dropped == {"of AFL": 1, "of J": 1}
    assert windows.changed == {"made of others, with simulated premature beats": 3}
    assert not reading.ledger.unbalanced()


def test_all_beats_are_on_one_clock_and_runs_repeat(reading, tmp_path):
    first = [w.signals["rr"] for w in reading]
    for values in first:
        np.testing.assert_allclose(values * 128 / 1000, np.round(values * 128 / 1000), atol=1e-4)
    again = [w.signals["rr"] for w in af_rhythm.read(tmp_path / "afdb", SourceOptions())]
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


def test_it_has_no_other_option_than_overlap(tmp_path):
    with pytest.raises(ConfigError, match="af_rhythm has no option --window-s; its options: --ov"):
        af_rhythm.read(tmp_path, SourceOptions(window_s=30))


def test_beats_move_to_the_nearest_tick_and_stay_there():
    values = intervals(spread_ms=150.0)
    moved = ticked(values, 128.0)
    ticks = moved * 128 / 1000
    np.testing.assert_allclose(ticks, np.round(ticks), atol=1e-9)
    np.testing.assert_allclose(np.cumsum(moved), np.cumsum(values), atol=1000 / 128 / 2 + 1e-9)
    np.testing.assert_array_equal(ticked(moved, 128.0), moved)


def test_intervals_counted_on_the_grid_survive_four_decimals_in_a_text_file():
    counted = np.random.default_rng(0).integers(60, 200, 60) * (1000 / 128)
    np.testing.assert_allclose(ticked(np.round(counted / 1000, 4) * 1000, 128.0), counted)


STEADY = np.full(60, 800.0)


def premature(pattern: str, seed: int) -> np.ndarray:
    made = with_premature_beats(STEADY, pattern, np.random.default_rng(seed))
    assert made.shape == STEADY.shape
    assert made.min() >= 280.0
    return made < 0.96 * STEADY


@pytest.mark.parametrize(("pattern", "step"), [("bigeminy", 2), ("trigeminy", 3)])
def test_every_second_or_third_beat_is_early_in_one_run(pattern: str, step: int):
    for seed in range(20):
        early = np.flatnonzero(premature(pattern, seed))
        assert set(np.diff(early)) == {step}
        assert len(early) * step >= 0.4 * len(STEADY)


def test_ectopy_is_scattered_single_beats_and_pairs():
    counts, gaps = [], set[int]()
    for seed in range(40):
        early = np.flatnonzero(premature("ectopy", seed))
        counts.append(len(early))
        gaps |= set(np.diff(early).tolist())
    assert {1, 2, 3, 4, 5} <= gaps
    assert 0.05 * 60 < np.mean(counts) < 0.35 * 60


def test_after_a_ventricular_beat_the_clock_goes_on_and_an_atrial_one_resets_it():
    pairs = []
    for seed in range(40):
        made = with_premature_beats(STEADY, "trigeminy", np.random.default_rng(seed))
        first = int(np.flatnonzero(made < 0.96 * 800)[0])
        pairs.append(made[first] + made[first + 1])
    ventricular = np.isclose(pairs, 1600.0)
    assert 0.5 < ventricular.mean() < 0.9
    assert np.median(np.array(pairs)[~ventricular]) < 1500.0


def test_what_varies_in_the_rhythm_stays():
    values = intervals()
    made = with_premature_beats(values, "trigeminy", np.random.default_rng(0))
    same = np.isclose(made, values)
    assert 15 <= same.sum() < 60


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_generator_decides(pattern: str):
    first, again, other = (
        with_premature_beats(STEADY, pattern, np.random.default_rng(seed)) for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
