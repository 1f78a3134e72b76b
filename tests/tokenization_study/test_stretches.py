"""What is counted from memory is what encoding everything would count."""

import numpy as np
import pytest

from tests.tokenization_study.constructed import blocks, by_pattern
from tokenization_study.audit import audit
from tokenization_study.tokenizers import segment_cache as stretches
from tokenization_study.tokenizers.tokenizers import load_tokenizer

VALUES = np.round(np.random.default_rng(0).normal(size=(120, 2, 40)), 1)


@pytest.mark.parametrize("form", ["fixed", "csv", "json", "digits_spaced", "lines"])
def test_memory_counts_as_encoding_everything_does(form, monkeypatch):
    monkeypatch.setattr("tokenization_study.reading.windows.CHUNK_VALUES", 1600)
    asked = []
    plain = stretches.Counter._from_memory

    def watched(self, *given):
        asked.append(plain(self, *given))
        return asked[-1]

    monkeypatch.setattr(stretches.Counter, "_from_memory", watched)
    tokenizers = [load_tokenizer("bundled"), by_pattern(r", \d|\d\.", name="fused")]
    quick = audit(VALUES, tokenizers, [form])
    assert sum(asked) >= len(asked) // 2, "most chunks are counted from memory"
    monkeypatch.setattr(stretches.Counter, "_from_memory", lambda *_: False)
    slow = audit(VALUES, tokenizers, [form])
    assert quick.measures == slow.measures
    assert quick.findings == slow.findings


def test_a_tokenizer_that_looks_further_is_encoded_whole(monkeypatch):
    """Blocks of three characters depend on all that stands before."""
    whole = audit(VALUES, [blocks(3)], ["fixed"])
    monkeypatch.setattr("tokenization_study.reading.windows.CHUNK_VALUES", 1600)
    parts = audit(VALUES, [blocks(3)], ["fixed"])
    assert parts.measures[0].tokens == whole.measures[0].tokens
    assert parts.measures[0].tokens_per_number == whole.measures[0].tokens_per_number
    assert parts.measures[0].split_entropy_bits == whole.measures[0].split_entropy_bits


def test_unknown_tokens_are_never_counted_from_memory(monkeypatch):
    monkeypatch.setattr("tokenization_study.reading.windows.CHUNK_VALUES", 1600)
    tokenizer = by_pattern(r"\d+", unknown="-")
    finding = next(
        f for f in audit(VALUES, [tokenizer], ["fixed"]).findings if f.pitfall == "special_unknown"
    )
    negative = int((VALUES < 0).sum())
    assert round(finding.outcome.share * finding.outcome.checked) == negative
