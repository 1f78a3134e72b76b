"""The generated text: its form, its speed, and that every answer follows from its prompt."""

import itertools
import random
import re
import time
from decimal import Decimal

import pytest

from research.bundled_llm import probe_items
from research.bundled_llm.sensing import (
    comparing,
    descriptions,
    facts,
    knowledge,
    labels,
    lists,
    manners,
    numbers,
    words,
)
from research.bundled_llm.sensing.phrase import say
from research.bundled_llm.sensing_text import conversations, paragraphs

MODULES = (comparing, descriptions, knowledge, labels, lists, manners, numbers)
NUMBER = re.compile(r"(?:- ?)?\d(?: ?\d)*(?: ?\. ?\d(?: ?\d)*)?")


def some(count: int = 4000, seed: int = 5):
    return list(itertools.islice(conversations(seed), count))


def made(maker, count: int = 400):
    rng = random.Random(1)
    return [maker(rng) for _ in range(count)]


def values(text: str) -> list[Decimal]:
    """Read numbers, plain or spaced, out of a list or a sentence."""
    spaced = re.search(r"\d \d", text) and not re.search(r"\d\d", text)
    if spaced or re.search(r"\d \. \d", text):
        return [Decimal(found.replace(" ", "")) for found in NUMBER.findall(text)]
    return [Decimal(found) for found in re.findall(r"-?\d+(?:\.\d+)?", text)]


def test_the_same_seed_gives_the_same_stream_and_another_seed_another() -> None:
    assert some(50, 1) == some(50, 1)
    assert some(50, 1) != some(50, 2)
    first = list(itertools.islice(paragraphs(1), 50))
    assert first == list(itertools.islice(paragraphs(1), 50))


def test_conversations_alternate_user_and_assistant_after_an_optional_system() -> None:
    for conversation in some():
        roles = [turn["role"] for turn in conversation]
        turns = roles[1:] if roles[0] == "system" else roles
        assert turns == ["user", "assistant"] * (len(turns) // 2)
        assert turns


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__.rsplit(".", 1)[-1])
def test_texts_have_no_trace_of_a_template(module) -> None:
    for _, maker in module.MAKERS:
        for conversation in made(maker, 150):
            for turn in conversation:
                text = turn["content"]
                assert text == text.strip()
                assert text
                assert not re.search(r"[\[\]|]|  ", text)
                assert "{" not in text or '{"' in text


def test_paragraphs_have_no_trace_of_a_template() -> None:
    for text in itertools.islice(paragraphs(3), 1000):
        assert text
        assert not re.search(r"[\[\]|]|  ", text)


def test_conversations_are_short() -> None:
    lengths = [sum(len(t["content"].split()) for t in c) for c in some()]
    assert max(lengths) < 200
    assert 10 < sum(lengths) / len(lengths) < 60


def test_five_thousand_conversations_take_a_second_or_so() -> None:
    start = time.process_time()
    some(5000)
    assert time.process_time() - start < 3.0


def test_numbers_are_spaced_and_plain_in_equal_shares() -> None:
    spaced = plain = 0
    for conversation in made(numbers.copy, 3000):
        answer = conversation[-1]["content"]
        if re.fullmatch(r"\d{3}", answer):
            plain += 1
        elif re.fullmatch(r"\d \d \d", answer):
            spaced += 1
    assert abs(spaced - plain) < 0.15 * (spaced + plain)


def test_a_copied_number_stands_in_its_prompt() -> None:
    for question, answer in made(numbers.copy):
        number = NUMBER.search(answer["content"])
        assert number
        assert number[0] in question["content"]


@pytest.mark.parametrize("maker", [comparing.compare, comparing.compare_yes_no])
def test_comparisons_are_right(maker) -> None:
    for conversation in made(maker):
        larger = None
        for question, answer in zip(conversation[::2], conversation[1::2], strict=True):
            asked, given = question["content"], answer["content"]
            if re.search(r"larg|big|great|high|more|max", asked, re.IGNORECASE):
                larger = True
            elif re.search(r"small|low|less|min\(", asked, re.IGNORECASE):
                larger = False
            first, second = values(asked)[:2]
            assert larger is not None
            if given in ("yes", "no", "true", "false"):
                assert (given in ("yes", "true")) == ((first > second) == larger)
            else:
                assert values(given)[0] == (max if larger else min)(first, second)


def test_yes_and_no_are_about_as_frequent() -> None:
    given = [t["content"] for c in made(comparing.compare_yes_no, 1500) for t in c[1::2]]
    yes = sum(answer in ("yes", "true") for answer in given) / len(given)
    assert 0.45 < yes < 0.55


@pytest.mark.parametrize("name", list(lists.SELECT))
def test_selections_from_a_list_are_right(name) -> None:
    rule = {
        "largest": max, "smallest": min, "first": lambda v: v[0], "last": lambda v: v[-1],
        "second": lambda v: v[1], "count": len,
    }[name]  # fmt: skip
    row = ["4.50", "12.00", "3.25"]
    assert Decimal(lists.SELECT[name][1](row)) == rule([Decimal(v) for v in row])


def test_the_next_numbers_keep_the_step() -> None:
    for question, answer in made(lists.go_on):
        row = values(question["content"]) + values(answer["content"])
        assert len({b - a for a, b in itertools.pairwise(row)}) == 1


def test_the_trend_is_right() -> None:
    words_of = {1: ("rising", "up", "increasing"), -1: ("falling", "down", "decreasing"),
                0: ("steady", "flat", "constant")}  # fmt: skip
    for question, answer in made(lists.trend):
        row = values(question["content"])
        sign = (row[-1] > row[0]) - (row[-1] < row[0])
        assert answer["content"] in words_of[sign]


def test_sorted_lists_hold_the_same_numbers_in_order() -> None:
    for question, answer in made(lists.order):
        row = values(answer["content"])
        assert sorted(row) == sorted(values(question["content"]))
        assert row in (sorted(row), sorted(row, reverse=True))


def test_halves_are_rounded_up() -> None:
    for question, answer in made(numbers.rounding, 1500):
        number, rounded = values(question["content"])[0], values(answer["content"])[0]
        unit = 10 if "ten" in question["content"] else 1
        assert -unit / 2 < number - rounded <= unit / 2 or number - rounded == -Decimal(unit) / 2
        assert rounded % unit == 0


@pytest.mark.parametrize("maker", [labels.named, labels.described, labels.by_key, labels.excluded])
def test_the_right_label_is_named_in_the_prompt(maker) -> None:
    for conversation in made(maker):
        prompt = " ".join(turn["content"] for turn in conversation[:-1])
        assert conversation[-1]["content"] in prompt


def test_short_prompts_get_a_label_and_nothing_else() -> None:
    known = set(words.ACTIVITIES) | set(words.STATES)
    assert all(answer["content"] in known for _, answer in made(labels.short))


def test_descriptions_agree_with_their_numbers() -> None:
    for conversation in made(descriptions.which_activity):
        text, activity = conversation[0]["content"], conversation[1]["content"]
        (low, high), beats, _ = descriptions.SCENES[activity]
        heart = re.search(r"(?:[Hh]eart|pulse)[^.]*?(\d[\d ]*\d)", text)
        if heart:
            assert beats[0] <= int(heart[1].replace(" ", "")) <= beats[1]
        rhythm = re.search(r"\d ?\. ?\d", text)
        assert bool(rhythm) == (high > 0)
        if rhythm:
            assert low - 0.05 <= float(rhythm[0].replace(" ", "")) <= high + 0.05


def test_what_was_not_told_is_not_known() -> None:
    unknown = [c for c in made(manners.traits, 600) if "don't know" in c[-1]["content"]]
    assert 200 < len(unknown) < 400
    told = [c for c in made(manners.traits, 600) if "don't know" not in c[-1]["content"]]
    assert all(c[-1]["content"] in c[0]["content"] for c in told)


def test_conversions_between_hertz_and_minutes_are_right() -> None:
    for question, answer in made(knowledge.per_minute):
        asked, given = values(question["content"])[0], values(answer["content"])[0]
        hertz, minute = sorted((asked, given))
        assert hertz * 60 == minute


def test_every_fact_has_several_ways_to_ask_and_a_whole_answer() -> None:
    rng = random.Random(0)
    for question, answer in itertools.chain.from_iterable(facts.FACTS.values()):
        assert len({say(rng, question) for _ in range(40)}) >= 2
        assert say(rng, question).endswith((".", "?"))
        assert say(rng, answer).endswith(".")


def test_the_wordings_and_label_words_of_the_probes_are_never_generated() -> None:
    text = "\n".join(t["content"] for c in some(8000, 9) for t in c)
    text += "\n".join(itertools.islice(paragraphs(9), 1000))
    wordings = (
        *probe_items.LABEL_WORDINGS, *probe_items.COPY_WORDINGS, *probe_items.COMPARE_WORDINGS,
        *probe_items.YES_NO_WORDINGS, *probe_items.CONTINUE_WORDINGS, *probe_items.UNKNOWN_WORDINGS,
    )  # fmt: skip
    for wording in wordings:
        longest = max(re.split(r"\{\w+\}", wording), key=len)
        assert longest not in text, wording
    for description, _ in probe_items.DESCRIBED:
        assert description not in text
    for word in probe_items.LABEL_WORDS:
        assert word not in words.THINGS
