"""How an adapter is asked for a fact: in the words that it was trained on, for one sensor.

What can be answered (a word, a number of the grid, an axis) is scored as labels are; an adapter
that writes freely takes one kind of question for another now and then. What is said is the answer
that is most likely to be right, within the tolerance of its question.

reading = ask_fact(model, heard, "step_rate")
reading.text, reading.value                     ('1.9 steps a second', 1.9)
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import torch

from sensor2llm.adapter.batches import FeatureBatch
from sensor2llm.llm.scoring import score_answers
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.signals.facts.heart import is_beats, is_heart_rate
from sensor2llm.signals.facts.movement import is_acceleration
from sensor2llm.signals.questions.answers import Value
from sensor2llm.signals.questions.naming import sensors_told, spoken_names
from sensor2llm.signals.questions.readings import FactPhrase
from sensor2llm.signals.questions.template import modalities_with
from sensor2llm.signals.questions.templates import template_named
from sensor2llm.signals.questions.wordings import typed, wordings_of
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.tasks.question_answering import TASK, Facts, request_of

TEMPLATE_OF = {"missing": "which_missing"}
"""Facts whose template has another name."""


@dataclass(frozen=True)
class FactReading:
    """Hold what is said that a fact is.

    Args:
        text: as it was said.
        value: what it says; None where it is no such answer.
        size: by which two windows are compared, where the value does not tell; else None.
        shares: the probability of each value that it could have had; empty where it has none.
        sureness: the probability that the value is right, within the tolerance.
        texts: how each value would be said.
    """

    text: str
    value: Value | None
    size: float | None = None
    shares: Mapping[Value, float] = field(default_factory=dict)
    sureness: float = 1.0
    texts: Mapping[Value, str] = field(default_factory=dict)

    def said_where(self, holds: Callable[[Value], bool]) -> str:
        """Give the text, or of the likeliest value for which something holds if it does not."""
        if self.value is None or holds(self.value) or not self.shares:
            return self.text
        fitting = [value for value in self.shares if holds(value)]
        return self.texts[max(fitting, key=self.shares.__getitem__)] if fitting else self.text


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


@torch.no_grad()
def ask_fact(
    model: SensorLanguageModel, features: FeatureBatch, name: str, sensor: str, facts: Facts
) -> FactReading:
    """Score every answer that a fact of a window can have, as labels are scored.

    The one is said that is likeliest to be right; the size is the mean over all, so that windows
    for which the same is said can still be compared.
    """
    template = template_named(TEMPLATE_OF.get(name, name))
    spoken = spoken_names(sensors_told(facts))
    values = {template.write(v, spoken): v for v in fact_values(model.adapter.spec, name, sensor)}
    question = canonical_question(model, template.name, sensor, facts)
    asked = features.with_requests([request_of(question)])
    (text,) = model.prompting.row_texts(asked)
    prompt = model.build.rows(asked, [model.prompting.encode_row(text)])
    scored = score_answers(model.llm, prompt, text, list(values))
    shares = {values[answer]: share for answer, share in scored.items()}
    size, right = None, shares
    if isinstance(template, FactPhrase):
        sizes = {value: template.answers.size(value) for value in shares}
        known = [shares[value] * one for value, one in sizes.items() if one is not None]
        size = sum(known) if known else None
        right = chances_right(shares, template.answers.fits)
    best = max(shares, key=lambda value: (right[value], shares[value]))
    texts = {value: answer for answer, value in values.items()}
    return FactReading(texts[best], best, size, shares, right[best], texts)


def chances_right(
    shares: Mapping[Value, float], fits: Callable[[Value, Value], bool]
) -> dict[Value, float]:
    """Give each value's chance to pass: what all values have together for which it passes."""
    return {
        value: sum(share for true, share in shares.items() if fits(value, true)) for value in shares
    }


def fact_values(spec: SignalSpec, name: str, sensor: str) -> Sequence[Value]:
    """Give the values that can be answered when a fact of a sensor is asked for."""
    if name == "missing":
        return [(), *((one,) for one in spec.names), *combinations(spec.names, 2)]
    template = template_named(name)
    assert isinstance(template, FactPhrase)
    prefix = f"{sensor}_"
    channels = [channel.name.removeprefix(prefix) for channel in spec[sensor].channels]
    return template.answers.choices(channels)


def measured_text(name: str, sensors: Sequence[str], facts: Facts) -> str:
    """Write the computed fact, for people to compare with; empty where there is none."""
    fact = facts.get("missing") if name == "missing" else None
    keys = [f"{sensor}.{name}" for sensor in sensors]
    return fact.text if fact else "; ".join(facts[key].text for key in keys if key in facts)
