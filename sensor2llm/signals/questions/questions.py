"""Questions about a window, with answers computed from its signals.

    >>> from sensor2llm.signals.facts.facts import extract_facts
    >>> pairs = ask(extract_facts(window, spec), np.random.default_rng(0))
    >>> pairs[0].question, pairs[0].answer
    ('What is the intensity of the movement at the wrist accelerometer?', 'moderate')

Every template asks each modality that has its fact, in one of its wordings. The wording depends on
nothing but chance; `Question.key` holds all that a question gives away of its window (template,
modality, limit or word). So what may be reached without listening is, at each key, its most
frequent answer: `most_frequent_answers`. A limit drawn near the value gives much away where values
lie close together; `balanced` keeps as many yes as no at each key.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sensor2llm.signals.questions.answers import Value
from sensor2llm.signals.questions.labels import Why, all_labels, unknowable
from sensor2llm.signals.questions.naming import Facts, sensors_told, spoken_names
from sensor2llm.signals.questions.pairs import SECOND
from sensor2llm.signals.questions.readings import RowValue
from sensor2llm.signals.questions.template import Question, Template, modalities_with
from sensor2llm.signals.questions.templates import CLASSIC, TEMPLATES, template_named
from sensor2llm.signals.questions.wordings import (
    STYLES,
    Wordings,
    first_wordings,
    for_person,
    label_kind,
    label_words,
    names_fact,
    topics,
    typed,
    wordings_of,
)
from sensor2llm.signals.questions.yes_no import YesNo

LABEL_CLAIMS = ("label_is", "label_is_not")
PLAIN_SHARE = 0.25
"""How often a question is asked in its first wording: the chat asks for facts in that one."""


@dataclass(frozen=True)
class QuestionAnswer:
    """Hold a question about a window and its true answer.

    `value` is not rounded; `phrasing` counts the template's wordings (to hold some out); `facts`
    are the keys of the facts that the answer rests on; `held_out` wordings never train an adapter.
    """

    asked: Question
    question: str
    answer: str
    value: Value
    phrasing: int
    facts: tuple[str, ...]
    held_out: bool = False


def ask(
    facts: Facts, rng: np.random.Generator, templates: Sequence[str] | None = None
) -> list[QuestionAnswer]:
    """Give the questions that these facts answer, template by template (unset: the classic ones).

    Raises:
        ConfigError: If a template is unknown.
    """
    names = CLASSIC if templates is None else templates
    drawn = [question for name in names for question in template_named(name).draw(facts, rng)]
    spoken = spoken_names(sensors_told(facts))
    return [_pair(question, facts, spoken, rng) for question in drawn]


def _pair(
    question: Question, facts: Facts, spoken: Mapping[str, str], rng: np.random.Generator
) -> QuestionAnswer:
    template = TEMPLATES[question.template]
    wordings = first_wordings(template.name, spoken.get(question.modality, ""))
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
    """Fill a wording's `<sensor>` and `<than>`; `spoken` gives the words of a modality."""
    than = f"{question.than:g}" if isinstance(question.than, float) else question.than or ""
    sensor = spoken.get(question.modality, question.modality)
    return wording.replace("<sensor>", sensor).replace("<than>", spoken.get(than, than))


def talk(
    facts: Facts,
    rng: np.random.Generator,
    templates: Sequence[str] | None = None,
    *,
    held_out: bool = False,
) -> list[tuple[QuestionAnswer, ...]]:
    """Ask as people do: in many wordings, of one window or two.

    Args:
        facts: of a window, or of two side by side.
        rng: draws what is asked, the wording, and who is spoken of.
        templates: which; all where None.
        held_out: take wordings that never train an adapter.

    Returns:
        questions that belong side by side (the same one with a true and a false word) together.

    Raises:
        ConfigError: If a template is unknown.
    """
    whole = [
        template_named(name) for name in (tuple(TEMPLATES) if templates is None else templates)
    ]
    two = any(key.startswith(SECOND) for key in facts)
    together = [
        unit
        for template in whole
        if (template.kind == "comparison") == two
        for unit in _units(template, facts, rng)
    ]
    return [_in_conversation(unit, facts, rng, held_out) for unit in together]


def _units(
    template: Template, facts: Facts, rng: np.random.Generator
) -> Sequence[tuple[Question, ...]]:
    if isinstance(template, YesNo):
        return template.side_by_side(facts, rng)
    return [(question,) for question in template.draw(facts, rng)]


def _in_conversation(
    unit: Sequence[Question], facts: Facts, rng: np.random.Generator, held_out: bool
) -> tuple[QuestionAnswer, ...]:
    template, spoken = TEMPLATES[unit[0].template], spoken_names(sensors_told(facts))
    if template.kind == "unanswerable" and held_out and rng.random() < 0.5:
        new = unknowable(facts, held_out=True)
        unit = [replace(unit[0], than=new[int(rng.integers(len(new)))])]
    ways = _ways(unit[0], facts, spoken)
    wordings = ways.held_out if held_out else ways.train
    phrasing, style = int(rng.integers(len(wordings))), int(rng.integers(STYLES))
    if not held_out and rng.random() < PLAIN_SHARE:
        phrasing = style = 0
    wording = for_person(wordings[phrasing], rng)
    pairs = []
    for question in unit:
        words = _word(question, rng, held_out)
        value = template.truth(question, facts)
        assert value is not None, f"{question.key} was drawn without an answer"
        pairs.append(
            QuestionAnswer(
                asked=question,
                question=typed(worded(words, wording, spoken), style),
                answer=_answer(template, question, facts, spoken),
                value=value,
                phrasing=phrasing,
                facts=template.keys(question),
                held_out=held_out,
            )
        )
    return tuple(pairs)


def _answer(template: Template, question: Question, facts: Facts, spoken: Mapping[str, str]) -> str:
    """Write the true answer; of some templates it says more than the value does."""
    if isinstance(template, Why | RowValue):
        return template.reply(question, facts, spoken)
    value = template.truth(question, facts)
    assert value is not None
    return template.write(value, spoken)


def _ways(question: Question, facts: Facts, spoken: Mapping[str, str]) -> Wordings:
    """Give the wordings of a question; without the sensor's name where it alone has the fact."""
    name = question.template
    if name == "unanswerable":
        return next(
            t.wordings for t in (*topics(), *topics(held_out=True)) if t.phrase == question.than
        )
    by_kind = wordings_of(name, kind=label_kind(all_labels(facts)))
    if by_kind.train:
        return by_kind
    named, bare = wordings_of(name), wordings_of(name, bare=True)
    if bare.train and names_fact(name, spoken.get(question.modality, "")):
        return bare
    keys = TEMPLATES[name].keys(question)
    alone = (
        len(keys) == 1
        and keys[0] in facts
        and len(modalities_with(facts, facts[keys[0]].name)) == 1
    )
    return named.with_more(bare) if alone else named


def _word(question: Question, rng: np.random.Generator, held_out: bool) -> Question:
    """Put another word for the label of a yes/no question; of those held out, half of the time."""
    if question.template not in LABEL_CLAIMS:
        return question
    words = label_words(str(question.than), held_out=held_out and rng.random() < 0.5)
    return replace(question, than=words[int(rng.integers(len(words)))])


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
