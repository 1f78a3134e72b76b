"""The benchmark of an adapter in use: each side does its whole work, and rows are compared."""

from argparse import Namespace

import pyarrow as pa
import pytest
import torch
from pyarrow import parquet

from benchmarks.speed import memory, use
from tests.models import small_model

OPTIONS = Namespace(adapter="small", batch_size=2, pairs=1, classified=70)


@pytest.fixture
def model():
    return small_model()


def test_scoring_from_signals_is_timed_beside_the_llm_alone(model):
    figures = use.scoring(model, OPTIONS)
    assert figures["ratio"] > 0
    with torch.no_grad():  # as in use, where the soft prompt is cached
        prompt = model.build.for_batch(model.features(use.random_signals(model, 2)))
    assert figures["positions"] == prompt.vectors.shape[1] + len(model.prompting.answers.tree)


def test_a_store_is_labelled_whole_beside_its_batches_alone(model, monkeypatch):
    scored = []
    score = model.score
    monkeypatch.setattr(model, "score", lambda batch: scored.append(len(batch)) or score(batch))
    assert use.classify(model, OPTIONS)["ratio"] > 0
    # Once to warm up and once timed: 64 and 6 windows of the store, and two batches in memory.
    assert sorted(scored) == sorted(2 * [64, 6, 64, 64])


def test_rows_are_compared_in_the_order_of_windows(tmp_path):
    (tmp_path / "parts").mkdir()
    for name, windows in (("a", [2, 3]), ("b", [0, 1])):
        table = pa.table({"window": windows, "label": [f"l{n}" for n in windows]})
        parquet.write_table(table, tmp_path / "parts" / f"{name}.parquet")
    assert use.rows(tmp_path) == [(0, "l0"), (1, "l1"), (2, "l2"), (3, "l3")]


def test_memory_is_the_highest_while_it_is_watched():
    with memory.PeakMemory() as peak:
        before = peak.anonymous
        held = bytearray(64 * memory.MIB)
        while peak.anonymous < before + len(held) // 2:
            pass
        del held
    assert peak.mib()["anonymous_mib"] >= 32
    assert not peak.is_alive()
