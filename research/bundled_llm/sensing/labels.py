"""Picking the right label from a list named in the prompt."""
# ruff: noqa: E501  (a template is read best in one line)

import random

from research.bundled_llm.sensing.phrase import Conversation, ask, say, sentence
from research.bundled_llm.sensing.words import (
    ACTIVITIES,
    PEOPLE,
    STATES,
    arbitrary_label,
    label_set,
    series,
)

LISTED = (
    "[Labels|Options|Choices|Classes|Possible labels|Answers|Words|Categories]: {all}[.|\n| ]",
    "[Choose|Pick|Select] [one|one label|a label|one word] [from|out of|of] [this list: |]{all}[.|\n]",
    "[The [labels|options|classes] are|You may answer|It can be|It is one of] {all}[.|\n]",
    "[There are|You have|We use|I know|We know|Here are|Take] [only |][these|the following|the] [labels|"
    "words|classes|options|names][:| -|,] {all}[.|\n]",
    "{all} are [the [labels|words|options]|what you may say|all there is][.|\n]",
    "[Answer with|Use|Say|Write] [only |just |][one of|a word from] [these|the words]: {all}[.|\n]",
)
STATED = (
    "[The [person|man|woman|child|patient] is|He is|She is|This is|It is|It was|Here it is] {label}.",
    "The [label|answer|class|state|activity|right word|true label] [is|was|here is] {label}.",
    "[{Who} [is|was] {label}.|I [saw|see|mean|heard|want|think of] {label}.|We [found|saw] {label}.]",
    "[{Label} it is.|{Label}.|Now: {label}.|State: {label}.|Activity: {label}.|Seen: {label}.]",
    "[The window shows|The signal comes from|The sensor saw|The recording is of] {label}.",
    "[Right now|Today|This time|Just now|In this case|For this one] it [is|was|has to be|seems to be|"
    "will be] {label}.",
    "[Somebody|A friend|The nurse|The doctor|My sister|They|Everybody] [said|told me|reported|noted|"
    "thinks] [that it is|it is|it was] {label}.",
    "[The report|The diary|The file|The card|Her message|This line] [has|reads|mentions|names|gives] "
    "{label}.",
    "[I write|You wrote|The teacher wrote|He marked|She chose|We took|I noticed] {label}.",
)
WHICH = (
    "[Which label?|Which one?|Which [label|one|word|option] [fits|is right|is it|is correct]?]",
    "[What is the [label|class|answer]?|Label?|Name the label.|Give the label.|Answer:|Label:]",
    "[Pick [the label|one|the right one].|Choose [the label|one].|Which [class|option] is it?]",
    "[Say the [right|correct] [label|one|word].|So which one is it?|What is it?]",
    "[What should I write?|Say which.|Tell me which.|Your choice?|Which do you choose?|Which one do you "
    "take?|Tell me the [label|word].|What would you say?|Which of [these|the words] is it?|Your answer?]",
    "[Which [word|label|class] [must|should|do] I [take|write|say|choose]?|Now say it.|Which [label|word]"
    " is [meant|true|wanted]?|Name it.|What do you [write|pick|take]?]",
)
ARROW = ("->", "means", "is", "=", ":")

DESCRIPTIONS: dict[str, str] = {
    "walking": "[strong|steady|clear|regular] [rhythmic|even] swings about [twice a second|two times "
    "a second|1.8 times a second]|regular steps at a [calm|normal] pace|a step [every|each] half "
    "second|[moving|going] on foot at an easy speed|a stroll through the park",
    "running": "[very strong|large|hard] [swings|shocks] almost three times a second|fast steps with "
    "both feet off the ground|moving on foot as fast as [one can|possible]|hard fast steps|a race on "
    "foot",
    "jogging": "slow running|quick even steps with [strong|hard] shocks|running at an easy pace",
    "sitting": "[almost no|hardly any|very little] movement, [body upright|back upright] on a chair|"
    "[still|quiet], on a chair|resting on a [chair|bench|sofa]|seated and quiet",
    "standing": "[upright|on both feet] and [still|not moving]|on the feet without a step|"
    "waiting on both feet",
    "lying": "[flat|stretched out] on the [back|bed|floor]|the body is level and still|on the bed, "
    "awake and still",
    "walking upstairs": "[steps that lead up|going up the [steps|stairs]|climbing to the next floor]|"
    "walking up to the second floor|slow steps with the body rising",
    "walking downstairs": "[going down the [steps|stairs]|steps that lead down]|walking down to the "
    "cellar|steps with hard landings and the body sinking",
    "cycling": "[riding|pushing the pedals of] a bicycle|legs going round and round on pedals|"
    "a ride on two wheels",
    "sleeping": "[eyes closed, slow breath and slow heart|at night in bed, hardly moving for hours]|"
    "in bed with a slow even breath, not awake",
    "swimming": "[moving through water with arms and legs|arm strokes in the pool]",
    "driving": "[hands on the steering wheel of a car|small shakes of a car seat]",
    "eating": "[the hand goes from the plate to the mouth|chewing and swallowing food]",
    "drinking": "[a cup goes to the mouth|swallowing water]",
    "typing": "[fingers on a keyboard|quick small finger taps at a desk]",
    "writing": "[a pen moves over paper|small hand movements with a pen]",
    "brushing teeth": "[fast small strokes of the hand near the mouth|a toothbrush moves to and fro]",
    "clapping": "[both hands meet again and again|hands strike each other]",
    "stress": "[a fast heart, sweaty skin and tense muscles|heart rate up while sitting still before "
    "an exam|worried and tense]",
    "calm": "[slow heart, slow breath, dry skin|quiet and at ease]",
    "amusement": "[laughing at a funny film|smiling at jokes]",
    "meditation": "[eyes closed, awake, with a slow steady breath|sitting quietly and minding the "
    "breath]",
    "fall": "[a short hard shock, then no movement|suddenly down on the floor]",
    "high": "[far above the usual value|well over the limit]",
    "low": "[far below the usual value|well under the limit]",
    "rising": "[each value is above the one before|it goes up and up]",
    "falling": "[each value is below the one before|it goes down and down]",
    "steady": "[all values are the same|it does not change]",
}
_ALIKE = (
    {"running", "jogging"},
    {"sitting", "standing", "lying", "sleeping", "calm", "meditation"},
)


def _options(rng: random.Random) -> tuple[list[str], str]:
    labels = label_set(rng, rng.choice((2, 2, 3, 3, 4, 5, 6, 7)))
    return labels, rng.choice(labels)


def _listed(rng: random.Random, labels: list[str]) -> str:
    text = say(rng, rng.choice(LISTED), all=series(rng, labels))
    return text if text[-1] in " \n" else text + rng.choice((" ", " ", "\n"))


def named(rng: random.Random) -> Conversation:
    """List labels, say which it is, ask for the label."""
    labels, label = _options(rng)
    who = sentence(rng.choice(PEOPLE))
    stated = say(rng, rng.choice(STATED), label=label, Label=sentence(label), Who=who)
    which = say(rng, rng.choice(WHICH))
    listed = _listed(rng, labels)
    shape = rng.random()
    if shape < 0.6:
        return ask(f"{listed}{stated} {which}", label)
    if shape < 0.75:
        return ask(f"{stated} {listed}{which}", label)
    if shape < 0.9:
        return ask(f"{stated} {which} {listed}".strip(), label)
    system = listed.strip()
    return [{"role": "system", "content": system}, *ask(f"{stated} {which}".strip(), label)]


def described(rng: random.Random) -> Conversation:
    """Describe an activity or a state, ask which label of a list fits."""
    label = rng.choice(list(DESCRIPTIONS))
    alike = set().union(*(group for group in _ALIKE if label in group), {label})
    others = [name for name in DESCRIPTIONS if name not in alike]
    labels = [label, *rng.sample(others, rng.choice((1, 1, 2, 2, 3, 4)))]
    rng.shuffle(labels)
    words = say(rng, f"[{DESCRIPTIONS[label]}]")
    lead = say(
        rng,
        "[[Description|Seen|Text|Signal|Report|Note]: {d}.|{D}.|What we saw: {d}.]",
        d=words, D=sentence(words),
    )  # fmt: skip
    which = say(rng, rng.choice(WHICH))
    if rng.random() < 0.7:
        return ask(f"{_listed(rng, labels)}{lead} {which}", label)
    return ask(f"{lead} {which} {_listed(rng, labels)}".strip(), label)


def by_place(rng: random.Random) -> Conversation:
    """Ask for the first, second, third or last word of a list of words."""
    labels = label_set(rng, rng.randint(3, 6))
    place = rng.choice(("first", "second", "third", "last"))
    at = {"first": 0, "second": 1, "third": 2, "last": -1}[place]
    question = say(
        rng,
        "[[Labels|Words|List|Options]: {all}[. |\n]What is the {place} [label|word|one]?|"
        "[Give|Name|Write] the {place} [word|one] of: {all}]",
        all=", ".join(labels), place=place,
    )  # fmt: skip
    return ask(question, labels[at])


def by_key(rng: random.Random) -> Conversation:
    """Give pairs such as "red means walking", then ask for what one of them stands for."""
    count = rng.choice((2, 2, 3, 3, 4, 5))
    keys = [str(k) for k in rng.sample(range(1, 30), count)] if rng.random() < 0.3 else []
    if not keys:
        keys = list("ABCDEF"[:count]) if rng.random() < 0.25 else label_set(rng, count)
    labels = [label for label in label_set(rng, count + 6) if label not in keys][:count]
    arrow = rng.choice(ARROW)
    joint = ": " if arrow == ":" else f" {arrow} "
    pairs = [f"{key}{joint}{label}" for key, label in zip(keys, labels, strict=False)]
    at = rng.randrange(len(pairs))
    end = rng.choice((", ", "; ", ". ", "\n"))
    tail = say(
        rng,
        "[[Now|Given|Seen|Signal|Input|You see]: {k}|What does {k} [mean|stand for]?|And {k}?|{k}?]",
        k=keys[at],
    )
    return ask(f"{end.join(pairs)}{'' if end == chr(10) else '.'}\n{tail}", labels[at])


def by_letter(rng: random.Random) -> Conversation:
    """Give lettered options; ask for the letter, or for the word behind one."""
    labels, label = _options(rng)
    labels = labels[:6] if label in labels[:6] else [label]
    letters = "ABCDEF"[: len(labels)] if rng.random() < 0.7 else "123456"[: len(labels)]
    mark = rng.choice((")", ".", ":"))
    options = rng.choice(("\n", " ", ", ")).join(
        f"{letter}{mark} {name}" for letter, name in zip(letters, labels, strict=True)
    )
    letter = letters[labels.index(label)]
    if rng.random() < 0.6:
        stated = say(rng, rng.choice(STATED[:2]), label=label)
        kind = "letter" if letter.isalpha() else "number"
        tail = say(
            rng, "[Which {k}?|Give the {k}.|Answer with the {k}.|{K}?]", k=kind, K=sentence(kind)
        )
        return ask(f"{options}\n{stated} {tail}", letter)
    return ask(f"{options}\n" + say(rng, "[What|Which label] is {x}?", x=letter), label)


def excluded(rng: random.Random) -> Conversation:
    """Rule out all labels but one."""
    labels = label_set(rng, rng.choice((2, 2, 3)))
    label, *wrong = labels
    rng.shuffle(labels)
    ruled_out = " and ".join(f"not {name}" for name in wrong)
    template = "{all}It is {out}. {which}"
    which = say(rng, rng.choice(WHICH))
    return ask(template.format(all=_listed(rng, labels), out=ruled_out, which=which).strip(), label)


def in_the_list(rng: random.Random) -> Conversation:
    """Ask whether a word is in a list."""
    labels = label_set(rng, rng.randint(2, 6))
    inside = rng.random() < 0.5
    word = rng.choice(labels) if inside else arbitrary_label(rng)
    question = say(
        rng,
        "[List|Labels|Words|Options]: {all}[. |\n][Is {w} in the list?|Does the list hold {w}?|"
        "Is there {w}?|Is {w} one of them?]",
        all=", ".join(labels), w=word,
    )  # fmt: skip
    return ask(question, "yes" if word in labels else "no")


def examples(rng: random.Random) -> Conversation:
    """Give worked examples of inputs and labels, then one of the inputs again."""
    labels = label_set(rng, rng.choice((2, 3)))
    inputs = [", ".join(str(rng.randrange(100)) for _ in range(3)) for _ in labels]
    if rng.random() < 0.5:
        inputs = [str(rng.randrange(100, 1000)) for _ in labels]
    if len(set(inputs)) < len(inputs):
        return named(rng)
    first, second = rng.choice((("Input", "Label"), ("Signal", "Activity"), ("Values", "Answer")))
    lines = [f"{first}: {i}\n{second}: {label}" for i, label in zip(inputs, labels, strict=True)]
    at = rng.randrange(len(labels))
    return ask("\n".join([*lines, f"{first}: {inputs[at]}\n{second}:"]), labels[at])


SHORT = (
    "{Who} [is|was] {label}. Activity?",
    "[Now|Today|Here]: {label}. Activity?",
    "{Label}. [Label?|State?|Class?]",
    "[State|Activity|Label|Class]: {label}. [State|Activity|Label|Class]?",
    "[The signal|The window|The sensor] says {label}. [Activity?|Label?|Class?|State?]",
)


def short(rng: random.Random) -> Conversation:
    """Answer a prompt of a word or two with a label, and end the turn."""
    if rng.random() < 0.8:
        label = rng.choice(ACTIVITIES if rng.random() < 0.7 else STATES)
        who = sentence(rng.choice(PEOPLE))
        return ask(say(rng, rng.choice(SHORT), label=label, Label=sentence(label), Who=who), label)
    question = say(rng, "[Activity|State|Label|Class|What activity|Which activity|What is it]?")
    return ask(question, rng.choice(ACTIVITIES[:16]))


MAKERS = (
    (40, named),
    (16, described),
    (7, by_place),
    (12, by_key),
    (6, by_letter),
    (4, excluded),
    (5, in_the_list),
    (4, examples),
    (10, short),
)
