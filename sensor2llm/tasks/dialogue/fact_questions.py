"""How an adapter is asked for a fact: in the words that it was trained on, for one sensor.

reading = ask_fact(model, heard, "step_rate")
reading.text, reading.value                     ('1.9 steps a second', 1.9)
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from sensor2llm.adapter.batches import FeatureBatch
from sensor2llm.llm.generation import generate
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.signals.facts.heart import is_beats, is_heart_rate
from sensor2llm.signals.facts.movement import is_acceleration
from sensor2llm.signals.questions.answers import Value
from sensor2llm.signals.questions.naming import sensors_told, spoken_names
from sensor2llm.signals.questions.template import modalities_with
from sensor2llm.signals.questions.templates import template_named
from sensor2llm.signals.questions.wordings import typed, wordings_of
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.tasks.question_answering import LONGEST_ANSWER, TASK, Facts, request_of

TEMPLATE_OF = {"missing": "which_missing"}
"""Facts whose template has another name."""
COMPARISONS = {
    "intensity": "more_movement",
    "step_rate": "faster_steps",
    "heart_rate": "higher_heart_rate",
    "irregularity": "more_irregular",
}
"""Facts and the template that asks which of two windows has more of it."""


@dataclass(frozen=True)
class FactReading:
    """Hold what is said that a fact is.

    Args:
        text: as it was said.
        value: what it says; None where it is no such answer.
        size: by which two windows are compared, where the value does not tell; else None.
    """

    text: str
    value: Value | None
    size: float | None = None


def fact_names(spec: SignalSpec) -> frozenset[str]:
    """Give the names of the facts that can be asked of windows of a spec."""
    names = {"missing"}
    for modality in spec.modalities:
        if modality.axis == "time":
            names.add("dominant_frequency")
        if modality.axis != "none" and len(modality.channels) == 1:
            names.add("trend")
        if is_acceleration(modality):
            names |= {"intensity", "step_rate", "orientation"}
        if is_heart_rate(modality) or is_beats(modality):
            names.add("heart_rate")
        if is_beats(modality):
            names |= {"rmssd", "irregularity"}
    return frozenset(names)


def knows_questions(model: SensorLanguageModel) -> bool:
    """Say whether an adapter was trained on questions."""
    return TASK in model.adapter.templates


def knows_conversation(model: SensorLanguageModel) -> bool:
    """Say whether it was trained on comparisons and reasons, too: its prompt counts windows."""
    if not knows_questions(model):
        return False
    template, form = model.adapter.templates[TASK], model.prompting.form_of(TASK)
    return "windows" in template.uses(form)


def sensor_of(name: str, text: str, facts: Facts) -> str:
    """Give the sensor that a question is about: one that it names, else the first with the fact."""
    sensors = modalities_with(facts, name) or [f.modality for f in facts.values() if f.name == name]
    spoken = spoken_names(sensors_told(facts))
    named = [sensor for sensor in sensors if sensor and _kind(spoken[sensor]) in text]
    return next(iter((*named, *sensors)), "")


def _kind(words: str) -> str:
    return words.rsplit(" ", 1)[-1].casefold()


def canonical_question(model: SensorLanguageModel, template: str, sensor: str, facts: Facts) -> str:
    """Ask a template's question in a wording that this adapter was trained on."""
    spoken = spoken_names(sensors_told(facts)).get(sensor, sensor)
    wordings = wordings_of(template)
    if not knows_conversation(model) and wordings.first:
        return wordings.first[0].replace("<sensor>", spoken)
    return typed(wordings.train[0].replace("<sensor>", spoken).replace("<is_he>", "is he"), 0)


def ask_fact(
    model: SensorLanguageModel, features: FeatureBatch, name: str, sensor: str, facts: Facts
) -> FactReading:
    """Let an adapter say what a fact of a window is."""
    template = TEMPLATE_OF.get(name, name)
    text = ask_typed(model, features, canonical_question(model, template, sensor, facts))
    return FactReading(text, template_named(template).parse(text, sensors_told(facts)))


def ask_typed(
    model: SensorLanguageModel,
    features: FeatureBatch,
    question: str,
    *,
    second: FeatureBatch | None = None,
    most: int = LONGEST_ANSWER,
) -> str:
    """Let an adapter answer a question as it stands, about a window or two."""
    return model.generate(_asked(features, question, second), max_new_tokens=most)[0].strip()


@torch.no_grad()
def continue_answer(
    model: SensorLanguageModel, features: FeatureBatch, question: str, begin: str, most: int
) -> str:
    """Let an adapter go on with an answer whose beginning is given; give both."""
    asked = _asked(features, question, None)
    (text,) = model.prompting.row_texts(asked)
    ids = [*model.llm.encode(text), *model.llm.answer_ids(text, begin)[:-1]]
    prompt = model.build.rows(asked, [ids], prefix=False)
    return f"{begin} {generate(model.llm, prompt, max_new_tokens=most)[0].strip()}"


def _asked(features: FeatureBatch, question: str, second: FeatureBatch | None) -> FeatureBatch:
    windows = 1 if second is None else 2
    asked = features.with_requests([request_of(question, windows=windows)])
    return asked if second is None else replace(asked, second=second)


def measured_text(name: str, sensors: Sequence[str], facts: Facts) -> str:
    """Write the computed fact, for people to compare with; empty where there is none."""
    fact = facts.get("missing") if name == "missing" else None
    keys = [f"{sensor}.{name}" for sensor in sensors]
    return fact.text if fact else "; ".join(facts[key].text for key in keys if key in facts)
