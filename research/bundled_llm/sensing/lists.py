"""Lists of numbers: copying, selecting, the trend, going on, sorting."""

# ruff: noqa: E501  (a template is read best in one line)

import random
from collections.abc import Callable, Sequence

from research.bundled_llm.sensing.numbers import draw_numbers, write_list, write_number
from research.bundled_llm.sensing.phrase import Conversation, ask, say


def copy_list(rng: random.Random) -> Conversation:
    """Ask for a whole list of numbers or words back, or for one place in it."""
    spaced = rng.random() < 0.5
    listed = write_list(rng, draw_numbers(rng, rng.randint(2, 7)), spaced)
    template = rng.choice(
        (
            "[Copy|Repeat|Write out|Say back] [this list|the list|these numbers][:|: ] {list}",
            "[Numbers|Values|Readings|List|Data]: {list}\n[Copy the list.|Repeat them.|"
            "Write the same numbers.|Copy all of them.]",
            "[The values are|I measured|The sensor gave] {list}. [Repeat the values.|Copy them.|"
            "Write them again.]",
        )
    )
    return ask(say(rng, template, list=listed).replace(":  ", ": "), listed)


SELECT: dict[str, tuple[str, Callable[[Sequence[int | str]], int | str]]] = {
    "largest": (
        "[What is the [largest|highest|biggest|greatest] [number|value]?|Which [number |value |]is "
        "[the |][largest|highest|biggest]?|Give the [maximum|largest value|highest number].|Maximum?]",
        lambda numbers: max(numbers, key=float),
    ),
    "smallest": (
        "[What is the [smallest|lowest] [number|value]?|Which [number |value |]is "
        "[the |][smallest|lowest]?|Give the [minimum|smallest value|lowest number].|Minimum?]",
        lambda numbers: min(numbers, key=float),
    ),
    "first": (
        "[What is the first [number|value]?|Which [number|value] [comes|is] first?|"
        "Give the first [number|one].|How does the list start?|First?]",
        lambda numbers: numbers[0],
    ),
    "last": (
        "[What is the [last|final] [number|value]?|Which [number|value] [comes|is] last?|"
        "Give the last [number|one].|How does the list end?|Last?]",
        lambda numbers: numbers[-1],
    ),
    "second": (
        "[What is the second [number|value]?|Which [number|value] [comes|is] second?|Second?]",
        lambda numbers: numbers[1],
    ),
    "count": (
        "[How many [numbers|values] are [there|in the list]?|Count the [numbers|values].|"
        "How long is the list?]",
        len,
    ),
}
LIST = (
    "[Numbers|Values|Readings|List|Data|Measurements|Samples|Signal]: {list}[\n|. ]{q}",
    "[Here are some numbers|Look at this list|Read these values|These are the readings]: {list}."
    " {q}",
    "[The sensor gave|I measured|We recorded|My watch shows] {list}. {q}",
    "{q} {list}",
    "{q}\n{list}",
)


def select(rng: random.Random) -> Conversation:
    """Ask one to three things about one list: its largest, smallest, first, last, its length."""
    spaced = rng.random() < 0.5
    numbers = draw_numbers(rng, rng.randint(2, 8))
    names = rng.sample(list(SELECT), rng.choice((1, 1, 2, 3)))
    conversation: Conversation = []
    for name in names:
        words, answer = SELECT[name]
        question = say(rng, words)
        if not conversation:
            listed = write_list(rng, numbers, spaced)
            question = say(rng, rng.choice(LIST), list=listed, q=question)
        conversation += ask(question, write_number(answer(numbers), spaced and name != "count"))
    return conversation


def trend(rng: random.Random) -> Conversation:
    """Ask whether a list rises, falls or stays the same."""
    spaced = rng.random() < 0.5
    count = rng.randint(3, 7)
    kind = rng.choice(("rising", "falling", "steady"))
    numbers = sorted(draw_numbers(rng, count), key=float, reverse=kind == "falling")
    if kind == "steady":
        numbers = [numbers[0]] * count
    words = rng.choice((("rising", "falling", "steady"), ("up", "down", "flat"),
                        ("increasing", "decreasing", "constant")))  # fmt: skip
    options = dict(zip(("rising", "falling", "steady"), words, strict=True))
    named = dict(zip("rfs", rng.sample(words, 3), strict=True))
    question = say(
        rng,
        "[Are the [numbers|values]|Is the [list|signal|series]|Which word fits:|Trend:] "
        "{r}, {f} or {s}?",
        **named,
    )
    listed = write_list(rng, numbers, spaced)
    return ask(say(rng, rng.choice(LIST), list=listed, q=question), options[kind])


def go_on(rng: random.Random) -> Conversation:
    """Ask for the next number, or the next three, of a list with equal steps."""
    spaced = rng.random() < 0.5
    step = rng.choice((1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 5, 10, 10, 20, 100))
    count = rng.randint(3, 6)
    start = rng.randrange(0, 60) if rng.random() < 0.8 else rng.randrange(60, 700)
    numbers = [start + step * n for n in range(count + 3)]
    if rng.random() < 0.3:
        numbers.reverse()
    shown, rest = numbers[:count], numbers[count:]
    ahead = 1 if rng.random() < 0.7 else 3
    one = "[What comes next?|Which number comes next?|What is the next number?|Continue.|Next number?|Go on with one number.]"
    three = "[Give the next three numbers.|Write three more numbers.|Continue with three numbers.]"
    listed = write_list(rng, shown, spaced)
    template = rng.choice(
        (
            "{list}[\n| ... ]{q}",
            "[List|Numbers|Sequence]: {list}[\n|. ]{q}",
            "[Look at this list|Here is a row of numbers]: {list}. {q}",
            "{q} {list}",
        )
    )
    question = say(rng, template, list=listed, q=say(rng, one if ahead == 1 else three))
    separator = " , " if spaced else ", "
    return ask(question, separator.join(write_number(n, spaced) for n in rest[:ahead]))


def order(rng: random.Random) -> Conversation:
    """Ask for a short list sorted."""
    spaced = rng.random() < 0.5
    numbers = draw_numbers(rng, rng.randint(2, 5))
    down = rng.random() < 0.35
    words = (
        "[Sort from [large to small|high to low].|Put the largest first.|Sort in falling order.]"
        if down
        else "[Sort from [small to large|low to high].|Put the smallest first.|Sort the numbers.]"
    )
    listed = write_list(rng, numbers, spaced)
    ordered = sorted(numbers, key=float, reverse=down)
    separator = " , " if spaced else ", "
    answer = separator.join(write_number(n, spaced) for n in ordered)
    return ask(say(rng, rng.choice(LIST), list=listed, q=say(rng, words)), answer)


MAKERS = (
    (6, copy_list),
    (14, select),
    (5, trend),
    (9, go_on),
    (3, order),
)
