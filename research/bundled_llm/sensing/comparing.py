"""Comparing two numbers, and a number with a limit."""

# ruff: noqa: E501  (a template is read best in one line)

import random

from research.bundled_llm.sensing.numbers import THINGS_MEASURED, draw_pair, write_number
from research.bundled_llm.sensing.phrase import Conversation, ask, say, sentence

LARGER = (
    "Which [number |value |]is [larger|bigger|greater|higher|more]: {a} or {b}?",
    "Which [number |one |]is [larger|bigger|greater|higher], {a} or {b}?",
    "[What is|Give|Name|Write|Pick|Choose] the [larger|bigger|greater|higher] [number|one|value] of "
    "{a} and {b}.",
    "[Larger|Bigger|Greater|Higher] [number|value|]: {a} or {b}?",
    "[Numbers|Values]: {a}, {b}. Which is [larger|bigger|higher]?",
    "Compare {a} and {b}. Which [is larger|is bigger|is the greater one]?",
    "Is {a} or {b} [larger|bigger|the larger number|higher]?",
    "One [sensor|device|person|watch] shows {a}, the other {b}. Which [number|value] is "
    "[larger|higher|bigger]?",
    "max({a}, {b})",
    "[The|A] {thing} went from {a} to {b}. Which [value|number] is [higher|larger]?",
    "[Look at|Take|Here are|Consider|I have|You have|There are|They wrote|Given are] {a} and {b}[.|:] "
    "[Which one|Which|Tell me which|Say which] is [larger|bigger|greater|higher]?",
    "[Say|Tell me|State|Show me] the [larger|bigger|greater|higher] [number|value] [of|out of|from] "
    "[the two |]{a} [and|,] {b}.",
    "[Between|Among] {a} and {b}[,|:] [the larger is|pick the bigger|say the greater|name the higher]?",
    "{a} [and|or] {b}: [larger|bigger|greater|higher]?",
    "[First|Once] {a}, then {b}. Which [was|is] [larger|bigger|greater|higher]?",
)
_SMALLER_WORDS = {
    "larger": "smaller",
    "bigger": "smaller",
    "greater": "lower",
    "higher": "lower",
    "more": "less",
    "Larger": "Smaller",
    "Bigger": "Smaller",
    "Greater": "Lower",
    "Higher": "Lower",
    "max(": "min(",
}


def _smaller(template: str) -> str:
    for word, other in _SMALLER_WORDS.items():
        template = template.replace(word, other)
    return template


SMALLER = tuple(_smaller(template) for template in LARGER)


def compare(rng: random.Random) -> Conversation:
    """Ask which of two numbers is larger or smaller, one to four times in the same words."""
    spaced = rng.random() < 0.5
    larger = rng.random() < 0.6
    template = rng.choice(LARGER if larger else SMALLER)
    conversation: Conversation = []
    for turn in range(rng.choice((1, 1, 2, 3, 4))):
        pair = draw_pair(rng)
        wanted = (max if larger else min)(pair, key=float)
        a, b = (write_number(n, spaced) for n in pair)
        again = turn > 0 and rng.random() < 0.5
        words = "[And|Next:|Then|Now] {a} or {b}?" if again else template
        question = sentence(say(rng, words, a=a, b=b, thing=rng.choice(THINGS_MEASURED)))
        answer = write_number(wanted, spaced)
        if turn == 0 and rng.random() < 0.1:
            question += say(rng, " Answer [in|with] a [full |whole |]sentence.")
            than = "[larger|greater]" if larger else "smaller"
            other = b if answer == a else a
            answer = say(rng, f"{{n}} is {than} than {{m}}.", n=answer, m=other)
        conversation += ask(question, answer)
    return conversation


def compare_yes_no(rng: random.Random) -> Conversation:
    """Ask whether one number is larger or smaller than the other; half of the answers are yes."""
    spaced = rng.random() < 0.5
    words = rng.choice(
        ("larger", "bigger", "greater", "higher", "more", "smaller", "less", "lower")
    )
    larger = words in ("larger", "bigger", "greater", "higher", "more")
    conversation: Conversation = []
    for _ in range(rng.choice((1, 1, 2, 3))):
        pair = draw_pair(rng)
        a, b = (write_number(n, spaced) for n in pair)
        truth = (float(pair[0]) > float(pair[1])) == larger
        template = "[Is {a} {w} than {b}?|Is {a} {w} than {b}? Yes or no?|Yes or no: is {a} {w} than {b}?|True or false: {a} is {w} than {b}.]"
        question = say(rng, template, a=a, b=b, w=words)
        answer = (
            ("true" if truth else "false") if "True or" in question else "yes" if truth else "no"
        )
        conversation += ask(question, answer)
    return conversation


def threshold(rng: random.Random) -> Conversation:
    """Give a rule with a limit and two words, then a number."""
    spaced = rng.random() < 0.5
    limit, number = draw_pair(rng)
    above, below = rng.choice(
        (("high", "low"), ("fast", "slow"), ("alarm", "fine"), ("yes", "no"), ("hot", "cold"),
         ("active", "rest"), ("running", "walking"), ("A", "B"), ("stress", "calm"))
    )  # fmt: skip
    thing = rng.choice(THINGS_MEASURED)
    values = {"limit": write_number(limit, spaced), "n": write_number(number, spaced)}
    question = say(
        rng,
        "[If the {thing} is above {limit}, [say|answer|write] {above}; [if not,|otherwise|else] "
        "[say|answer|write] {below}.|Above {limit} is {above}, below {limit} is {below}.|"
        "[Say|Answer] {above} when the {thing} is over {limit}, and {below} when it is under {limit}.]"
        "[ |\n][The {thing} is {n}.|{Thing}: {n}]",
        above=above, below=below, thing=thing, Thing=sentence(thing), **values,
    )  # fmt: skip
    return ask(question, above if float(number) > float(limit) else below)


MAKERS = (
    (26, compare),
    (9, compare_yes_no),
    (6, threshold),
)
