"""Single numbers: writing and drawing them, copying, rounding and adding them.

Numbers are written plain ("480, 481") or digit by digit ("4 8 0 , 4 8 1"), in equal shares and
with the same answers, so that neither way of writing is favoured by the weights.
"""

# ruff: noqa: E501  (a template is read best in one line)

import random
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal

from research.bundled_llm.sensing.phrase import Conversation, ask, say, sentence

THINGS_MEASURED = (
    *("heart rate", "temperature", "speed", "weight", "step count", "pulse", "sensor value"),
    *("reading", "score", "acceleration", "breathing rate", "distance", "count", "level"),
)


def write_number(number: int | str, spaced: bool) -> str:
    """Write a number plain or digit by digit.

    >>> write_number("-0.48", True)
    '- 0 . 4 8'
    """
    return " ".join(str(number)) if spaced else str(number)


def write_list(rng: random.Random, numbers: Sequence[int | str], spaced: bool) -> str:
    """Write a list of numbers; plain lists vary in how they are separated.

    Single digits are never separated by spaces alone: that would look like one spaced number.
    """
    if spaced:
        return " , ".join(write_number(n, True) for n in numbers)
    plain = [str(n) for n in numbers]
    joints = (", ", ", ", ", ", ", ", "; ", " " if min(map(len, plain)) > 1 else ", ")
    return rng.choice(joints).join(plain)


def draw_number(rng: random.Random) -> int | str:
    """Draw a number: mostly below 100, often of three digits, at times larger, decimal or negative."""
    kind = rng.random()
    if kind < 0.4:
        return rng.randrange(100)
    if kind < 0.78:
        return rng.randrange(100, 1000)
    if kind < 0.82:
        return rng.randrange(1000, 10000)
    if kind < 0.94:
        return f"{rng.uniform(0, rng.choice((1, 10, 100))):.{rng.choice((1, 1, 2))}f}"
    return f"-{rng.uniform(0.1, 3):.{rng.choice((1, 2))}f}"


def draw_numbers(rng: random.Random, count: int) -> list[int | str]:
    """Draw different numbers of one kind and one number of digits after the point."""
    kind = rng.random()
    if kind < 0.55:
        return list(rng.sample(range(100), count))
    if kind < 0.8:
        return list(rng.sample(range(100, 1000), count))
    places = rng.choice((1, 2))
    low = rng.choice((0, 0, -200)) if places == 2 else 0
    scale = 10**places
    return [f"{n / scale:.{places}f}" for n in rng.sample(range(low, 500), count)]


def draw_pair(rng: random.Random) -> tuple[int | str, int | str]:
    """Draw two different numbers to compare; four of five pairs are below 100, many of them close."""
    if rng.random() < 0.2:
        first, second = draw_numbers(rng, 2)
        return first, second
    first = rng.randrange(100)
    near = rng.random() < 0.35
    second = first + rng.choice((-1, 1)) * rng.randint(1, 9) if near else rng.randrange(100)
    if second == first or not 0 <= second < 100:
        second = (first + 50) % 100
    return first, second


COPY = (
    "[Copy|Repeat|Write|Say|Print|Give|Return] the number {n}[.|]",
    "[Copy|Repeat|Write down|Say back|Echo] this number: {n}",
    "[Copy|Repeat|Write] [this|exactly this]: {n}",
    "[The number is|Number:|Here is a number:|The value is|I wrote] {n}. [Copy it.|Repeat it.|"
    "Write it again.|What is the number?|Which number is it?|What number did I give?|Say it back.]",
    "[The|Today the|Now the] {thing} is {n}. What is the {thing}?",
    "The {thing} [was|is] {n}. [Write|Give|Tell me|Repeat|Copy] the {thing}[.| as a number.]",
    "{Thing}: {n}\n[Copy the number.|What is the {thing}?|Which number is shown?|Read it out.|"
    "What does it say?|{Thing}?]",
    "What is the {thing} [if|when] the [sensor|watch|display|screen|report] [shows|says] {n}?",
    "[Please |]read the number {n} [back to me|aloud|out|again].",
    "[Read|Find|Copy|Take] the number [in|from] this [text|sentence|line]: the {thing} is {n}.",
    "{n}\n[Copy|Repeat|Write the number above.|What number is above?|Same again.]",
    "The [sensor|device|watch|display] [shows|reads|gives|reports] {n}. [What does it "
    "[show|read|say]?|Which number?|What is the value?|Copy the value.]",
    "[{n}|This: {n}|We have {n}|There is {n}|It says {n}|You see {n}|My number is {n}|{n} is what I "
    "[see|read|have]|{n} is the [value|result|next one]|They told me {n}|Somebody wrote {n}|Note {n}|"
    "Remember {n}|Take {n}|First comes {n}|And then {n}][.|.|!| ...] [Your turn.|Repeat, please.|What "
    "did I say?|Say that number.|Now repeat it.|What was it?|Tell me what it was.|Give it back.|Which "
    "was it?|Write just the number.|Answer with the number.|Now write it.|You say it too.|Say it "
    "again.|And you?|Please repeat.|State it.|Which number was that?]",
    "[Can|Could|Will|Would] you [please |][repeat|copy|say|write|state|give me|read] [the [number|value]"
    " |]{n}[ for me| once more| again|]?",
    "[I want you to|You should|You must|Please] [repeat|copy|say|write down|state|echo] [the [number|"
    "value|figure] |]{n}[ for me| once more| exactly as it is|][.|!|]",
    "[Yesterday's|This morning's|The last|Her|His|Our|My|The latest|The second] {thing} [was|came to|"
    "stood at|read] {n}. [State it.|Repeat it.|What was it?|What was the {thing}?|Name the {thing}.|How "
    "much was it?|Say how much.|Tell me the {thing}.|Give the number.]",
)


def copy(rng: random.Random) -> Conversation:
    """Ask for one number back."""
    spaced = rng.random() < 0.5
    number = rng.randrange(100, 1000) if rng.random() < 0.5 else draw_number(rng)
    thing = rng.choice(THINGS_MEASURED)
    written = write_number(number, spaced)
    values = {"n": written, "thing": thing, "Thing": sentence(thing)}
    question = say(rng, rng.choice(COPY), **values)
    if rng.random() < 0.12:
        question += say(rng, " Answer [in|with] a [full |whole |]sentence.")
        return ask(question, say(rng, "The [number|value] is {n}.", n=written))
    return ask(question, written)


def rounding(rng: random.Random) -> Conversation:
    """Ask for a number rounded, halves up, to a whole number or to tens."""
    spaced = rng.random() < 0.5
    if rng.random() < 0.7:
        number = f"{rng.randrange(1, 1000) / 10:.1f}"
        words = "[Round {n} to a whole number.|Round {n} to the nearest whole number.|What is {n} rounded to a whole number?|{n} is about which whole number?]"
        answer = Decimal(number).quantize(Decimal(1), ROUND_HALF_UP)
    else:
        number = str(rng.randrange(1, 1000))
        words = "[Round {n} to tens.|Round {n} to the nearest ten.|What is {n} rounded to tens?]"
        answer = Decimal(number) / 10
        answer = answer.quantize(Decimal(1), ROUND_HALF_UP) * 10
    question = say(rng, words, n=write_number(number, spaced))
    return ask(question, write_number(int(answer), spaced))


def small_sum(rng: random.Random) -> Conversation:
    """Ask for a sum or a difference of small numbers."""
    spaced = rng.random() < 0.5
    a, b = rng.randrange(50), rng.randrange(20)
    plus = rng.random() < 0.6 or b > a
    words = (
        "[What is {a} plus {b}?|{a} + {b} =|Add {a} and {b}.|How much is {a} + {b}?]"
        if plus
        else "[What is {a} minus {b}?|{a} - {b} =|Take {b} from {a}.|How much is {a} - {b}?]"
    )
    question = say(rng, words, a=write_number(a, spaced), b=write_number(b, spaced))
    return ask(question, write_number(a + b if plus else a - b, spaced))


MAKERS = (
    (26, copy),
    (3, rounding),
    (3, small_sum),
)
