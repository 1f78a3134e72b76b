"""What an adapter says of typed numbers, beside what the same LLM says from the digits alone.

    answer = answer_typed(model, read_numbers("RR in ms: 812, 790, … Normal or fibrillation?"))
    answer.lines()

The adapter scores its labels; where the sentence names words to choose from, the scores of the
labels that they stand for are compared. The LLM alone is given the sentence as it stands, and the
same words, or the labels, are scored behind it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from sensor2llm.errors import ConfigError
from sensor2llm.llm.chat import check_plain
from sensor2llm.llm.forward import assemble, prompt_rows
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.llm.scoring import score_answers
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.signals.questions.wordings import label_words
from sensor2llm.signals.window import Window
from sensor2llm.tasks.classification import Prediction, classify
from sensor2llm.tasks.dialogue.label_names import LabelNames
from sensor2llm.tasks.dialogue.wording import plain_words
from sensor2llm.tasks.typed.typed_numbers import TypedNumbers
from sensor2llm.tasks.typed.typed_window import make_window


@dataclass(frozen=True)
class TypedAnswer:
    """Hold what was read, what the adapter says of it, and what the digits alone say.

    Args:
        window: what the adapter heard.
        read: what was read of the sentence, in a few words.
        notes: what was assumed or done with it.
        prediction: the adapter's label.
        choices: of each word to choose from, its share among them; empty where the sentence names
            none, or one that is no label.
        digits: the LLM's own probability of each word, from the digits; None where its context
            does not hold them.
    """

    window: Window
    read: str
    notes: tuple[str, ...]
    prediction: Prediction
    choices: dict[str, float]
    digits: dict[str, float] | None

    @property
    def text(self) -> str:
        """Say the likeliest of the words to choose from, and the likeliest label of all."""
        label = self.prediction.label
        own = f"{label} ({self.prediction.probabilities[label]:.2f})"
        if not self.choices:
            return own
        best, share = _best(self.choices)
        named = f"{best} ({share:.2f} of what was named)"
        return named if label.casefold() == best else f"{named}; of all labels {own}"

    @property
    def digits_text(self) -> str:
        """Say what the LLM says from the digits alone."""
        if self.digits is None:
            return "its context does not hold them"
        best, share = _best(self.digits)
        return f"{best} ({share:.2f})"

    def lines(self) -> list[str]:
        """Give the answer in lines to read."""
        return [
            "; ".join((f"read {self.read}", *self.notes)),
            self.text,
            f"the same LLM from the digits alone: {self.digits_text}",
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        p = self.prediction
        return {
            "read": self.read,
            "notes": list(self.notes),
            "answer": self.text,
            "label": p.label,
            "probability": p.probabilities[p.label],
            "probabilities": p.probabilities,
            "choices": self.choices,
            "digits_alone": self.digits,
        }


def answer_typed(model: SensorLanguageModel, typed: TypedNumbers) -> TypedAnswer:
    """Let an adapter hear typed numbers, and its LLM read them.

    Raises:
        DataError: the numbers are no window of the adapter's.
        ConfigError: the adapter says no labels, or the sentence holds a placeholder's text.
    """
    check_plain(typed.sentence, "the text")
    adapter = model.adapter
    if not model.prompting.classifies:
        raise ConfigError("this adapter says no labels; take one that classifies")
    window, notes = make_window(typed, adapter.spec)
    (prediction,) = classify(model, [window])
    choices = choices_of(typed.candidates, prediction)
    words = tuple(dict.fromkeys(typed.candidates)) or adapter.label_texts
    digits = score_digits(model.llm, typed.sentence, words)
    return TypedAnswer(window, str(typed), notes, prediction, choices, digits)


def choices_of(candidates: Sequence[str], prediction: Prediction) -> dict[str, float]:
    """Give each word's share of the scores, by its labels; none where a word is no label."""
    labels = tuple(prediction.probabilities)
    names = LabelNames(labels, {label: label_words(label) for label in labels})
    owners = [frozenset().union(*names.named(plain_words(word))) for word in candidates]
    if not owners or not all(owners):
        return {}
    shares = [sum(prediction.probabilities[labels[i]] for i in owned) for owned in owners]
    total = sum(shares)
    return {word: share / total for word, share in zip(candidates, shares, strict=True)}


@torch.no_grad()
def score_digits(llm: FrozenLLM, sentence: str, words: Sequence[str]) -> dict[str, float] | None:
    """Score words as the LLM's answer to a sentence with numbers; None where it is too long."""
    text = llm.render([{"role": "user", "content": sentence}])
    ids = llm.encode(text)
    longest = max(len(llm.answer_ids(text, word)) for word in words)
    if llm.context is not None and len(ids) + longest > llm.context:
        return None
    prompt = assemble(llm, prompt_rows(llm, [ids]), None, None, batch=1)
    return score_answers(llm, prompt, text, words)


def _best(shares: dict[str, float]) -> tuple[str, float]:
    return max(shares.items(), key=lambda item: item[1])
