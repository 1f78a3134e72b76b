"""Counting in processes: what one process gives, its errors, and no process left behind."""

import multiprocessing
import sys

import numpy as np
import pytest

from sensor2llm.errors import ConfigError, ModelError
from tests.tokenization_study.constructed import RuleTokenizer, blocks, characters
from tokenization_study.audit import audit
from tokenization_study.reading import windows
from tokenization_study.tokenizers import processes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux")
VALUES = np.round(np.random.default_rng(0).normal(size=(40, 2, 40)), 2)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """Let a short input be several chunks."""
    monkeypatch.setattr(windows, "CHUNK_VALUES", 400)


class Breaking(RuleTokenizer):
    """Fails on its third chunk."""

    calls = 0

    def encode(self, texts):
        self.calls += 1
        if self.calls > 2:
            raise ModelError("its tokens do not spell the text")
        return super().encode(texts)


def tokenizers():
    return [characters(name="one"), blocks(3, name="two"), blocks(2, name="three")]


@pytest.mark.parametrize("count", [2, 3, 8])
def test_processes_count_what_one_process_counts(count):
    forms = ["plain", "fixed"]
    alone = audit(VALUES, tokenizers(), forms, processes=1)
    together = audit(VALUES, tokenizers(), forms, processes=count)
    assert together.to_dict() == alone.to_dict()
    assert [m.tokenizer for m in together.measures] == ["one", "two", "three"] * 2
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("count", [1, 3])
def test_an_error_of_one_tokenizer_is_the_same_in_a_process(count):
    broken = Breaking(list, name="broken")
    with pytest.raises(ModelError, match=r"^its tokens do not spell the text$"):
        audit(VALUES, [*tokenizers(), broken], ["plain"], processes=count)
    assert multiprocessing.active_children() == []


def test_cores_that_other_work_takes_are_not_free(monkeypatch):
    monkeypatch.setattr(processes.os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setattr(processes.os, "getloadavg", lambda: (2.9, 0, 0))
    assert processes.free_cores() == 5
    monkeypatch.setattr(processes.os, "getloadavg", lambda: (30, 0, 0))
    assert processes.free_cores() == 1


def test_no_process_at_all_is_refused():
    with pytest.raises(ConfigError, match=r"^processes must be positive, got 0$"):
        audit(VALUES, tokenizers(), ["plain"], processes=0)
