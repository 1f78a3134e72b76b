"""Held-out questions for the bundled model: wordings that the text generator never uses.

The numbers themselves are no secret: a generator that draws from 100 to 999 has met them all. What
is held out is how they are asked for, and the words that serve as labels in `LABEL_WORDS`.
"""

import random
from dataclasses import dataclass

from research.bundled_llm.sensing.numbers import write_number
from research.bundled_llm.sensing.words import ACTIVITIES, STATES

LABEL_WORDS = (
    *("garlic", "palace", "rabbit", "candle", "pocket", "camera", "monkey", "potato", "ticket"),
    *("carpet", "island", "hammer", "engine", "lemon", "blanket", "temple", "salad", "rocket"),
    *("puzzle", "donkey", "shadow", "throat", "desert", "parrot", "helmet", "kettle", "elephant"),
)
LABEL_WORDINGS = (
    "Options are {all}. Someone told us it was {label}. Your pick?",
    "Use exactly one of these words: {all}. We noticed {label}. Which of them applies?",
    "Our list of classes holds {all}. The present one is {label}. Tell me the class.",
    "I have some labels, namely {all}. The note says {label}. Which label should I use?",
    "{all}: these are the labels. At the moment it must be {label}. Which label applies?",
    "The observer wrote {label}. Out of {all}, which label should be written down?",
)
DESCRIBED = (
    ("rhythmic swings, roughly two per second", "walking"),
    ("fast and hard steps, about three per second", "running"),
    ("resting on a chair without moving", "sitting"),
    ("flat on a mattress, looking at the ceiling", "lying"),
    ("going up the stairs to the next floor", "walking upstairs"),
    ("going down the stairs to the cellar", "walking downstairs"),
    ("turning the pedals of a bicycle", "cycling"),
    ("at night in bed with closed eyes", "sleeping"),
    ("arm strokes in the water", "swimming"),
    ("fingers quickly tapping a keyboard", "typing"),
    ("a cup moves to the mouth with water in it", "drinking"),
    ("a toothbrush moving near the mouth", "brushing teeth"),
    ("both hands on the wheel of a car", "driving"),
    ("a fast heart and sweaty skin while sitting still", "stress"),
    ("laughing at a film", "amusement"),
    ("a hard shock and then no movement at all", "fall"),
)
COPY_WORDINGS = (
    "Please copy out the number {n} exactly.",
    "Tell me the number you see here: {n}.",
    "Today's count was {n}. State the count.",
    "{n} is the number. Now you say it.",
    "The meter stood at {n}. What did the meter say?",
    "Here comes a number, {n}. Which number came?",
)
COMPARE_WORDINGS = (
    "Between {a} and {b}, which is the bigger one?",
    "Of the two numbers {a} and {b}, name the larger.",
    "Tell me which number is the larger: {a} or {b}.",
    "We have {a} and we have {b}. Which of the two is greater?",
    "Which of {a} and {b} is the higher number?",
)
YES_NO_WORDINGS = (
    "Would you say that {a} is larger than {b}? Yes or no?",
    "Is it right that {a} is bigger than {b}? Yes or no?",
    "Can you tell me if {a} is greater than {b}? Yes or no?",
)
CONTINUE_WORDINGS = (
    "The row goes {list}. Which number comes after that?",
    "Which number would follow {list}?",
    "Counting on: {list}. What is next?",
    "I wrote {list}. Write the next number, please.",
)
UNKNOWN_WORDINGS = (
    "Peter has a cat. What colour is his car?",
    "The window is 5 seconds long. What is the temperature of the room?",
    "Kate is 30 years old. Which town does Kate come from?",
    "The person is walking. What is the name of the person?",
    "The heart rate is 71 beats per minute. How old is the patient?",
    "John works as a cook. How tall is John?",
    "What did I have for breakfast this morning?",
    "The sensor was switched off all day. How many steps did I take?",
    "Jane sleeps. What is the heart rate of Jane?",
    "What is the heart rate of my brother?",
)


@dataclass(frozen=True, kw_only=True)
class Item:
    """One question, its right answer, and the answers to choose from if they are named."""

    prompt: str
    answer: str
    options: tuple[str, ...] = ()


def label_items(seed: int = 0, count: int = 300) -> list[Item]:
    """Name two to six labels and the right one: activities, states, held-out words in turn."""
    rng = random.Random(seed)
    items = []
    for n in range(count):
        labels = rng.sample((ACTIVITIES, STATES, LABEL_WORDS)[n % 3], rng.randint(2, 6))
        label, wording = rng.choice(labels), rng.choice(LABEL_WORDINGS)
        prompt = wording.format(all=", ".join(labels), label=label)
        items.append(Item(prompt=prompt, answer=label, options=tuple(labels)))
    return items


def description_items(seed: int = 0, count: int = 160) -> list[Item]:
    """Describe what is seen, and name the right label and one to three others."""
    rng = random.Random(seed)
    still = {"sitting", "lying", "sleeping"}
    items = []
    for n in range(count):
        words, label = DESCRIBED[n % len(DESCRIBED)]
        others = [o for _, o in DESCRIBED if o != label and not {o, label} <= still]
        labels = [label, *rng.sample(others, rng.randint(1, 3))]
        rng.shuffle(labels)
        prompt = f"Possible answers are {', '.join(labels)}. We saw {words}. Which answer fits?"
        items.append(Item(prompt=prompt, answer=label, options=tuple(labels)))
    return items


def copy_items(spaced: bool, seed: int = 0, count: int = 300) -> list[Item]:
    """Give a number of three digits to be said back."""
    rng = random.Random(seed)
    items = []
    for _ in range(count):
        number = rng.randrange(100, 1000)
        wording = rng.choice(COPY_WORDINGS)
        prompt = wording.format(n=write_number(number, spaced))
        items.append(Item(prompt=prompt, answer=str(number)))
    return items


def compare_items(spaced: bool, seed: int = 0, count: int = 300) -> list[Item]:
    """Give two different whole numbers below 100; the larger one is the answer."""
    rng = random.Random(seed)
    items = []
    for _ in range(count):
        a, b = rng.sample(range(100), 2)
        wording = rng.choice(COMPARE_WORDINGS)
        prompt = wording.format(a=write_number(a, spaced), b=write_number(b, spaced))
        items.append(Item(prompt=prompt, answer=str(max(a, b)), options=(str(a), str(b))))
    return items


def yes_no_items(seed: int = 0, count: int = 200) -> list[Item]:
    """Ask whether one of two numbers below 100 is the larger; half of the answers are yes."""
    rng = random.Random(seed)
    items = []
    for n in range(count):
        low, high = sorted(rng.sample(range(100), 2))
        a, b = (high, low) if n % 2 else (low, high)
        prompt = rng.choice(YES_NO_WORDINGS).format(a=a, b=b)
        items.append(Item(prompt=prompt, answer="yes" if a > b else "no", options=("yes", "no")))
    return items


def continue_items(spaced: bool, seed: int = 0, count: int = 200) -> list[Item]:
    """Give four or five numbers with equal steps of 1, 2, 5 or 10; the next one is the answer."""
    rng = random.Random(seed)
    items = []
    for _ in range(count):
        step, start, length = rng.choice((1, 2, 5, 10)), rng.randrange(40), rng.choice((4, 5))
        row = [start + step * n for n in range(length + 1)]
        joint = " , " if spaced else ", "
        listed = joint.join(write_number(n, spaced) for n in row[:-1])
        prompt = rng.choice(CONTINUE_WORDINGS).format(list=listed)
        items.append(Item(prompt=prompt, answer=str(row[-1])))
    return items


_THINGS = (
    *("bread", "the moon", "a dog", "rain", "a bicycle", "the sea", "music", "a school", "milk"),
    *("a doctor", "winter", "a train", "paper", "the sun", "sleep", "a city", "sugar", "a friend"),
    *("football", "a garden", "water", "a computer", "the heart", "a horse", "time"),
)
_EVERYDAY = (
    "What is {}?",
    "Tell me something about {}.",
    "Why do people like {}?",
    "Can you explain {} in one sentence?",
    "Where can I find {}?",
)


def everyday_questions() -> list[str]:
    """List more than a hundred everyday questions, to see whether answers come to an end."""
    return [words.format(thing) for thing in _THINGS for words in _EVERYDAY]
