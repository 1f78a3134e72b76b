"""What is answered to a question: its text, how sure it is, and where it comes from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Source = Literal["scores", "llm", "rules"]
"""The adapter's scores of what can be answered, the plain LLM's words, or a fixed sentence."""
NOT_FROM_WINDOW = "not from the window: "


@dataclass(frozen=True)
class Answer:
    """Hold what is answered to a question; `str` of it is the text.

    Args:
        text: what is said.
        probability: of what it says, where that was scored; else None.
        probabilities: of every label, or of yes and no; else empty.
        kind: of the question; `two_part` where it had two.
        source: where the words come from.
        measured: the fact that was asked for, computed from the signal and not by the model; empty
            for none.
    """

    text: str
    probability: float | None = None
    probabilities: Mapping[str, float] = field(default_factory=dict)
    kind: str = ""
    source: Source = "scores"
    measured: str = ""

    def __str__(self) -> str:
        return self.text

    @property
    def scored(self) -> bool:
        """Say whether the text was written from the adapter's scores."""
        return self.source == "scores"

    @property
    def generated(self) -> bool:
        """Say whether a language model wrote the text."""
        return self.source == "llm"

    @property
    def said(self) -> str:
        """Give the text, marked where it does not come from the window."""
        return (NOT_FROM_WINDOW if self.source == "llm" else "") + self.text

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        plain: dict[str, Any] = {"answer": self.text, "kind": self.kind, "source": self.source}
        plain |= {"scored": self.scored, "generated": self.generated}
        plain["probability"] = self.probability
        if self.measured:
            plain["measured"] = self.measured
        return plain


def join_answers(answers: Sequence[Answer]) -> Answer:
    """Put the answers of a question's parts together; one stays as it is."""
    if len(answers) == 1:
        return answers[0]
    return Answer(
        " ".join(answer.said for answer in answers),
        kind="two_part",
        source=answers[0].source,
        measured="; ".join(answer.measured for answer in answers if answer.measured),
    )
