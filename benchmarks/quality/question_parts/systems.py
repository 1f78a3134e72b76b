"""Who is asked: the adapter's dialogue, its question task as typed, and those that need no adapter.

Each gives its answers to a question's parts from the places of its windows among those that are
asked about.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.quality.question_parts.judging import AskedItem, is_right
from sensor2llm.errors import ConfigError
from sensor2llm.llm.forward import assemble, prompt_rows
from sensor2llm.llm.generation import generate
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.signals.questions.labels import label_of
from sensor2llm.signals.questions.naming import Facts, missing_sensors, spoken_names
from sensor2llm.signals.questions.pairs import size_of
from sensor2llm.signals.questions.template import Question
from sensor2llm.signals.questions.templates import template_named
from sensor2llm.signals.window import Window
from sensor2llm.tasks.classification import Prediction
from sensor2llm.tasks.dialogue.answerer import Answerer
from sensor2llm.tasks.dialogue.fact_questions import FactReading, knows_conversation
from sensor2llm.tasks.dialogue.heard_window import HeardWindow
from sensor2llm.tasks.dialogue.wording import split_parts
from sensor2llm.tasks.question_answering import LONGEST_ANSWER, request_of

System = Callable[[str, Sequence[int]], list[str]]
BEYOND = "(beyond the window)"
LONGEST_TOLD = 40


class DialogueSystem:
    """Answer as the chat does; what goes beyond the window is marked and not generated."""

    def __init__(self, answerer: Answerer, heard: Callable[[int], HeardWindow]) -> None:
        self.answerer, self.heard = answerer, heard

    def __call__(self, ask: str, places: Sequence[int]) -> list[str]:
        """Answer a question's parts."""
        heard = [self.heard(place) for place in places]
        return [
            BEYOND if intent.kind == "beyond" else self.answerer.answer_part(intent, heard).text
            for intent in self.answerer.route(ask, heard)
        ]


class HeardWindows:
    """Hear windows once each.

    Args:
        answerer: hears them.
        windows: of the adapter's spec.
    """

    def __init__(self, answerer: Answerer, windows: Sequence[Window]) -> None:
        self._answerer, self._windows = answerer, windows
        self._heard: dict[int, HeardWindow] = {}

    def __call__(self, place: int) -> HeardWindow:
        """Give one as it was heard."""
        if place not in self._heard:
            self._heard[place] = self._answerer.hear(self._windows[place])
        return self._heard[place]


def typed_system(model: SensorLanguageModel, heard: HeardWindows) -> System:
    """Put every part as typed to the adapter's question task; nothing is routed or scored."""

    def answer(ask: str, places: Sequence[int]) -> list[str]:
        features = [heard(place).features for place in places]
        both = len(features) > 1 and knows_conversation(model)
        texts = []
        for part in split_parts(ask):
            asked = features[0].with_requests([request_of(part, windows=1 + both)])
            asked = replace(asked, second=features[1]) if both else asked
            texts.append(model.generate(asked, max_new_tokens=LONGEST_ANSWER)[0].strip())
        return texts

    return answer


def fact_reader(facts_of: Callable[[HeardWindow], Facts]) -> Callable[..., FactReading]:
    """Say facts of computed ones; whose they are is the caller's choice."""

    def read(one: HeardWindow, name: str, sensor: str) -> FactReading:
        facts = facts_of(one)
        spoken = spoken_names(
            tuple(dict.fromkeys(f.modality for f in facts.values() if f.modality))
        )
        if name == "missing":
            template, sensors = template_named("which_missing"), missing_sensors(facts)
            return FactReading(template.write(sensors, spoken), sensors)
        fact = facts.get(f"{sensor}.{name}")
        if fact is None:
            return FactReading("unknown", None)
        template = template_named(name)
        value = template.truth(Question(name, sensor), facts)
        if value is None:
            value = template.answers.of(fact)  # type: ignore[attr-defined]
        size = size_of(fact) if name in ("intensity", "step_rate") else None
        return FactReading(template.write(value, spoken), value, size)

    return read


class NearestTraining:
    """Say labels by a linear probe, and the facts of the nearest training window, without an LLM.

    Args:
        model: whose encoder's pooled features are compared.
        windows: of the training people.
        facts: of those, with their labels.
    """

    def __init__(
        self, model: SensorLanguageModel, windows: Sequence[Window], facts: Sequence[Facts]
    ) -> None:
        if model.adapter.encoder is None:
            raise ConfigError("heads without an LLM need an adapter with an encoder")
        self._model, self._facts = model, facts
        self._scaler = StandardScaler()
        features = self._scaler.fit_transform(np.stack([self._vector(w) for w in windows]))
        self._train = features
        self._probe: Pipeline = make_pipeline(LogisticRegression(max_iter=2000))
        self._probe.fit(features, [str(label_of(one)) for one in facts])

    @torch.no_grad()
    def _vector(self, window: Window) -> np.ndarray:
        steps = self._model.features([window]).steps
        assert steps is not None
        return steps.float().mean(2).flatten().cpu().numpy()

    def hear(self, one: HeardWindow, labels: Sequence[str]) -> HeardWindow:
        """Give the window with the probe's label in place of the LLM's."""
        features = self._scaler.transform(self._vector(one.window)[None])
        shares = dict.fromkeys(labels, 0.0)
        shares |= dict(
            zip(self._probe.classes_, self._probe.predict_proba(features)[0], strict=True)
        )
        best = max(shares, key=shares.__getitem__)
        prediction = Prediction(best, shares, one.window.start_s)
        return replace(one, prediction=prediction)

    def facts_of(self, one: HeardWindow) -> Facts:
        """Give the facts of the nearest training window."""
        features = self._scaler.transform(self._vector(one.window)[None])
        return self._facts[int(np.linalg.norm(self._train - features, axis=1).argmin())]


def told_text(facts: Sequence[Facts]) -> str:
    """Tell windows in words: the label and every computed fact."""
    texts = []
    for one in facts:
        known = [
            f.text for f in one.values() if f.name not in ("label", "labels", "mean", "spread")
        ]
        texts.append(f"The label is {label_of(one)}. " + ". ".join(known) + ".")
    if len(texts) == 1:
        return texts[0]
    return f"First window: {texts[0]} Second window: {texts[1]}"


@torch.no_grad()
def plain_answer(model: SensorLanguageModel, text: str) -> str:
    """Let the LLM alone answer a text."""
    llm = model.llm
    ids = llm.encode(llm.render([{"role": "user", "content": text}]))
    prompt = assemble(llm, prompt_rows(llm, [ids]), None, None, batch=1)
    return generate(llm, prompt, max_new_tokens=LONGEST_TOLD)[0]


def told_system(model: SensorLanguageModel, facts: Sequence[Facts]) -> System:
    """Let the plain LLM answer, told the truth in words."""

    def answer(ask: str, places: Sequence[int]) -> list[str]:
        told = told_text([facts[place] for place in places])
        return [plain_answer(model, f"{told}\n{part}") for part in split_parts(ask)]

    return answer


def frequent_answer_of(
    item: AskedItem, training: Sequence[AskedItem], labels: Sequence[str]
) -> str:
    """Give the one answer that is right for most training windows of the same question."""
    candidates = {"Yes.", "No.", "the first", "the second", "cannot be told", *labels}
    name = str(item.question.truth.get("fact", ""))
    if item.question.kind == "fact":
        read = fact_reader(lambda one: one)  # type: ignore[arg-type,return-value]
        for other in training:
            for fact in other.facts[0].values():
                if fact.name == name:
                    candidates.add(read(other.facts[0], name, fact.modality).text)
    ranked = sorted(candidates)
    return max(ranked, key=lambda text: sum(is_right(one, text, labels) for one in training))
