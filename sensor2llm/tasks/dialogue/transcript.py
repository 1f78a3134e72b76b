"""What was said about windows, turn by turn, and how it is written to a file."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sensor2llm.artefacts.atomic_write import replace_file
from sensor2llm.errors import ConfigError
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.tasks.classification import Prediction
from sensor2llm.tasks.dialogue.answer import Answer


@dataclass(frozen=True)
class Turn:
    """Hold one turn: a window and what the model said of it, or a question and its answer.

    Args:
        kind: `window` or `question`.
        asked: the question; for a window what it was called.
        answered: what the model said.
        prediction: a window's label and probabilities; None for a question.
        answer: where a question's answer comes from, and how sure it is; None where that is not
            told apart.
        label_set: of a window, the labels that it may be, where that is known.
        unlike: of a window, what is not as in training.
    """

    kind: str
    asked: str
    answered: str
    prediction: Prediction | None = None
    answer: Answer | None = None
    label_set: tuple[str, ...] = ()
    unlike: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        if self.kind == "window" and self.prediction is None:
            return {"window": self.asked}
        if self.answer is not None:
            return {"question": self.asked, **self.answer.to_dict()}
        if self.prediction is None:
            return {"question": self.asked, "answer": self.answered}
        p = self.prediction
        return {
            "window": self.asked,
            "label": p.label,
            "probability": p.probabilities[p.label],
            "probabilities": p.probabilities,
            "start_s": p.start_s,
            **({"label_set": list(self.label_set)} if self.label_set else {}),
            **({"unlike": self.unlike} if self.unlike else {}),
        }


class Transcript:
    """Hold the turns of a talk with a model."""

    model: SensorLanguageModel
    turns: list[Turn]

    def to_dict(self) -> dict[str, Any]:
        """Return the conversation as plain JSON types."""
        return {"llm": self.model.llm.name, "turns": [turn.to_dict() for turn in self.turns]}

    def save(self, path: str | Path) -> Path:
        """Write the conversation as `.json`, or as `.md` to read.

        Raises:
            ConfigError: the file's name ends otherwise.
        """
        path = Path(path)
        if path.suffix == ".json":
            text = json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n"
        elif path.suffix == ".md":
            text = "\n\n".join(_markdown(turn) for turn in self.turns) + "\n"
        else:
            raise ConfigError(f"cannot save a conversation as {path.name}; end it in .json or .md")
        with replace_file(path) as part:
            part.write_text(text, encoding="utf-8")
        return path


def _markdown(turn: Turn) -> str:
    if turn.kind == "question" or turn.prediction is None:
        return f"**You:** {turn.asked}\n\n**Model:** {turn.answered}"
    p = turn.prediction
    best = sorted(p.probabilities.items(), key=lambda item: -item[1])[:3]
    shares = ", ".join(f"{name} {share:.2f}" for name, share in best)
    return f"**Window** {turn.asked}, from {p.start_s:g} s\n\n**Model:** {turn.answered} ({shares})"
