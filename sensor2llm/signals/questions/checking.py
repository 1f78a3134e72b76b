"""Whether an answer is true of a window.

    >>> from sensor2llm.signals.facts.facts import extract_facts
    >>> check(Question("heart_rate", "heart_rate"), "about 86 bpm", extract_facts(window, spec))
    <Verdict.TRUE: 'true'>

The question may be about another window than the facts: that is how answers are checked after the
window was swapped.
"""

from enum import StrEnum

from sensor2llm.errors import ConfigError, DataError
from sensor2llm.signals.questions.naming import Facts, sensors_told, spoken_names
from sensor2llm.signals.questions.questions import QuestionAnswer
from sensor2llm.signals.questions.template import Question
from sensor2llm.signals.questions.templates import template_named


class Verdict(StrEnum):
    """Say what became of a statement; `unparsed` is no answer to the question."""

    TRUE = "true"
    FALSE = "false"
    UNPARSED = "unparsed"


def check(question: QuestionAnswer | Question, answer: str, facts: Facts) -> Verdict:
    """Judge what was said against the facts, within the template's tolerance.

    Any answer about a sensor that is missing is false, except that it is missing.

    Raises:
        ConfigError: If the template is unknown, or it compares and the question does not say
            with what.
        DataError: If the facts do not know the question's modality, neither as there nor missing.
    """
    bare = _asked(question)
    names = sensors_told(facts)
    template = template_named(bare.template)
    if template.compares and bare.than is None:
        raise ConfigError(f"{bare.template} compares; say with what: Question(…, than=…)")
    if bare.modality and bare.modality not in names:
        raise DataError(f"unknown modality {bare.modality!r}; the facts tell of {', '.join(names)}")
    value = template.parse(answer, names)
    if value is None:
        return Verdict.UNPARSED
    return Verdict.TRUE if template.accepts(value, bare, facts) else Verdict.FALSE


def true_answer(question: QuestionAnswer | Question, facts: Facts) -> str | None:
    """Write the true answer; None where the window has none.

    Raises:
        ConfigError: If the template is unknown.
    """
    bare = _asked(question)
    template = template_named(bare.template)
    value = template.truth(bare, facts)
    return None if value is None else template.write(value, spoken_names(sensors_told(facts)))


def differs(question: QuestionAnswer | Question, facts_a: Facts, facts_b: Facts) -> bool:
    """Say whether the truth clearly differs: each window's true answer is false of the other.

    Where one of them has no answer (its sensor is missing), there is nothing to compare: False.

    Raises:
        ConfigError: If the template is unknown.
    """
    of_a, of_b = true_answer(question, facts_a), true_answer(question, facts_b)
    if of_a is None or of_b is None:
        return False
    false = Verdict.FALSE
    return check(question, of_a, facts_b) == false and check(question, of_b, facts_a) == false


def _asked(question: QuestionAnswer | Question) -> Question:
    return question.asked if isinstance(question, QuestionAnswer) else question
