"""What a typed question claims about a fact: a limit, a word, an axis, or that it is there.

claim = read_claim("is the cadence over 110 a minute", "step_rate")
claim.holds(1.9)                                True: 1.9 steps a second are more than 1.83
"""

import re
from dataclasses import dataclass

from sensor2llm.signals.questions.answers import Value
from sensor2llm.tasks.dialogue import vocabulary as words

NUMBER = re.compile(r"\d+(?:\.\d+)?")
STEPS_A_SECOND_AT_MOST = 10.0
"""A larger limit of a step rate is one a minute, whether or not the question says so."""
WORDS = {
    "still": (
        "still",
        r"\b(?:still|motionless|(?:no|hardly any|almost no|very little) movement|"
        r"(?:not|hardly|barely) moving|immobile|standstill)\b",
    ),
    "light": ("light", r"\b(?:light|gentle|slight|weak|easy|calm|quiet)\b"),
    "moderate": ("moderate", r"\b(?:moderate|medium)\b"),
    "vigorous": ("vigorous", r"\b(?:vigorous|violent|wild|intense|tough|hard)\b"),
    "strong": ("moderate vigorous", r"\b(?:strong|lively|active|energetic|intensive)\b"),
    "rising": ("rising", r"\b(?:rising|rises|rise|increas\w*|going up|speeding up)\b"),
    "falling": ("falling", r"\b(?:falling|falls|fall|decreas\w*|going down|slowing down)\b"),
    "steady": ("steady", r"\b(?:steady|stable|constant)\b"),
}
"""Words of intensity and trend as people have them, and the answers that they stand for."""


@dataclass(frozen=True, kw_only=True)
class FactClaim:
    """Hold what is claimed of a fact; one of limit, options and nothing at all (that it is there).

    Args:
        limit: in the unit in which the fact is answered.
        above: whether the fact is claimed to lie above the limit.
        options: the words that the claim fits.
        denied: whether yes means that it is not so.
    """

    limit: float | None = None
    above: bool = True
    options: tuple[str, ...] = ()
    denied: bool = False

    def holds(self, value: Value) -> bool:
        """Say whether what a reading says makes the answer yes."""
        if self.limit is not None:
            number = float(value)  # type: ignore[arg-type]
            true = number > self.limit if self.above else number < self.limit
        elif self.options:
            true = str(value).lstrip("+-") in self.options
        else:
            true = bool(value)
        return true != self.denied


def claims_something(text: str, fact: str) -> bool:
    """Say whether plain words claim what can be looked up: a limit, a word, that it is there."""
    claim = read_claim(text, fact)
    wordy = fact in ("intensity", "trend", "orientation")
    return claim.limit is not None or bool(claim.options) or not wordy


def read_claim(text: str, fact: str) -> FactClaim:
    """Read a claim from plain words (see `wording.plain_words`)."""
    number = NUMBER.search(re.sub(r"\b\d+(?:st|nd|rd|th)\b", "", text))
    if number:
        limit = float(number[0])
        if fact == "step_rate" and (re.search(r"\bmin", text) or limit > STEPS_A_SECOND_AT_MOST):
            limit /= 60
        return FactClaim(limit=limit, above=not words.BELOW.search(text))
    if fact == "orientation":
        return FactClaim(options=tuple(re.findall(r"\b[xyz]\b", text)))
    if fact in ("intensity", "trend"):
        # `isn't it` asks for it; `is it not strong` does so, too.
        fits = [names.split() for names, pattern in WORDS.values() if re.search(pattern, text)]
        return FactClaim(options=tuple(name for names in fits for name in names))
    denied = bool(words.NEGATED.search(text) and words.AGREES.search(text))
    if fact == "missing":
        lacks = re.search(
            r"\b(?:missing|absent|broken|lack\w*|lost|gone|dead|not recorded)\b", text
        )
        return FactClaim(denied=not lacks)
    return FactClaim(denied=denied)
