"""How digits are grouped into tokens: checks on every number's split."""

from collections import Counter, defaultdict
from collections.abc import Callable
from itertools import pairwise

import numpy as np

from tokenization_study.checks.evidence import Evidence
from tokenization_study.checks.pitfalls.outcome import WORST, Example, Outcome, share_of, spread
from tokenization_study.tokenizers.tally import Pattern

LONG_DIGITS = 7
Key = tuple[int, ...]


def consecutive_numbers(evidence: Evidence) -> Outcome | None:
    """Compare the splits of neighbours in value that have the same form."""
    rows, cells = evidence.by_value, evidence.sample.cells
    left, right = rows[:-1], rows[1:]
    same = (cells.lengths[left] == cells.lengths[right]) & (cells.point[left] == cells.point[right])
    left, right = left[same], right[same]
    faults = evidence.inner[left] != evidence.inner[right]
    examples = [
        evidence.pair(int(left[i]), int(right[i]), "neighbours")
        for i in spread(np.flatnonzero(faults).tolist())
    ]
    return share_of(faults.tolist(), "pairs of neighbours in value", examples)


def float_split(evidence: Evidence) -> Outcome | None:
    """Compare the splits of equally long fractions with the commonest one."""

    def fraction(pattern: Pattern) -> tuple[Key, Key] | None:
        start, stop = pattern.fraction
        if stop - start < 2:
            return None
        cuts = pattern.cuts(start, stop)
        # A boundary is missing between point and fraction where the token holds both.
        return (stop - start,), (int(pattern.has_cut(start)), *cuts)

    return _off_modal(evidence, fraction, "numbers with two or more decimals")


def integer_grouping(evidence: Evidence) -> Outcome | None:
    """Compare the splits of equally long integers (3 to 6 digits) with the commonest one."""
    return _off_modal(
        evidence, lambda p: _integer(p, 3, LONG_DIGITS - 1), "integer parts of 3 to 6 digits"
    )


def long_integers(evidence: Evidence) -> Outcome | None:
    """Compare the splits of equally long integers of 7 digits and more with the commonest one."""
    return _off_modal(
        evidence, lambda p: _integer(p, LONG_DIGITS, 10**6), "integers of 7 digits or more"
    )


def _integer(pattern: Pattern, fewest: int, most: int) -> tuple[Key, Key] | None:
    start, stop = pattern.integer
    if not fewest <= stop - start <= most:
        return None
    return (stop - start,), pattern.cuts(start, stop)


def _off_modal(
    evidence: Evidence, part: Callable[[Pattern], tuple[Key, Key] | None], of: str
) -> Outcome | None:
    """Give the share of numbers that are not split as most of their length are."""
    splits: dict[Key, Counter[Key]] = defaultdict(Counter)
    shown: dict[tuple[Key, Key], Pattern] = {}
    for pattern in evidence.patterns:
        key = part(pattern)
        if key is not None:
            splits[key[0]][key[1]] += pattern.count
            shown.setdefault(key, pattern)
    total = sum(sum(counter.values()) for counter in splits.values())
    if not total:
        return None
    usual = sum(max(counter.values()) for counter in splits.values())
    examples = []
    widest = max(splits, key=lambda length: len(splits[length]))
    for split, count in splits[widest].most_common(WORST):
        pattern, of_all = shown[widest, split], sum(splits[widest].values())
        note = f"{count / of_all:.1%} of this length are split so"
        examples.append(Example(pattern.example, tuple(pattern.pieces), note))
    ways = len(splits[widest])
    note = f"up to {ways} ways to split one length" if ways > 1 else ""
    share = 1 - usual / total
    shown_examples = tuple(examples) if share > 0 else ()
    return Outcome(share=share, checked=total, of=of, examples=shown_examples, note=note)


def grouping_direction(evidence: Evidence) -> Outcome | None:
    """Find integers whose groups are counted from the left: a shorter last group."""
    total = faults = 0
    examples: list[Example] = []
    for pattern in evidence.patterns:
        start, stop = pattern.integer
        if stop - start < 4:
            continue
        total += pattern.count
        places = [0, *pattern.cuts(start, stop), stop - start]
        widths = [b - a for a, b in pairwise(places)]
        if len(widths) > 1 and widths[-1] < max(widths):
            faults += pattern.count
            note = f"groups of {', '.join(map(str, widths))} digits, counted from the left"
            examples.append(Example(pattern.example, tuple(pattern.pieces), note))
    if not total:
        return None
    return Outcome(
        share=faults / total,
        checked=total,
        of="integer parts of 4 digits or more",
        examples=tuple(examples[:WORST]),
    )


def hidden_digits(evidence: Evidence) -> Outcome | None:
    """Count the digits that share a token with another digit."""
    digits = hidden = 0
    examples: list[Example] = []
    for pattern in evidence.patterns:
        groups = [sum(map(str.isdigit, piece)) for piece in pattern.pieces]
        digits += pattern.count * sum(groups)
        inside = sum(group for group in groups if group > 1)
        hidden += pattern.count * inside
        if inside:
            note = f"{inside} of {sum(groups)} digits are inside larger tokens"
            examples.append(Example(pattern.example, tuple(pattern.pieces), note))
    if not digits:
        return None
    return Outcome(
        share=hidden / digits, checked=digits, of="digits", examples=tuple(examples[:WORST])
    )
