"""Answers of several folds are judged together, each beside the truth of its own windows."""

import json

import numpy as np
import pytest

from benchmarks.quality.rhythm_numbers import (
    compared,
    parser,
    pooled,
    rows_of,
    said_by_row,
    table,
)
from sensor2llm.errors import DataError
from sensor2llm.signals.store.store import WindowStore
from tests.signals.stores import SPEC, make_windows
from tokenization_study.comparison.rows import STATES

LABELS = ("rest", "walk", "run")
ENCODED = ("encoded inputs", "adapter")


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> WindowStore:
    path = tmp_path_factory.mktemp("rhythm") / "store"
    return WindowStore.write(path, SPEC, make_windows(people=6, each=4, labels=LABELS), LABELS)


def fold(folder, index, answers):
    (folder / "rows").mkdir(parents=True)
    (folder / "comparison.json").write_text(json.dumps({"index": index}))
    for i, ((given, prompt), predicted) in enumerate(answers.items()):
        row = {"input": given, "prompt": prompt, "predicted": predicted}
        (folder / "rows" / f"{i}.json").write_text(json.dumps({"row": row}))
    return folder


@pytest.fixture
def folders(store, tmp_path):
    labels = np.asarray(store.labels)
    found = []
    for number, index in enumerate((range(3, 12), range(12, 20))):
        true, chosen = labels[list(index)].tolist(), ("plain", "csv")[number]
        answers = {
            ENCODED: true,
            ("raw numbers: plain", "zero-shot"): [0] * len(true),
            (f"raw numbers: {chosen}", f"few-shot, {number + 3} examples"): true,
            (f"raw numbers: {chosen}", "learned soft prompt"): true,
            (f"raw numbers: {chosen}", STATES): true,
            ("nothing", "the most frequent training label"): [],
        }
        found.append(fold(tmp_path / f"fold{number}", list(index), answers))
    return found


def test_rows_of_all_folds_meet_under_one_name(folders):
    assert set(said_by_row(folders[1])) == {
        ENCODED, ("raw numbers: plain", "zero-shot"), ("raw numbers", "few-shot"),
        ("raw numbers", "learned soft prompt"), ("raw numbers", STATES),
    }  # fmt: skip


def test_answers_stand_beside_the_truth_of_their_windows(store, folders):
    said = pooled(store, folders)
    rows = {(row["input"], row["prompt"]): row for row in rows_of(said)}
    assert rows[ENCODED]["accuracy"] == 1.0
    assert rows[ENCODED]["windows"] == 17
    zero = rows["raw numbers: plain", "zero-shot"]
    true = np.asarray(store.labels)[3:20]
    assert zero["accuracy"] == pytest.approx((true == 0).mean())
    assert zero["encoded_minus_this"] == pytest.approx(1 - zero["macro_f1"])
    assert rows["raw numbers", "learned soft prompt"]["encoded_minus_this"] == 0
    lines = table(rows.values()).splitlines()
    assert lines[2].startswith("| encoded inputs | adapter | 1.000 (1.000 to 1.000) |  |")


def test_a_fold_without_an_adapter_is_named(tmp_path):
    options = parser().parse_args(["--rhythm", str(tmp_path), "--folds", "3"])
    with pytest.raises(
        DataError, match=r"no .*adapter-fold3; run benchmarks\.quality\.rhythm --out"
    ):
        list(compared(options))
