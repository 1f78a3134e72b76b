"""What a study found, against the same numbers computed another way."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import wilcoxon
from sklearn.metrics import f1_score

from sensor2llm.signals.store.store import WindowStore
from sensor2llm.studies.config import LabelsConfig, MethodConfig
from sensor2llm.studies.data import divide, open_data
from sensor2llm.studies.results import tabulate
from sensor2llm.studies.runner import read_cells
from tests.studies.made_up import mostly_right, write_cells
from tests.studies.toy_study import CROSSL, make_study, write_store

SHARES = {"supervised": 0.6, "crossl": 0.8, "cocoa": 0.7}


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    return write_store(tmp_path_factory.mktemp("results") / "store", people=10)


def told(study, say=None, **options):
    write_cells(study, say or mostly_right(SHARES), **options)
    return tabulate(study, read_cells(study))


def of(rows, method, use="finetuned", **wanted):
    wanted = {"share": 1.0, "missing": [], "without": []} | wanted
    found = [
        row for row in rows
        if row["method"] == method and row["use"] == use
        and all(row[name] == value for name, value in wanted.items())
    ]  # fmt: skip
    assert len(found) == 1
    return found[0]


def judged(study, method, use="finetuned"):
    """Collect one method's labels of all runs by hand."""
    store = WindowStore.open(study.stores["toy"].path)
    rows, said = [], []
    for record in read_cells(study):
        if record["method"] == method:
            number = next(
                i for i, line in enumerate(record["results"])
                if line["use"] == use and line["share"] == 1 and not line["missing"]
            )  # fmt: skip
            rows.append(record["rows"])
            said.append(record["predicted"][number])
    rows, said = np.concatenate(rows), np.concatenate(said)
    return np.asarray(store.labels)[rows], said, store.subjects[rows]


def by_person(true, said, people):
    return np.array(
        [
            f1_score(true[people == p], said[people == p], average="macro", zero_division=0)
            for p in np.unique(people)
        ]
    )


def test_scores_are_of_all_folds_together_and_over_people(path, tmp_path):
    study = make_study(tmp_path, path, folds=(0, 1, 2, 3, 4))
    rows = told(study)
    for method, use in (("supervised", "finetuned"), ("crossl", "fixed"), ("crossl", "finetuned")):
        row = of(rows, method, use)
        true, said, people = judged(study, method, use)
        assert row["macro_f1"] == pytest.approx(f1_score(true, said, average="macro"))
        each = by_person(true, said, people)
        assert row["mean_over_people"] == pytest.approx(each.mean())
        assert row["sd_over_people"] == pytest.approx(each.std(ddof=1))
        assert (row["people"], row["windows"], row["runs"]) == (10, 90, 5)
        low, high = row["interval"]
        assert low < row["macro_f1"] < high
    assert len(rows) == 3


def test_the_difference_and_its_p_are_paired_over_people(path, tmp_path):
    study = make_study(tmp_path, path, folds=(0, 1, 2, 3, 4))
    row = of(told(study), "crossl")
    (true, ours, people), (_, theirs, _) = (judged(study, m) for m in ("crossl", "supervised"))
    difference = f1_score(true, ours, average="macro") - f1_score(true, theirs, average="macro")
    assert row["difference"] == pytest.approx(difference)
    assert row["difference_interval"][0] < difference < row["difference_interval"][1]
    a, b = (by_person(true, said, people) for said in (ours, theirs))
    assert row["p"] == pytest.approx(wilcoxon(a, b).pvalue)
    assert row["paired_runs"] == 5


def test_p_of_people_who_are_all_better_is_two_of_all_patterns_of_signs(path, tmp_path):
    study = make_study(tmp_path, path, folds=(0, 1, 2, 3, 4))
    store = open_data(study.stores["toy"])

    def say(cell, line, true):
        if cell.method == "crossl":
            return true
        rows = divide(study.stores["toy"], store, cell.fold).test
        person = np.char.lstrip(store.subjects[rows], "p").astype(int)
        # Person k has k wrong windows of nine; the tenth has none.
        wrong = np.asarray(store.starts)[rows] / 2 < person % 10
        return np.where(wrong, (true + 1) % 3, true)

    row = of(told(study, say), "crossl")
    assert row["macro_f1"] == 1
    # Nine people whose differences differ: Wilcoxon's exact two-sided p.
    assert row["p"] == pytest.approx(2 / 2**9)


def test_the_same_windows_of_two_seeds_and_draws_are_counted_once(path, tmp_path):
    labels = LabelsConfig(shares=(0.5, 1.0), draws=3)
    study = make_study(tmp_path, path, seeds=(0, 1), folds=(0, 1), labels=labels)
    rows = told(study)
    full, half = (of(rows, "crossl", share=share) for share in (1.0, 0.5))
    assert (full["runs"], half["runs"], half["paired_runs"]) == (4, 12, 12)
    assert full["windows"] == half["windows"] == 4 * 9
    assert full["people"] == 4


def test_runs_that_the_baseline_lacks_are_not_compared(path, tmp_path):
    study = make_study(tmp_path, path, folds=(0, 1, 2))
    write_cells(study, mostly_right(SHARES))
    (study.out / "cells" / "toy-supervised-seed0-fold1.json").unlink()
    rows = tabulate(study, read_cells(study))
    row = of(rows, "crossl")
    assert (row["runs"], row["paired_runs"]) == (3, 2)
    alone = replace(study, methods={"crossl": CROSSL})
    row = of(tabulate(alone, read_cells(alone)), "crossl")
    assert (row["difference"], row["difference_interval"], row["p"]) == (None, None, None)
    assert row["paired_runs"] == 0


def test_the_baseline_is_compared_under_the_same_labels_and_sensors(path, tmp_path):
    study = make_study(tmp_path, path, labels=LabelsConfig(shares=(0.5, 1.0)))

    def say(cell, line, true):
        worse = line["share"] == 0.5, bool(line["missing"]), bool(line["without"])
        bad = 3 * (cell.method == "supervised") + sum(worse)
        return np.where(np.arange(len(true)) < bad, (true + 1) % 3, true)

    gone = ("watch_acc",)
    rows = told(study, say, missing=((), gone), without=(gone,))
    assert len(rows) == 3 * 2 * 3
    for row in rows:
        if row["method"] == "supervised":
            assert row["difference"] is None
            continue
        theirs = of(
            rows, "supervised", share=row["share"], missing=row["missing"], without=row["without"]
        )
        assert row["difference"] == pytest.approx(row["macro_f1"] - theirs["macro_f1"])
        assert row["difference"] > 0


def test_a_baseline_without_a_finetuned_row_is_compared_in_the_rows_own_use(path, tmp_path):
    fixed = MethodConfig(objective="crossl", use=("fixed",))
    study = make_study(
        tmp_path, path, methods={"crossl": fixed, "cocoa": MethodConfig(objective="cocoa")},
        baseline="crossl",
    )  # fmt: skip
    rows = told(study)
    assert of(rows, "crossl", "fixed")["difference"] is None
    assert of(rows, "cocoa", "finetuned")["difference"] is None
    row = of(rows, "cocoa", "fixed")
    expected = row["macro_f1"] - of(rows, "crossl", "fixed")["macro_f1"]
    assert row["difference"] == pytest.approx(expected)


def test_a_row_is_compared_with_the_baseline_in_its_own_use(path, tmp_path):
    methods = {"crossl": CROSSL, "cocoa": MethodConfig(objective="cocoa")}
    rows = told(make_study(tmp_path, path, methods=methods, baseline="crossl"))
    for use in ("fixed", "finetuned"):
        row = of(rows, "cocoa", use)
        expected = row["macro_f1"] - of(rows, "crossl", use)["macro_f1"]
        assert row["difference"] == pytest.approx(expected)
        assert of(rows, "crossl", use)["difference"] is None


def test_a_fixed_row_is_compared_with_a_baseline_that_is_only_finetuned(path, tmp_path):
    rows = told(make_study(tmp_path, path))
    row = of(rows, "crossl", "fixed")
    expected = row["macro_f1"] - of(rows, "supervised")["macro_f1"]
    assert row["difference"] == pytest.approx(expected)


def test_equal_methods_have_no_p(path, tmp_path):
    study = make_study(tmp_path, path)
    row = of(told(study, lambda cell, line, true: true), "crossl")
    assert (row["difference"], row["p"]) == (0, None)


def test_figures_of_runs_are_means_over_runs(path, tmp_path):
    study = make_study(tmp_path, path, folds=(0, 1, 2))
    row = of(told(study), "crossl")
    shares = [
        record["results"][1]["macro_f1"]
        for record in read_cells(study) if record["method"] == "crossl"
    ]  # fmt: skip
    assert row["macro_f1_of_runs"] == pytest.approx(np.mean(shares))
    assert row["sd_of_runs"] == pytest.approx(np.std(shares, ddof=1))
    assert (row["f1_crossl_released_of_runs"], row["seconds_a_run"]) == (0.25, 2.0)
