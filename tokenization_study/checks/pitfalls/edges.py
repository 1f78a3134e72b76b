"""What a number's own characters are fused with: sign, point, unit, white space."""

import functools
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from tokenization_study.checks.evidence import Evidence
from tokenization_study.checks.pitfalls.outcome import WORST, Example, Outcome, share_of, spread
from tokenization_study.reading.cells import MINUS, code_points, value_of

UNITS = ("g", "ms", "bpm", "°C", "%")
MADE = "made from the values"


def sign_point(evidence: Evidence) -> Outcome | None:
    """Find signs and points that share a token with something else, or have none."""
    cells, joined = evidence.sample.cells, evidence.sample.joined
    rows = np.concatenate([np.flatnonzero(cells.sign), np.flatnonzero(cells.point >= 0)])
    signs = int(cells.sign.sum())
    places = cells.starts[rows].copy()
    places[signs:] += cells.point[rows[signs:]]
    starts, stops = evidence.spans
    token = np.minimum(np.searchsorted(stops, places, side="right"), max(len(starts) - 1, 0))
    begins = ends = places
    if len(starts):
        is_there = (starts[token] <= places) & (places < stops[token])
        begins = np.where(is_there, starts[token], places)
        ends = np.where(is_there, stops[token], places)
    # A space in front belongs to the sign's token without harm.
    blank = [ord(character) for character in set(joined) if character.isspace()]
    letters = np.concatenate([[0], np.cumsum(~np.isin(code_points(joined), blank))])
    faults = letters[ends] - letters[begins] != 1
    examples: list[Example] = []
    for i in np.flatnonzero(faults)[:WORST].tolist():
        piece, row = joined[begins[i] : ends[i]].strip(), int(rows[i])
        note = f"in the token {piece!r}" if piece else "in no token: lost"
        examples.append(Example(evidence.sample.texts[row], tuple(evidence.pieces(row)), note))
    return share_of(faults.tolist(), "signs and decimal points", examples)


def unit_fused(evidence: Evidence) -> Outcome | None:
    """Write a unit behind numbers and find tokens that hold a digit and a letter of it."""
    units = (evidence.unit,) if evidence.unit else UNITS
    size = evidence.config.probed(len(evidence.sample))
    probes = evidence.probes[: max(1, size // (2 * len(units)))]
    texts = [f"{probe}{gap}{unit}" for unit in units for gap in ("", " ") for probe in probes]
    faults: list[bool] = []
    examples: list[Example] = []
    for text, pieces in zip(texts, evidence.split(texts), strict=True):
        fused = list(filter(_is_fused, pieces))
        faults.append(bool(fused))
        if fused:
            examples.append(Example(text, tuple(pieces), f"{fused[0]!r} holds number and unit"))
    return share_of(faults, "numbers with a unit put behind them", examples, MADE)


@functools.lru_cache(maxsize=1 << 12)
def _is_fused(piece: str) -> bool:
    """Say whether a piece holds a digit and a letter of a unit."""
    if not (re.search(r"\d", piece) and re.search(r"[^\W\d_]|[%°]", piece)):
        return False
    # The e of an exponent is the number's own.
    return not re.fullmatch(r"\s*[+\-]?[\d.]*[eE]?[+\-]?\d*", piece)


def leading_space(evidence: Evidence) -> Outcome | None:
    """Write numbers with and without a space in front and compare their splits."""
    probes = evidence.probes
    return _compare(evidence, [" " + p for p in probes], probes, "numbers with a space in front")


def trailing_space(evidence: Evidence) -> Outcome | None:
    """Cut a text behind the white space before a number, and compare with the whole text.

    A prompt that ends in a space meets another continuation than the one the model has seen.
    """
    probes = evidence.probes
    pairs = list(zip(probes, probes[1:] + probes[:1], strict=True))
    wholes = evidence.tokenizer.encode([f"{a}, {b}" for a, b in pairs])
    heads, tails = evidence.ids([f"{a}, " for a, _ in pairs]), evidence.ids(probes)
    tails = tails[1:] + tails[:1]
    faults: list[bool] = []
    examples: list[Example] = []
    for i, (a, b) in enumerate(pairs):
        differs = [*heads[i], *tails[i]] != wholes.ids_of(i)
        faults.append(differs)
        if differs and len(examples) < 3:
            pieces = tuple(f"{a}, {b}"[x:y] for x, y in wholes.spans_of(i) if y > x)
            examples.append(Example(f"{a}, {b}", pieces, f"not so after a prompt ending '{a}, '"))
    return share_of(faults, "texts cut behind a space", examples, MADE)


def letter_case(evidence: Evidence) -> Outcome | None:
    """Write numbers with e and with E, and a unit small and large, and compare."""
    unit = evidence.unit if evidence.unit.lower() != evidence.unit.upper() else "bpm"
    small = [f"{p if 'e' in p.lower() else _scientific(p)} {unit}" for p in evidence.probes]
    large = [text.upper() for text in small]
    small = [text.lower() for text in small]
    of = "numbers written with e and with E"
    return _rewritten(evidence, small, large, lambda p: [len(x) for x in p], of, "small and large")


def _scientific(text: str) -> str:
    value = value_of(text)
    return f"{value:.2e}" if np.isfinite(value) else f"{text[:4]}e99"


def locale(evidence: Evidence) -> Outcome | None:
    """Write numbers with a decimal comma, and long ones with thousands apart, and compare."""
    before, after = [], []
    for probe in evidence.probes:
        if "." in probe:
            before.append(probe)
            after.append(probe.replace(".", ","))
        elif len(digits := probe.lstrip("+-" + MINUS)) >= 4 and digits.isdigit():
            before.append(probe)
            after.append(probe[: len(probe) - len(digits)] + _in_thousands(digits))
    return _rewritten(
        evidence, before, after, lambda pieces: [p for p in pieces if p.strip(".,")],
        "numbers in another locale",
    )  # fmt: skip


def _rewritten(
    evidence: Evidence,
    before: list[str],
    after: list[str],
    split: Callable[[list[str]], list[Any]],
    of: str,
    note: str = "the same number",
) -> Outcome | None:
    """Compare what matters of a split in two ways of writing the same numbers."""
    one, other = evidence.split(before), evidence.split(after)
    faults = [split(a) != split(b) for a, b in zip(one, other, strict=True)]
    examples = [
        Example(f"{before[i]} / {after[i]}", (*one[i], " / ", *other[i]), note)
        for i in spread(np.flatnonzero(faults).tolist())
    ]
    return share_of(faults, of, examples, MADE)


def _in_thousands(digits: str) -> str:
    # By characters: Python converts no more than some thousand digits to a number.
    first = len(digits) % 3
    return ",".join(filter(None, [digits[:first], *re.findall("...", digits[first:])]))


def minus_variants(evidence: Evidence) -> Outcome | None:
    """Write negative numbers with the minus sign U+2212 and compare the tokens."""
    before = [p for p in evidence.probes if p.startswith(("-", MINUS))]
    before = ["-" + p[1:] for p in before]
    after = [MINUS + p[1:] for p in before]
    one, other = evidence.ids(before), evidence.ids(after)
    bad = evidence.tokenizer.unknown_ids
    faults = [len(a) != len(b) or not bad.isdisjoint(b) for a, b in zip(one, other, strict=True)]
    examples = [
        Example(
            f"{before[i]} / {after[i]}",
            tuple(map(evidence.tokenizer.token_text, other[i])),
            f"{len(one[i])} tokens with -, {len(other[i])} with U+2212",
        )
        for i in spread(np.flatnonzero(faults).tolist())
    ]
    return share_of(faults, "negative numbers with another minus", examples, MADE)


def zero_padding(evidence: Evidence) -> Outcome | None:
    """Pad numbers with a zero (behind decimals, in front of integers) and compare the splits."""
    probes = [p for p in evidence.probes if "e" not in p.lower() and " " not in p]
    padded = [p + "0" if "." in p else re.sub(r"^([+\-−]?)", r"\g<1>0", p) for p in probes]
    digits = [p if "." in p else p.lstrip("+-" + MINUS) for p in probes]
    return _compare(evidence, padded, digits, "numbers padded with a zero", alone=probes)


def _compare(
    evidence: Evidence,
    changed: list[str],
    parts: list[str],
    of: str,
    alone: list[str] | None = None,
) -> Outcome | None:
    """Compare where parts are split in changed texts with where they are split alone."""
    alone = alone or parts
    one = evidence.boundaries(alone, parts)
    other = evidence.boundaries(changed, parts)
    faults = (one != other).tolist()
    chosen = spread(np.flatnonzero(faults).tolist())
    first = evidence.split([alone[i] for i in chosen])
    second = evidence.split([changed[i] for i in chosen])
    examples = [
        Example(f"{alone[i]} / {changed[i]}", (*a, " / ", *b), "the same number")
        for i, a, b in zip(chosen, first, second, strict=True)
    ]
    return share_of(faults, of, examples, MADE)
