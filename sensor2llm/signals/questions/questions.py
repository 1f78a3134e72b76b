"""Questions about a window, with answers computed from its signals.

    >>> from sensor2llm.signals.facts.facts import extract_facts
    >>> pairs = ask(extract_facts(window, spec), np.random.default_rng(0))
    >>> pairs[0].question, pairs[0].answer
    ('Is the movement at the wrist accelerometer still, light, moderate or vigorous?', 'moderate')

Every template asks each modality that has its fact, in one of its wordings. The wording depends on
nothing but chance; `Question.key` holds all that a question gives away of its window (template,
modality, limit or word). So what may be reached without listening is, at each key, its most
frequent answer: `most_frequent_answers`. A limit drawn near the value gives much away where values
lie close together; `balanced` keeps as many yes as no at each key.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sensor2llm.signals.questions.answers import Value
from sensor2llm.signals.questions.naming import Facts, sensors_told, spoken_names
from sensor2llm.signals.questions.template import Question
from sensor2llm.signals.questions.templates import TEMPLATES, template_named


@dataclass(frozen=True)
class QuestionAnswer:
    """Hold a question about a window and its true answer.

    `value` is not rounded; `phrasing` counts the template's wordings (to hold some out); `facts`
    are the keys of the facts that the answer rests on.
    """

    asked: Question
    question: str
    answer: str
    value: Value
    phrasing: int
    facts: tuple[str, ...]


def ask(
    facts: Facts, rng: np.random.Generator, templates: Sequence[str] | None = None
) -> list[QuestionAnswer]:
    """Give the questions that these facts answer, template by template (unset: all templates).

    Raises:
        ConfigError: If a template is unknown.
    """
    names = tuple(TEMPLATES) if templates is None else templates
    drawn = [question for name in names for question in template_named(name).draw(facts, rng)]
    spoken = spoken_names(sensors_told(facts))
    return [_pair(question, facts, spoken, rng) for question in drawn]


def _pair(
    question: Question, facts: Facts, spoken: Mapping[str, str], rng: np.random.Generator
) -> QuestionAnswer:
    template = TEMPLATES[question.template]
    wordings = template.wordings(spoken.get(question.modality, ""))
    phrasing = int(rng.integers(len(wordings)))
    value = template.truth(question, facts)
    assert value is not None, f"{question.key} was drawn without an answer"
    return QuestionAnswer(
        asked=question,
        question=worded(question, wordings[phrasing], spoken),
        answer=template.write(value, spoken),
        value=value,
        phrasing=phrasing,
        facts=template.keys(question),
    )


def worded(question: Question, wording: str, spoken: Mapping[str, str]) -> str:
    """Fill a wording's `{sensor}` and `{than}`; `spoken` gives the words of a modality."""
    than = f"{question.than:g}" if isinstance(question.than, float) else question.than or ""
    sensor = spoken.get(question.modality, question.modality)
    return wording.format(sensor=sensor, than=spoken.get(than, than))


def balanced(pairs: Sequence[QuestionAnswer], rng: np.random.Generator) -> list[QuestionAnswer]:
    """Keep as many yes as no at each key, drawn at random; other answers all stay, in order.

    A key that has one of the two only is left out: its question needs no window.
    """
    rows: dict[tuple[str, bool], list[int]] = defaultdict(list)
    for row, pair in enumerate(pairs):
        if isinstance(pair.value, bool):
            rows[pair.asked.key, pair.value].append(row)
    dropped: set[int] = set()
    for (key, value), of_key in rows.items():
        spare = len(of_key) - len(rows.get((key, not value), ()))
        if spare > 0:
            dropped.update(rng.choice(of_key, spare, replace=False).tolist())
    return [pair for row, pair in enumerate(pairs) if row not in dropped]


def most_frequent_answers(pairs: Iterable[QuestionAnswer]) -> dict[str, str]:
    """Give the answer that is most frequent at each key and, under its name, for each template.

    Of equally frequent answers the first one is taken.
    """
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for pair in pairs:
        for key in {pair.asked.key, pair.asked.template}:
            counts[key][pair.answer] += 1
    return {key: counter.most_common(1)[0][0] for key, counter in counts.items()}


def frequent_answer(answers: Mapping[str, str], question: Question) -> str:
    """Look up a question's key, or its template where training never asked at that key.

    An empty text, which is no answer, where training never asked the template.
    """
    return answers.get(question.key, answers.get(question.template, ""))
