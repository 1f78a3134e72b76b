"""What is counted from memory is what encoding everything would count."""

import numpy as np
import pytest

from tests.tokenization_study.constructed import blocks, by_pattern
from tokenization_study.audit import audit
from tokenization_study.reading.written import Writer
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


def stretches_of(texts: list[str]) -> tuple[list[int], list[tuple[str, bool, bool]]]:
    """Give the key of each number's stretch, and what it is: its text, and whether it is an end."""
    written = Writer(None).lay_out(texts)
    cache, text_of = stretches.SegmentTokenCache(written), written.text_of.tolist()
    parts = [written.joined[a:b] for a, b in zip(*written.stretches, strict=True)]
    before, after = [-1, *text_of[:-1]], [*text_of[1:], -1]
    ends = [(a != own, own != b) for a, own, b in zip(before, text_of, after, strict=True)]
    keys = [cache.keys[i] for i in cache.place.tolist()]
    return keys, [(part, *end) for part, end in zip(parts, ends, strict=True)]


def test_stretches_have_one_key_where_they_are_alike_and_only_there():
    rng = np.random.default_rng(1)
    lines = ["".join(rng.choice([*"0123,- \n"], size)) + "7" for size in rng.integers(1, 60, 900)]
    keys, kinds = stretches_of(lines)
    more_keys, more_kinds = stretches_of(["é 7", *lines[::-1]])
    keys, kinds = keys + more_keys, kinds + more_kinds
    assert len(set(keys)) == len(set(kinds)) == len(set(zip(keys, kinds, strict=True)))
    assert len(set(kinds)) > 300


def test_a_chunk_with_a_very_long_stretch_is_encoded_whole():
    short, long = ("1" + " " * size + "2" for size in (stretches.LONGEST - 1, stretches.LONGEST))
    for text, is_whole in ((short, True), (long, False)):
        assert stretches.SegmentTokenCache(Writer(None).lay_out([text])).is_whole is is_whole
