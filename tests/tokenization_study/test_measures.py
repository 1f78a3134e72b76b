"""Measures against values worked out by hand, or by another library."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from tests.tokenization_study.constructed import RuleTokenizer, by_pattern, characters
from tokenization_study.audit import audit
from tokenization_study.checks.distance import (
    distance_correlation,
    edit_distances,
    rank_correlation,
    token_columns,
)
from tokenization_study.checks.measures import distribution, entropy, signal_entropy
from tokenization_study.config import AuditConfig, InputConfig

VALUES = np.array([10, 11, 12, 13])


def measured(tokenizer, values, serialiser="plain", **options):
    data = InputConfig(**{k: v for k, v in options.items() if k in InputConfig.__annotations__})
    config = AuditConfig(**{k: v for k, v in options.items() if k in AuditConfig.__annotations__})
    report = audit(values, [tokenizer], [serialiser], data=data, config=config)
    return report.measures[0]


def test_tokens_are_counted_with_their_separators():
    found = measured(characters(), VALUES)
    assert found.tokens == len("10, 11, 12, 13") == found.characters
    assert found.tokens_per_value == 14 / 4
    assert found.tokens_per_number.mean == 2
    assert found.characters_per_token == 1
    assert found.tokens_per_sample == 14 / 4
    assert found.tokens_per_second is None


def test_a_rate_gives_what_fits_a_context_and_its_price():
    found = measured(
        characters(), VALUES, rate_hz=2.0, context_tokens=70, price_per_million_tokens=10.0
    )
    assert found.tokens_per_second == 7
    assert found.seconds_in_context == 10
    assert found.windows_in_context == 5
    assert found.context_share == 14 / 70
    assert found.price_per_window == pytest.approx(14e-5)
    assert found.price_per_hour == pytest.approx(7 * 3600 * 1e-5)


def test_a_text_of_its_own_is_counted_by_lines():
    found = measured(characters(), ["1,2", "3,4", "5,6"], "as_written", window_steps=10)
    assert (found.samples, found.values, found.tokens) == (3, 6, 12)
    assert found.tokens_per_window == 40


def test_split_entropy_is_that_of_the_patterns():
    """Half of the two-digit numbers are one token: one bit."""
    found = measured(by_pattern("10|11"), VALUES)
    assert found.split_entropy_bits == 1
    assert found.split_consistency == 0.5
    assert measured(characters(), VALUES).split_entropy_bits == 0


def test_places_are_aligned_where_groups_are_counted_from_the_point():
    values = np.array([1234, 12345, 123456, 1234567])
    from_right = by_pattern(r"\d{1,3}(?=(?:\d{3})*(?!\d))")
    left = measured(by_pattern(r"\d{1,3}"), values).place_alignment
    right = measured(from_right, values).place_alignment
    assert measured(characters(), values).place_alignment == 1
    assert left < right < 1


def test_bits_handed_over_and_bits_there_to_say():
    found = measured(characters(), np.tile([1.0, 2.0, 3.0, 4.0], 50))
    assert found.bits_per_value == pytest.approx(found.tokens_per_value * np.log2(1000))
    assert found.entropy_bits == pytest.approx(2.0)
    assert signal_entropy(np.full(5, 3.0), AuditConfig()) == 0
    assert entropy([1, 1, 1, 1]) == 2


def test_rank_correlation_is_spearmans():
    random = np.random.default_rng(0)
    a, b = random.integers(0, 9, 300), random.integers(0, 5, 300)
    assert rank_correlation(a, a + b) == pytest.approx(spearmanr(a, a + b).statistic)
    assert rank_correlation(a, np.zeros(300)) == 0


def reference_edits(a, b):
    if not a or not b:
        return len(a) + len(b)
    return min(
        reference_edits(a[1:], b) + 1,
        reference_edits(a, b[1:]) + 1,
        reference_edits(a[1:], b[1:]) + (a[0] != b[0]),
    )


def columns_of(lists):
    ids = np.array([token for one in lists for token in one], dtype=np.int64)
    return token_columns(ids, np.repeat(np.arange(len(lists)), list(map(len, lists))), len(lists))


def test_edit_distance_is_the_textbook_one():
    random = np.random.default_rng(1)
    lists = [tuple(random.integers(0, 3, random.integers(0, 6)).tolist()) for _ in range(80)]
    one, other = lists[:40], lists[40:]
    expected = [reference_edits(a, b) for a, b in zip(one, other, strict=True)]
    found = edit_distances(columns_of(lists), np.arange(40), np.arange(40, 80))
    assert found.tolist() == expected


def test_distance_correlation_is_one_for_strokes_and_none_for_few():
    values = np.arange(1.0, 21.0)
    strokes = [(7,) * int(v) for v in values]
    rho, pairs = distance_correlation(values, columns_of(strokes), 50, 0)
    assert (rho, pairs) == (pytest.approx(1.0), 50)
    assert distance_correlation(values[:7], columns_of(strokes[:7]), 50, 0) is None


def test_a_distribution_keeps_quantiles_and_every_count():
    from collections import Counter

    counts = Counter({1: 10, 2: 80, 9: 10})
    found = distribution(counts)
    assert (found.least, found.p05, found.median, found.p95, found.most) == (1, 1, 2, 9, 9)
    assert found.mean == pytest.approx(2.6)
    assert sum(found.counts) == 100
    wide = distribution(Counter({5: 1, 1000: 3}))
    assert sum(wide.counts) == 4
    assert len(wide.counts) <= 40


def test_tokens_of_a_number_count_those_it_shares_with_its_neighbours():
    """', 1' is one token, so 12 touches two."""
    found = measured(by_pattern(r", \d"), VALUES)
    assert found.tokens_per_number.mean == 2


def test_all_values_are_counted_and_a_sample_is_checked():
    values = np.arange(100_000, 103_000)
    report = audit(values, [characters()], ["plain"], config=AuditConfig(sample_values=500))
    assert report.measures[0].values == 3000
    assert 500 <= report.sampled <= 500 + 256
    again = audit(values, [characters()], ["plain"], config=AuditConfig(sample_values=500))
    assert report.measures == again.measures
    assert report.findings == again.findings


def test_chunks_change_nothing(monkeypatch):
    values = np.random.default_rng(0).normal(size=(40, 3, 50))
    tokenizer = RuleTokenizer(lambda t: [t[i : i + 3] for i in range(0, len(t), 3)])
    whole = audit(values, [tokenizer], ["plain"])
    monkeypatch.setattr("tokenization_study.reading.windows.CHUNK_VALUES", 300)
    parts = audit(values, [tokenizer], ["plain"])
    kept = ("tokens", "values", "tokens_per_number", "split_entropy_bits", "place_alignment")
    for name in kept:
        assert getattr(whole.measures[0], name) == getattr(parts.measures[0], name), name
