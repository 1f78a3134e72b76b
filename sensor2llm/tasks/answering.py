"""One question about one window, answered in the LLM's own words.

answer = answer_question(model, window, "What is the person doing?")
answer.text, answer.probability

Words alone do not say how sure the model is. Where they are one of the adapter's labels, or begin
with yes or no, what they say is scored against the other labels, or the other word.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch

from sensor2llm.adapter.batches import CLASSIFICATION, Request
from sensor2llm.llm.chat import check_plain
from sensor2llm.llm.scoring import score_answers
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.signals.questions.answers import parse_yes_no
from sensor2llm.signals.window import Window
from sensor2llm.tasks.classification import classify, parse_label
from sensor2llm.tasks.conversation import Conversation
from sensor2llm.tasks.question_answering import TASK

Scorer = Callable[[Sequence[str]], Mapping[str, float]]


@dataclass(frozen=True)
class Answer:
    """Hold what the model says to a question; `str` of it is the text.

    Args:
        text: the LLM's own words.
        probability: of what they say, where they are a label, yes or no; else None.
        probabilities: the same of every label, or of yes and no; else empty.
    """

    text: str
    probability: float | None = None
    probabilities: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.text


def answer_question(
    model: SensorLanguageModel, window: Window, question: str, *, max_new_tokens: int = 96
) -> Answer:
    """Ask about a window in plain words.

    An adapter that was trained on questions is asked by its own prompt; any other first says the
    window's label and is then asked, as in a chat.

    Args:
        model: adapter and LLM.
        window: of the adapter's spec; its own label is not looked at.
        question: in plain words.
        max_new_tokens: where the answer is cut off.

    Raises:
        SpecError: the window does not fit the adapter's spec.
        ConfigError: the question holds a placeholder's text, or what is no character.
        ModelError: the LLM has no room for the question.
    """
    check_plain(question, "the question")
    window, ask = (
        replace(window, label=None),
        _trained if TASK in model.adapter.templates else _chat,
    )
    text, score = ask(model, window, question, max_new_tokens)
    if CLASSIFICATION in model.adapter.templates:
        label = parse_label(text, model.prompting.answer_texts)
        if label >= 0:
            (prediction,) = classify(model, [window])
            name, shares = model.adapter.label_names[label], prediction.probabilities
            return Answer(text, shares[name], shares)
    affirmed = parse_yes_no(text)
    if affirmed is None:
        return Answer(text)
    words = ("Yes", "No") if text[0].isupper() else ("yes", "no")
    shares = dict(score(words))
    return Answer(text, shares[words[not affirmed]], shares)


def _trained(
    model: SensorLanguageModel, window: Window, question: str, most: int
) -> tuple[str, Scorer]:
    """Answer by the prompt that the adapter was trained with."""
    features = model.features([window]).with_requests([Request(TASK, {"question": question})])

    @torch.no_grad()
    def score(words: Sequence[str]) -> Mapping[str, float]:
        (text,) = model.prompting.row_texts(features)
        prompt = model.build.rows(features, [model.llm.encode(text)], prefix=False)
        return score_answers(model.llm, prompt, text, words)

    return model.generate(features, max_new_tokens=most)[0], score


def _chat(
    model: SensorLanguageModel, window: Window, question: str, most: int
) -> tuple[str, Scorer]:
    """Answer as in a conversation in which the window was heard and its label said."""

    def begin() -> Conversation:
        conversation = Conversation(model, max_new_tokens=most)
        conversation.attach(window)
        return conversation

    return begin().ask(question), lambda words: begin().score(question, words)
