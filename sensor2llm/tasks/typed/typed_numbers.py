"""The numbers of a sentence: a series, rows of three channels, or a summary of named values.

    >>> typed = read_numbers("RR in ms: 812 790 805 820 799 810 795 801. Normal or fibrillation?")
    >>> typed.values.shape, typed.unit, typed.candidates
    ((1, 8), 'ms', ('normal', 'fibrillation'))

What is read: values in rows `(0.1, 0.2, 9.8), …` or `0.1 0.2 9.8; …` (of longer rows, as of files
with a time, the last three), in columns `x: … y: … z: …`, or one after the other; the unit; a rate
(`at 50 Hz`, `every 20 ms`); the words to choose from (`walking or running?`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

LEAST_SERIES, LEAST_ROWS, LEAST_PAIRS = 8, 4, 3
NUMBER = r"(?<![\w.])[-+]?(?:\d{1,3}(?:,\d{3})+(?![\d,.])|\d+(?:\.\d+)?|\.\d+)(?:e[-+]?\d+)?"
_NUMBER = re.compile(NUMBER, re.IGNORECASE)
_PLAIN = re.compile(r"(?<![\w.])[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?", re.IGNORECASE)
_RATE = re.compile(
    r"(?:sampled |recorded |measured )?(?:at |@ ?)?(\d+(?:\.\d+)?) ?"
    r"(?:hz|hertz|samples (?:a|per) second|samples/s|times (?:a|per) second)\b",
    re.IGNORECASE,
)
_EVERY = re.compile(
    r"\b(?:every|each) (\d+(?:\.\d+)?) ?(ms|milliseconds|s|seconds)\b", re.IGNORECASE
)
_COLUMN = re.compile(r"\b(?:acc(?:el)?[_ ]?)?([xyz])\b ?(?:axis)? ?[:=]", re.IGNORECASE)
_BETWEEN = re.compile(r"[\s,;|()\[\]{}]*(?:ms|g|[A-Z])?[\s,;|()\[\]{}]*")
_GROUP = re.compile(r"[(\[]([^()\[\]]*)[)\]]")
UNITS = {
    "m/s^2": r"m/s(?:\^2|2|²)|m s-2|met(?:er|re)s? per second squared|ms-2",
    "g": r"(?<=in )g\b|\bg\b(?= ?units?)|(?<=\d )g\b|\bg-?force|in units of g\b|\bgs\b",
    "ms": r"\bms\b|milliseconds?",
    "s": r"(?<=in )s(?:econds)?\b",
    "bpm": r"\bbpm\b|beats? (?:a|per) minute|beats/min",
}
KINDS = {
    "acceleration": r"accel\w*|\bacc\b|m/s|g-?force",
    "beats": r"inter-?beat|\bibis?\b|\brr\b|r-r|beat[- ]to[- ]beat|\bnn\b|beat intervals?|heart "
    "?beats?",
}
_BEFORE_CHOICE = re.compile(
    r"\b(?:either|as|whether|is (?:it|this|that|he|she)|are they)\b|[:;.?!()\[\]\d\n]|\s-+\s",
    re.IGNORECASE,
)
_BEHIND_CHOICE = re.compile(r"[:;.,?!()\[\]\d\n]|\s-+\s")


@dataclass(frozen=True, eq=False)
class TypedNumbers:
    """Hold what was read of a sentence.

    Args:
        values: channels and their steps; empty for a summary.
        pairs: of a summary, the words around each value, and the value.
        unit: as typed; empty for none.
        rate_hz: samples a second, if typed.
        kind: `acceleration` or `beats` where words say so; else empty.
        candidates: the words to choose from, in lower case.
        sentence: what was typed.
    """

    sentence: str
    values: Float[np.ndarray, "channel step"] = field(default_factory=lambda: np.zeros((0, 0)))
    pairs: tuple[tuple[str, float], ...] = ()
    unit: str = ""
    rate_hz: float | None = None
    kind: str = ""
    candidates: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Say what was read, in a few words."""
        if self.pairs:
            return f"{len(self.pairs)} values of a summary"
        channels, steps = self.values.shape
        what = f"{steps} numbers" if channels == 1 else f"{steps} rows of {channels} numbers"
        rate = "" if self.rate_hz is None else f" at {self.rate_hz:g} Hz"
        return f"{what}{f' in {self.unit}' if self.unit else ''}{rate}"


def read_numbers(sentence: str) -> TypedNumbers | None:
    """Read the numbers of a sentence; None where it holds too few to be a recording.

    A summary needs three named values, a series eight numbers.
    """
    rate_hz, body = _take_rate(sentence)
    values, candidates = _values(body), read_candidates(sentence)
    if values is not None:
        return TypedNumbers(
            sentence=sentence,
            values=values,
            unit=_first_of(UNITS, body),
            rate_hz=rate_hz,
            kind=_first_of(KINDS, body),
            candidates=candidates,
        )
    pairs = _pairs(body)
    if len(pairs) >= LEAST_PAIRS:
        return TypedNumbers(sentence=sentence, pairs=pairs, candidates=candidates)
    return None


def _first_of(patterns: Mapping[str, str], text: str) -> str:
    """Give the first name whose pattern is in a text; empty for none."""
    return next((n for n, words in patterns.items() if re.search(words, text, re.I)), "")


def read_candidates(sentence: str) -> tuple[str, ...]:
    """Read the words that a sentence lets choose from: `(as either) A, B or C?`; none without."""
    for match in reversed(list(re.finditer(r"\s+or\s+", sentence, re.IGNORECASE))):
        before = _BEFORE_CHOICE.split(sentence[: match.start()])[-1]
        behind = _BEHIND_CHOICE.split(sentence[match.end() :])[0]
        names = [*before.split(","), behind]
        plain = [re.sub(r"^(?:an?|the) ", "", " ".join(n.split()).casefold()) for n in names]
        if plain[-1] and plain[-2]:
            return tuple(name for name in plain if name)
    return ()


def _take_rate(sentence: str) -> tuple[float | None, str]:
    """Give the rate, and the sentence without the numbers that say it."""
    if match := _RATE.search(sentence):
        return float(match[1]), _RATE.sub(" ", sentence)
    if match := _EVERY.search(sentence):
        seconds = float(match[1]) / (1000 if match[2].casefold().startswith("m") else 1)
        return 1 / seconds, _EVERY.sub(" ", sentence)
    return None, sentence


def _values(body: str) -> Float[np.ndarray, "channel step"] | None:
    """Read a series: columns, rows, or one number after the other; None where there are few."""
    columns = _columns(body)
    if len(columns) >= 2 and len(columns[0]) >= LEAST_SERIES and len(set(map(len, columns))) == 1:
        return np.array(columns)
    run = _longest_run(body)
    numbers = _numbers(run)
    if len(numbers) < LEAST_SERIES:
        return None
    rows = _rows(run)
    return np.array([numbers]) if rows is None else rows


def _columns(body: str) -> list[list[float]]:
    marks = list(_COLUMN.finditer(body))
    ends = [*(mark.start() for mark in marks), len(body)][1:]
    return [
        _numbers(_longest_run(body[m.end() : end])) for m, end in zip(marks, ends, strict=False)
    ]


def _rows(run: str) -> Float[np.ndarray, "channel step"] | None:
    """Read rows of as many numbers each, in brackets, lines or between semicolons."""
    for parts in (_GROUP.findall(run), run.splitlines(), run.split(";")):
        rows = [row for part in parts if len(row := _numbers(part)) > 1]
        if len(rows) >= LEAST_ROWS and len({len(row) for row in rows}) == 1:
            return np.array([row[-3:] for row in rows]).T
    return None


def _longest_run(body: str) -> str:
    """Give the longest stretch of numbers between which stand no words."""
    longest, start, end = (0, 0), -1, -1
    for number in _PLAIN.finditer(body):
        if end < 0 or not _BETWEEN.fullmatch(body[end : number.start()]):
            start = number.start()
        end = number.end()
        longest = max(longest, (start, end), key=lambda span: span[1] - span[0])
    return body[max(longest[0] - 1, 0) : longest[1] + 1]  # with the brackets around it


def _numbers(text: str) -> list[float]:
    return [float(number) for number in _PLAIN.findall(text)]


def _pairs(body: str) -> tuple[tuple[str, float], ...]:
    """Read values with the words before and behind each, of a summary."""
    body = re.sub(rf"(?:/|\b(?:out )?of) ?{NUMBER}", " ", body)
    pairs = []
    for part in re.split(r",(?!\d{3}\b)\s*|;|\n|\band\b|(?<=\w)\.\s|\?", body):
        numbers = _NUMBER.findall(part)
        words = " ".join(re.findall(r"[a-z]+", _NUMBER.sub(" ", part).casefold()))
        if len(numbers) == 1 and words:
            pairs.append((words, float(numbers[0].replace(",", ""))))
    return tuple(pairs)
