"""Numbers about one tokenizer on one serialiser's texts.

| measure | what it is |
|---|---|
| tokens_per_value | all tokens of the texts, separators included, over their numbers |
| tokens_per_number | distribution of the tokens that touch a number |
| characters_per_token | characters of the texts over tokens |
| tokens_per_sample | tokens over rows (time steps, or lines of a text) |
| tokens_per_second | the same times the rate |
| tokens_per_window | mean, and distribution where texts are windows |
| split_entropy_bits | entropy of split patterns among numbers of one form, mean over numbers |
| split_consistency | share of numbers split as most of their form are |
| place_alignment | share of digits whose token covers the places it covers in most numbers |
| distance_correlation | rank correlation of token edit distance and distance in value |
| bits_per_value | tokens_per_value times log2 of the vocabulary: what the model is handed |
| entropy_bits | entropy of the signal at `resolution_levels` levels: what there is to say |
| context_share, seconds_in_context, price_per_window, price_per_hour | what it costs |
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tokenization_study.checks.evidence import Evidence
from tokenization_study.config import AuditConfig
from tokenization_study.tokenizers.tally import Pattern, TokenTally

BINS = 40


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """A distribution of whole numbers: quantiles, and counts by value or by bin."""

    mean: float
    least: int
    p05: int
    median: int
    p95: int
    most: int
    edges: tuple[int, ...]
    """First value of each bin."""
    counts: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Measures:
    """The measures of one tokenizer on one serialiser (see this module)."""

    tokenizer: str
    serialiser: str
    values: int
    texts: int
    samples: int
    characters: int
    tokens: int
    tokens_per_value: float
    tokens_per_number: Distribution
    characters_per_token: float
    tokens_per_sample: float
    tokens_per_second: float | None
    tokens_per_window: float
    tokens_per_text: Distribution
    split_entropy_bits: float
    split_consistency: float
    place_alignment: float
    distance_correlation: float | None
    bits_per_value: float
    entropy_bits: float | None
    context_share: float
    windows_in_context: int
    seconds_in_context: float | None
    price_per_window: float | None
    price_per_hour: float | None


def tokens_per_window(tally: TokenTally, is_text: bool, window_steps: int) -> float:
    """Give the mean tokens of a window; a text's windows are so many of its lines."""
    if is_text:
        return tally.tokens / max(tally.steps, 1) * window_steps
    return tally.tokens / max(tally.texts, 1)


def measure(evidence: Evidence, serialiser: str, rate_hz: float | None) -> Measures:
    """Measure one tokenizer on one serialiser's texts."""
    tally, config = evidence.tally, evidence.config
    window = evidence.tokens_per_window or 0.0
    per_value = tally.tokens / max(tally.values, 1)
    per_sample = tally.tokens / max(tally.steps, 1)
    per_second = per_sample * rate_hz if rate_hz else None
    entropy, consistency = split_entropy(evidence.patterns)
    correlation = evidence.distance_correlation
    price = config.price_per_million_tokens
    return Measures(
        tokenizer=evidence.tokenizer.name,
        serialiser=serialiser,
        values=tally.values,
        texts=tally.texts,
        samples=tally.steps,
        characters=tally.characters,
        tokens=tally.tokens,
        tokens_per_value=per_value,
        tokens_per_number=distribution(tally.per_value),
        characters_per_token=tally.characters / max(tally.tokens, 1),
        tokens_per_sample=per_sample,
        tokens_per_second=per_second,
        tokens_per_window=window,
        tokens_per_text=distribution(tally.per_text),
        split_entropy_bits=entropy,
        split_consistency=consistency,
        place_alignment=place_alignment(evidence.patterns),
        distance_correlation=correlation[0] if correlation else None,
        bits_per_value=per_value * math.log2(max(evidence.tokenizer.vocabulary_size, 2)),
        entropy_bits=signal_entropy(evidence.sample.signal, config),
        context_share=window / config.context_tokens,
        windows_in_context=int(config.context_tokens // window) if window else 0,
        seconds_in_context=config.context_tokens / per_second if per_second else None,
        price_per_window=None if price is None else window * price / 1e6,
        price_per_hour=price * per_second * 3600 / 1e6
        if price is not None and per_second
        else None,
    )


def split_entropy(patterns: Iterable[Pattern]) -> tuple[float, float]:
    """Give the mean entropy (bits) of splits among numbers of one form, and the modal share."""
    forms: dict[tuple[Any, ...], Counter[int]] = defaultdict(Counter)
    for p in patterns:
        forms[p.sign, p.point, p.exponent, p.length][p.inner] += p.count
    total = sum(sum(splits.values()) for splits in forms.values())
    if not total:
        return 0.0, 1.0
    bits = sum(sum(splits.values()) * entropy(splits.values()) for splits in forms.values())
    usual = sum(max(splits.values()) for splits in forms.values())
    return bits / total, usual / total


def entropy(counts: Iterable[int]) -> float:
    """Give the entropy of counts in bits."""
    shares = np.array([count for count in counts if count], dtype=np.float64)
    shares /= shares.sum()
    return max(0.0, float(-(shares * np.log2(shares)).sum()))


def place_alignment(patterns: Iterable[Pattern]) -> float:
    """Give the share of digits whose token covers the usual places of that digit.

    A place is a power of ten, so that the tens of 12.5 and of 112.5 are one.
    """
    covers: dict[int, Counter[tuple[int, int]]] = defaultdict(Counter)
    for pattern in patterns:
        (first, point), (after, end) = pattern.integer, pattern.fraction
        start = 0
        for piece in pattern.pieces:
            stop = start + len(piece)
            places = [point - 1 - k for k in range(max(start, first), min(stop, point))]
            places += [after - 1 - k for k in range(max(start, after), min(stop, end))]
            for place in places:
                covers[place][places[0], places[-1]] += pattern.count
            start = stop
    total = sum(sum(ranges.values()) for ranges in covers.values())
    return sum(max(ranges.values()) for ranges in covers.values()) / total if total else 1.0


def signal_entropy(values: np.ndarray, config: AuditConfig) -> float | None:
    """Give the entropy in bits of values quantised to the configured levels of their range."""
    values = values[np.isfinite(values)]
    if not values.size:
        return None
    low, high = np.quantile(values, [0.005, 0.995])
    if high <= low:
        return 0.0
    levels = config.resolution_levels
    steps = np.clip((values - low) / (high - low) * levels, 0, levels - 1).astype(np.int64)
    return entropy(np.bincount(steps).tolist())


def distribution(counter: Counter[int]) -> Distribution:
    """Give the distribution of counted values."""
    values = np.array(sorted(counter), dtype=np.int64)
    if not values.size:
        return Distribution(
            mean=0.0, least=0, p05=0, median=0, p95=0, most=0, edges=(0,), counts=(0,)
        )
    counts = np.array([counter[value] for value in values.tolist()], dtype=np.int64)
    total = np.cumsum(counts)
    p05, median, p95 = (
        int(values[np.searchsorted(total, share * total[-1])]) for share in (0.05, 0.5, 0.95)
    )
    least, most = int(values[0]), int(values[-1])
    width = -(-(most - least + 1) // BINS)
    bins = np.bincount((values - least) // width, weights=counts).astype(np.int64)
    return Distribution(
        mean=float((values * counts).sum() / total[-1]),
        least=least,
        p05=p05,
        median=median,
        p95=p95,
        most=most,
        edges=tuple(range(least, least + width * len(bins), width)),
        counts=tuple(bins.tolist()),
    )
