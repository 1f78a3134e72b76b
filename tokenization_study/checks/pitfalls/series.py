"""What happens along a series: repeats, columns, neighbours, distances."""

from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np

from tokenization_study.checks.evidence import Evidence
from tokenization_study.checks.pitfalls.outcome import Example, Outcome, share_of, spread
from tokenization_study.reading.cells import code_points

PERIOD = 8
"""Numbers of a repeated pattern."""
PATTERNS = 50
AROUND = 12
"""Characters shown on both sides of a difference."""


def several_tokenizations(evidence: Evidence) -> Outcome | None:
    """Find numbers that occur more than once and are not always the same tokens."""
    sample = evidence.sample
    rows = np.flatnonzero(sample.whole).tolist()
    times = Counter(sample.texts[i] for i in rows)
    repeated: dict[str, Counter[tuple[int, ...]]] = defaultdict(Counter)
    for i in rows:
        if times[sample.texts[i]] > 1:
            repeated[sample.texts[i]][evidence.cell_ids[i]] += 1
    total = sum(sum(counter.values()) for counter in repeated.values())
    if not total:
        return None
    usual = sum(max(counter.values()) for counter in repeated.values())
    several = [text for text, counter in repeated.items() if len(counter) > 1]
    examples = []
    for text in spread(several):
        shown: list[str] = []
        for ids, _ in repeated[text].most_common(2):
            shown += [evidence.tokenizer.token_text(t) for t in ids] + [" / "]
        note = f"{len(repeated[text])} tokenizations of one number"
        examples.append(Example(text, tuple(shown[:-1]), note))
    return Outcome(
        share=1 - usual / total,
        checked=total,
        of="occurrences of numbers that come again",
        examples=tuple(examples),
    )


def no_shared_token(evidence: Evidence) -> Outcome | None:
    """Find neighbours in value whose digits have no token in common."""
    rows, ids = evidence.by_value, evidence.encoded.ids
    count = int(ids.max(initial=0)) + 1
    with_digit = np.zeros(count, dtype=bool)
    for token_id in np.flatnonzero(np.bincount(ids)).tolist():
        with_digit[token_id] = any(map(str.isdigit, evidence.tokenizer.token_text(token_id)))
    token, place = evidence.tokens_of(rows)
    chosen = with_digit[ids[token]]
    # A number and a token are one key: what the next number has, too, is one line of keys further.
    keys = np.unique(place[chosen] * count + ids[token[chosen]])
    shared = np.zeros(len(rows) + 1, dtype=bool)
    shared[keys[np.isin(keys + count, keys, assume_unique=True)] // count] = True
    faults = ~shared[: max(len(rows) - 1, 0)]
    examples = [
        evidence.pair(int(rows[i]), int(rows[i + 1]), "no token in common")
        for i in spread(np.flatnonzero(faults).tolist())
    ]
    return share_of(faults.tolist(), "pairs of neighbours in value", examples)


def period_lost(evidence: Evidence) -> Outcome | None:
    """Repeat stretches of the series and compare the splits of the repeats.

    The second repeat follows the first exactly; in the third the last digit of every number is
    one higher (9 becomes 0), as no sensor repeats itself exactly.
    """
    texts, cycles = _repeated(evidence)
    if not texts:
        return None
    encoded = evidence.tokenizer.encode(texts)
    faults: list[bool] = []
    examples: list[Example] = []
    for i, (text, (size, count)) in enumerate(zip(texts, cycles, strict=True)):
        places = np.array([a for a, b in encoded.spans_of(i) if b > a])
        cuts = [
            (places[(places >= k * size) & (places < (k + 1) * size)] - k * size).tolist()
            for k in range(1, count)
        ]
        different = [cut != cuts[0] for cut in cuts[1:]]
        faults += different
        if any(different) and len(examples) < 3:
            k = different.index(True) + 2
            place = min(set(cuts[0]) ^ set(cuts[k - 1]), default=0)
            start, stop = max(place - AROUND, 0), min(place + AROUND, size)
            shown = _between(text, places, size + start, size + stop)
            shown += (" / ", *_between(text, places, k * size + start, k * size + stop))
            note = f"{len(cuts[0])} tokens, then {len(cuts[k - 1])}"
            examples.append(Example(text[size + start : size + stop], shown, note))
    return share_of(faults, "repeats of a pattern", examples, "stretches of the series, repeated")


def _repeated(evidence: Evidence) -> tuple[list[str], list[tuple[int, int]]]:
    """Give texts of four repeats, and (characters of a repeat, repeats) of each."""
    sample, starts = evidence.sample, evidence.sample.cells.starts
    firsts = np.arange(0, max(len(sample) - PERIOD, 0), PERIOD)
    firsts = firsts[sample.segment_of[firsts] == sample.segment_of[firsts + PERIOD]]
    texts, cycles = [], []
    for first in spread(firsts.tolist(), PATTERNS):
        begin, end = int(starts[first]), int(starts[first + PERIOD])
        cycle = sample.joined[begin:end]
        near = list(cycle)
        for stop in (sample.cells.stops[first : first + PERIOD] - 1 - begin).tolist():
            if near[stop].isdigit():
                near[stop] = str((int(near[stop]) + 1) % 10)
        texts.append(cycle * 3 + "".join(near) + cycle)
        # What follows the last repeat that is compared is a repeat too.
        cycles.append((len(cycle), 4))
    return texts, cycles


def _between(text: str, places: np.ndarray, start: int, stop: int) -> tuple[str, ...]:
    cuts = [start, *places[(places > start) & (places < stop)].tolist(), stop]
    return tuple(text[a:b] for a, b in pairwise(cuts))


def column_drift(evidence: Evidence) -> Outcome | None:
    """Compare at which token each column starts in lines that follow each other."""
    sample = evidence.sample
    breaks = np.flatnonzero(code_points(sample.joined) == ord("\n"))
    line = np.searchsorted(breaks, sample.cells.starts)
    bounds = np.flatnonzero(np.diff(line, prepend=-1, append=-1))
    starts, stops = bounds[:-1], bounds[1:]
    first, _ = evidence.ranges
    # Where each number's first token stands in its line, against the number below.
    width = stops - starts
    place = first - np.repeat(first[starts], width)
    below = np.minimum(np.arange(len(line)) + np.repeat(width, width), len(line) - 1)
    moved = np.logical_or.reduceat(place != place[below], starts) if len(starts) else width > 0
    upper, lower = starts[:-1], starts[1:]
    adjacent = (line[lower] == line[upper] + 1) & (width[1:] == width[:-1]) & (width[1:] >= 2)
    adjacent &= sample.segment_of[upper] == sample.segment_of[stops[1:] - 1]
    pairs = np.flatnonzero(adjacent & sample.whole[upper])
    faults = moved[pairs]
    examples = []
    for i in spread(pairs[faults].tolist()):
        a, b, c, d = (int(edge) for edge in (starts[i], stops[i], starts[i + 1], stops[i + 1]))
        note = f"column {b - a} starts at token {first[b - 1] - first[a]}, in the next line at "
        text = sample.joined[sample.cells.starts[a] : sample.cells.stops[min(b, a + 6) - 1]]
        pieces: list[str] = []
        for cell in range(a, min(b, a + 6)):
            pieces += [*evidence.pieces(cell), " "]
        examples.append(Example(text, tuple(pieces), f"{note}{first[d - 1] - first[c]}"))
    return share_of(faults.tolist(), "lines that follow each other", examples)


def distance_lost(evidence: Evidence) -> Outcome | None:
    """Correlate the edit distance of tokenizations with the distance of the values."""
    correlation = evidence.distance_correlation
    if correlation is None:
        return None
    rho, pairs = correlation
    rows = evidence.by_value
    note = f"rank correlation {rho:.2f} of edit distance and distance in value"
    left, right = (int(rows[len(rows) // 2 + k]) for k in (0, 1 if len(rows) > 2 else -1))
    return Outcome(
        share=1 - max(rho, 0.0),
        checked=pairs,
        of="pairs of numbers",
        examples=(evidence.pair(left, right, "next to each other in value"),),
        note=note,
    )
