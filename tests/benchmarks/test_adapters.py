"""The mean over a recipe's runs, and an interval that covers retraining."""

import numpy as np
import pytest

from benchmarks.chosen import CHOSEN
from benchmarks.quality.adapters import confusions_file, repeated, retrained_interval
from benchmarks.speed_tables import SPEED_TABLES
from benchmarks.tables import TABLES, rewritten

SPEEDS = {"live", "serving", *SPEED_TABLES}


def run(seed: int, fold: int | None, macro_f1: float) -> dict:
    score = {"macro_f1": macro_f1}
    return {"seed": seed, "fold": fold, "score": score, "text": score, "probe": score}


def right(people: int, rate: float) -> np.ndarray:
    """Give each person 100 windows of two labels, of which a share is right."""
    good = round(100 * rate)
    return np.tile([[good, 100 - good, 0], [100 - good, good, 0]], (people, 1, 1))


def test_seeds_that_differ_widen_the_interval_though_all_people_are_alike():
    same = retrained_interval(np.stack([right(5, 0.8)] * 3), draws=200)
    assert same == pytest.approx((0.8, 0.8))
    low, high = retrained_interval(np.stack([right(5, r) for r in (0.7, 0.8, 0.9)]), draws=500)
    assert 0.69 < low < 0.76
    assert 0.84 < high < 0.91


def test_the_mean_is_over_runs_and_has_an_interval_where_all_are_kept(tmp_path):
    runs = [run(seed, None, rate) for seed, rate in enumerate((0.7, 0.8, 0.9))]
    assert repeated(runs, tmp_path, "command")["interval"] is None
    for one in runs:
        np.save(confusions_file(tmp_path, one["seed"], None), right(4, one["score"]["macro_f1"]))
    found = repeated(runs, tmp_path, "command")
    assert found["macro_f1"] == pytest.approx(0.8)
    assert (found["seeds"], found["folds"], found["covers_retraining"]) == ([0, 1, 2], [None], True)
    assert found["interval"][0] < 0.8 < found["interval"][1]
    assert not repeated(runs[:2], tmp_path, "command")["covers_retraining"]


def test_every_table_of_quality_says_who_chose():
    assert TABLES.keys() - SPEEDS == CHOSEN.keys()
    text = rewritten("<!-- table: rhythm -->\n<!-- end -->")
    assert CHOSEN["rhythm"] in text
