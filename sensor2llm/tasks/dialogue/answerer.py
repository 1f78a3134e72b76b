"""Answers about windows that an adapter hears, each by the way that is right for its question.

    answerer = Answerer(model)
    heard = answerer.hear(window)
    answerer.answer("isn't he sitting?", [heard])          Answer('No: walking (0.93).', ...)

Labels, and yes or no about labels, are written from the scores that the label on screen comes from:
what is said cannot contradict it. Facts, and the reasons of a label, are what the adapter scores
highest of what can be answered when it is asked in trained words; of claims about facts and of two
windows the comparison is ours. What was computed from the signal stands beside (`Answer.measured`),
never in place of what is said.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from sensor2llm.adapter.batches import CLASSIFICATION
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.signals.questions.answers import Value
from sensor2llm.signals.questions.captions import describe_values, noun_with
from sensor2llm.signals.questions.forms import reasons, verdict
from sensor2llm.signals.questions.labels import MOST_REASONS
from sensor2llm.signals.questions.naming import spoken_names
from sensor2llm.signals.questions.wordings import label_kind, label_words, topics
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.window import Window
from sensor2llm.tasks.classification import Prediction, classify
from sensor2llm.tasks.dialogue import comparing
from sensor2llm.tasks.dialogue.answer import Answer, join_answers
from sensor2llm.tasks.dialogue.fact_claims import read_claim
from sensor2llm.tasks.dialogue.fact_questions import (
    FactReading,
    ask_fact,
    fact_names,
    knows_questions,
    measured_text,
    sensor_of,
)
from sensor2llm.tasks.dialogue.heard_window import HeardWindow
from sensor2llm.tasks.dialogue.intent import Intent, Router
from sensor2llm.tasks.dialogue.vocabulary import UNSENSED
from sensor2llm.tasks.likeness import UNKNOWN, score_windows

NOT_TRAINED = "This adapter was not trained to answer that."
ONE_WINDOW = "That is about two windows, and one is attached: attach the other, too."
NOT_THERE = "No sensor of this window shows that."
NO_WINDOW = "No window is attached yet."
BEYOND = "That is not about the window."
UNLIKE, UNSURE = "unlike what the adapter learned from", "not sure enough"
"""Why a label is unknown."""
REASONS = ("step_rate", "intensity", "orientation", "heart_rate", "irregularity")
SURE = 0.9
"""How likely a reason is to be right that is given beside others."""


ReadFact = Callable[[HeardWindow, str, str], FactReading]
"""Gives a fact of a window by its name and sensor."""


class Answerer:
    """Answer questions about windows.

    Args:
        model: adapter and LLM.
        read: what says the facts of windows instead of the adapter (a control); None for none.
        abstain: the share of wrong labels that is taken: a label that is less sure, or of a window
            that is unlike training, is unknown.

    Raises:
        ConfigError: it is to abstain, and the adapter is not calibrated.
    """

    def __init__(
        self,
        model: SensorLanguageModel,
        read: ReadFact | None = None,
        abstain: float | None = None,
    ) -> None:
        self.model, self._reader, self._abstain = model.eval(), read, abstain
        adapter = model.adapter
        self._least = adapter.trust.least_confidence(abstain)
        self.labels = adapter.label_names if CLASSIFICATION in adapter.templates else ()
        self.router = make_router(adapter.spec, self.labels)
        self._ways: dict[str, Callable[[Intent, Sequence[HeardWindow]], Answer]] = {
            "label": self._label,
            "yes_no": self._yes_no,
            "fact": self._fact,
            "fact_yes_no": self._fact,
            "comparison": self._comparison,
            "why": self._why,
            "describe": self._describe,
            "unanswerable": self._refuse,
        }

    def hear(self, window: Window) -> HeardWindow:
        """Let the adapter hear a window of its own spec.

        Raises:
            SpecError: the window does not fit the adapter.
        """
        (heard,) = self.hear_all([window])
        return heard

    def hear_all(self, windows: Sequence[Window]) -> list[HeardWindow]:
        """Let the adapter hear several windows at once; see `hear`."""
        spec = self.model.adapter.spec
        plain = [replace(window, label=None) for window in windows]
        for window in plain:
            spec.check(spec.without_gaps(window))
        predictions = classify(self.model, plain) if self.labels else [None] * len(plain)
        scores = score_windows(self.model.adapter.trust.profile, plain)
        return [self._heard(*row) for row in zip(plain, predictions, scores, strict=True)]

    def _heard(self, window: Window, prediction: Prediction | None, score: float) -> HeardWindow:
        trust = self.model.adapter.trust
        labels: list[str] = []
        if prediction is not None and trust.calibration is not None:
            labels = trust.calibration.label_set(prediction.probabilities)
        why = ""
        if prediction is not None and self._abstain is not None:
            is_sure = prediction.probabilities[prediction.label] >= self._least
            why = ("" if is_sure else UNSURE) if score <= 0 else UNLIKE
        return HeardWindow(window, prediction, self.model, tuple(labels), score, why)

    def answer(self, question: str, heard: Sequence[HeardWindow]) -> Answer:
        """Answer a question about windows; what is beyond them is not answered here."""
        return join_answers([self.answer_part(i, heard) for i in self.route(question, heard)])

    def route(self, question: str, heard: Sequence[HeardWindow]) -> tuple[Intent, ...]:
        """Say what each part of a question wants."""
        return self.router.route(question, windows=len(heard))

    def answer_part(self, intent: Intent, heard: Sequence[HeardWindow]) -> Answer:
        """Answer one part of a question."""
        if intent.kind == "beyond":
            return Answer(BEYOND, kind="beyond", source="rules")
        if not heard and intent.kind != "unanswerable":
            return Answer(NO_WINDOW, kind=intent.kind, source="rules")
        if len(heard) == 1 and (intent.kind == "comparison" or intent.window == 1):
            return Answer(ONE_WINDOW, kind=intent.kind, source="rules")
        return self._ways[intent.kind](intent, heard)

    def _label(self, intent: Intent, heard: Sequence[HeardWindow]) -> Answer:
        one = _one(intent, heard)
        prediction = one.prediction
        if prediction is None:
            return Answer(NOT_TRAINED, kind=intent.kind, source="rules")
        if one.unknown:
            return _unknown(one, intent)
        share = prediction.probabilities[prediction.label]
        text = f"{prediction.label} ({share:.2f})."
        if len(one.label_set) > 1:
            text = f"{one.likely_text}."
        return Answer(text, share, prediction.probabilities, intent.kind, "scores")

    def _yes_no(self, intent: Intent, heard: Sequence[HeardWindow]) -> Answer:
        one = _one(intent, heard)
        prediction = one.prediction
        assert prediction is not None  # without labels none is named
        if one.unknown:
            return _unknown(one, intent)
        label, shares = prediction.label, prediction.probabilities
        names = {self.labels[number] for number in intent.labels}
        holds = (label in names) != intent.negated
        named = sum(shares[name] for name in names)
        yes = 1 - named if intent.negated else named
        text = f"{'Yes' if holds else 'No'}: {label} ({shares[label]:.2f})."
        both = {"yes": yes, "no": 1 - yes}
        return Answer(text, both["yes" if holds else "no"], both, intent.kind, "scores")

    def _fact(self, intent: Intent, heard: Sequence[HeardWindow]) -> Answer:
        one = _one(intent, heard)
        sensor = sensor_of(intent.fact, intent.plain, one.facts)
        measured = measured_text(intent.fact, [sensor], one.facts)
        if not sensor and intent.fact != "missing":
            return Answer(NOT_THERE, kind=intent.kind, source="rules")
        reading = self._read(one, intent.fact, sensor)
        if reading is None:
            return Answer(NOT_TRAINED, kind=intent.kind, source="rules", measured=measured)
        if intent.kind == "fact":
            share = reading.sureness if reading.shares else None
            return Answer(reading.text, share, kind=intent.kind, measured=measured)
        if reading.value is None:
            return Answer(reading.text, kind=intent.kind, measured=measured)
        claim = read_claim(intent.plain, intent.fact)
        yes = sum(share for value, share in reading.shares.items() if claim.holds(value))
        holds = yes > 0.5 if reading.shares else claim.holds(reading.value)
        shown = reading.said_where(lambda value: claim.holds(value) == holds)
        text, both = verdict(shown, holds), {"yes": yes, "no": 1 - yes}
        if not reading.shares:
            return Answer(text, kind=intent.kind, measured=measured)
        said = both["yes" if holds else "no"]
        return Answer(text, said, both, intent.kind, measured=measured)

    def _read(self, one: HeardWindow, name: str, sensor: str) -> FactReading | None:
        """Let a fact be said; None where this adapter was not trained to."""
        if self._reader is not None:
            return self._reader(one, name, sensor)
        if not knows_questions(self.model):
            return None
        return ask_fact(self.model, one.features, name, sensor, one.facts)

    def _comparison(self, intent: Intent, heard: Sequence[HeardWindow]) -> Answer:
        first, second = heard[-2:]
        if not intent.fact:
            if first.prediction is None or second.prediction is None:
                return Answer(NOT_TRAINED, kind=intent.kind, source="rules")
            if first.unknown or second.unknown:
                return _unknown(first if first.unknown else second, intent)
            named = {self.labels[number] for number in intent.labels}
            return comparing.compare_labels(intent, first.prediction, second.prediction, named)
        sensor = sensor_of(intent.fact, intent.plain, first.facts)
        if not sensor:
            return Answer(NOT_THERE, kind=intent.kind, source="rules")
        texts = [measured_text(intent.fact, [sensor], one.facts) for one in (first, second)]
        measured = f"first: {texts[0]}; second: {texts[1]}" if all(texts) else ""
        readings = [self._read(one, intent.fact, sensor) for one in (first, second)]
        if readings[0] is None or readings[1] is None:
            return Answer(NOT_TRAINED, kind=intent.kind, source="rules", measured=measured)
        text = comparing.compare_readings(readings[0], readings[1])
        return Answer(comparing.turned(text, intent), kind=intent.kind, measured=measured)

    def _why(self, intent: Intent, heard: Sequence[HeardWindow]) -> Answer:
        one = _one(intent, heard)
        values = self._surest(one)
        if one.prediction is None or one.unknown or not values:
            return replace(self._label(intent, heard), measured=_measured(one))
        parts = [noun_with(name, value) for (name, _), value in values.items()]
        text = reasons(one.prediction.label, parts)
        return Answer(text, kind=intent.kind, measured=_measured(one))

    def _describe(self, intent: Intent, heard: Sequence[HeardWindow]) -> Answer:
        one = _one(intent, heard)
        label, values = self._label(intent, heard), self._surest(one)
        if not values:
            return label
        spoken = spoken_names(self.model.adapter.spec.names)
        texts = [label.text] if one.prediction else []
        text = " ".join([*texts, describe_values(values, spoken)])
        return replace(label, text=text, source="scores", measured=_measured(one))

    def _surest(self, one: HeardWindow) -> dict[tuple[str, str], Value]:
        """Read the facts that explain a label, and give the surest of them; one at least."""
        readings = {place: self._read(one, *place) for place in _explaining(one)}
        sure = {
            place: reading
            for place, reading in readings.items()
            if reading is not None and reading.value is not None
        }
        order = sorted(sure, key=lambda place: -sure[place].sureness)[:MOST_REASONS]
        chosen = [p for p in order if sure[p].sureness >= SURE] or order[:1]
        return {p: sure[p].value for p in sure if p in chosen}  # type: ignore[misc]

    def _refuse(self, intent: Intent, heard: Sequence[HeardWindow]) -> Answer:
        if not self.labels and not UNSENSED.search(intent.plain):
            return Answer(NOT_TRAINED, kind=intent.kind, source="rules")
        sensors = ", ".join(spoken_names(self.model.adapter.spec.names).values())
        text = f"These sensors ({sensors}) cannot tell that."
        return Answer(text, kind=intent.kind, source="rules")


def make_router(spec: SignalSpec, labels: Sequence[str]) -> Router:
    """Make what tells questions apart that are about windows of a spec, with these labels."""
    words = {label: label_words(label) for label in labels}
    return Router(labels, fact_names(spec), words, _unknowable(spec, labels))


def _unknowable(spec: SignalSpec, labels: Sequence[str]) -> list[str]:
    """Give the topics of training that these sensors and labels cannot tell."""
    told = {*fact_names(spec), label_kind(labels)} | {label.casefold() for label in labels}
    told |= {word for name in spec.names for word in name.casefold().split("_")}
    return [topic.phrase for topic in topics() if not told & set(topic.unless)]


def _explaining(one: HeardWindow) -> list[tuple[str, str]]:
    """Give the facts that explain labels, with their sensors, of those that a window has."""
    return [(name, sensor) for name in REASONS if (sensor := sensor_of(name, "", one.facts))]


def _measured(one: HeardWindow) -> str:
    texts = [measured_text(name, [sensor], one.facts) for name, sensor in _explaining(one)]
    return "; ".join(filter(None, dict.fromkeys(texts)))


def _unknown(one: HeardWindow, intent: Intent) -> Answer:
    shares = one.prediction.probabilities if one.prediction else {}
    return Answer(f"{UNKNOWN}: {one.unknown}.", None, shares, intent.kind, "scores")


def _one(intent: Intent, heard: Sequence[HeardWindow]) -> HeardWindow:
    return heard[-1] if intent.window is None else heard[-2:][intent.window]
