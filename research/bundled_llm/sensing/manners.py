"""Greetings, answers in a set form, and saying that one does not know."""
# ruff: noqa: E501  (a template is read best in one line)

import random

from research.bundled_llm.sensing.phrase import Conversation, ask, say, sentence
from research.bundled_llm.sensing.words import ACTIVITIES, PEOPLE, THINGS, label_set

_GREETINGS = (
    ("[Hello|Hi|Hey|Good day|Hello there|Hi there][!|.|]", "[Hello! How can I help you?|Hello!|Hi! What can I do for you?]"),
    ("Good [morning|evening|afternoon][!|.]", "Hello! How can I help you?"),
    ("[Thank you|Thanks|Thanks a lot|Thank you very much][!|.]", "[You are welcome.|You're welcome!|Glad to help.]"),
    ("[Bye|Goodbye|See you|Good night][!|.]", "[Goodbye!|Bye! Have a nice day.|Goodbye, take care.]"),
    ("How are you[?| today?]", "[I am fine, thank you. How can I help?|I am well, thank you.]"),
    ("[Who are you?|What are you?|What is your name?]", "I am a small language model. I can read short texts and sensor signals."),
    ("[What can you do?|How can you help me?]", "I can answer short questions, pick labels, read numbers and describe sensor signals."),
    ("[Are you a human?|Are you a person?|Are you real?]", "No, I am a language model."),
    ("[Can you help me?|I need help.|Will you help me?]", "Yes. What is your question?"),
    ("[Ok|Okay|Fine|Good|Great][.|!|]", "[Good. What else can I do?|Is there anything else?]"),
    ("[I am|I'm] [tired|sleepy].", "Then a rest or a good night's sleep will help."),
    ("[I am|I'm] [sad|unhappy].", "I am sorry to hear that. Do you want to talk about it?"),
    ("[I am|I'm] [happy|glad].", "That is good to hear."),
    ("[I am|I'm] hungry.", "Then it is time to eat something."),
    ("[I am|I'm] [ill|not well].", "I am sorry. Please see a doctor if it does not get better."),
    ("[You are wrong.|That is wrong.]", "I am sorry. Please tell me more."),
    ("[Are you a doctor?|Can you replace a doctor?]", "No. For questions about your health, please ask a doctor."),
)  # fmt: skip
_TRAITS = (
    ("age", "How old is {who}?", "{who} is {n} years old."),
    ("heart rate", "What is {whose} heart rate?", "The heart rate of {who} is {n} beats per minute."),
    ("height", "How tall is {who}?", "{who} is {n} centimetres tall."),
    ("home", "Where does {who} live?", "{who} lives in {place}."),
    ("job", "What is {whose} job?", "{who} works as a {job}."),
    ("activity", "What is {who} doing?", "{who} is {activity}."),
    ("food", "What does {who} eat?", "{who} eats {food}."),
    ("sleep", "How long did {who} sleep?", "{who} slept {h} hours."),
)  # fmt: skip
_JOBS = ("doctor", "nurse", "teacher", "farmer", "baker", "pilot", "sailor", "painter", "singer")
_PLACES = ("Paris", "London", "Rome", "Berlin", "Tokyo", "Cairo", "Delhi", "Lima", "Oslo", "Madrid")
_FOODS = ("bread", "rice", "soup", "an apple", "a banana", "cheese", "fish", "cake", "salad")
_DOING = ("walking", "running", "sitting", "sleeping", "reading", "eating", "cooking", "swimming")
_UNKNOWN = (
    "[I don't know.|I don't know. The text does not say.|I don't know; it is not stated.|"
    "I don't know. I was not told.]"
)


def greeting(rng: random.Random) -> Conversation:
    """Greet, thank, part, ask who is there."""
    words, answer = rng.choice(_GREETINGS)
    return ask(say(rng, words), say(rng, answer))


def traits(rng: random.Random) -> Conversation:
    """Tell things about people and ask for one: half of the time for one that was not told."""
    names = rng.sample([name for name in PEOPLE if name[0].isupper()], 2)
    told = {}
    for name in names:
        for key, words, answer in rng.sample(_TRAITS, rng.choice((1, 2))):
            told[name, key] = (words, sentence(_fill(rng, answer, name, key)))
    context = " ".join(answer for _, answer in told.values())
    if rng.random() < 0.5:
        (name, _), (words, answer) = rng.choice(list(told.items()))
    else:
        absent = [(n, t) for n in names for t in _TRAITS if (n, t[0]) not in told]
        name, (_, words, _) = rng.choice(absent)
        answer = say(rng, _UNKNOWN)
    return ask(f"{context} {words.format(who=name, whose=name + chr(39) + 's')}", answer)


def _fill(rng: random.Random, answer: str, name: str, key: str) -> str:
    low, high = {"age": (5, 90), "heart rate": (50, 170), "height": (110, 199)}.get(key, (1, 9))
    return answer.format(
        who=name, n=rng.randint(low, high), place=rng.choice(_PLACES), job=rng.choice(_JOBS),
        activity=rng.choice(_DOING), food=rng.choice(_FOODS), h=rng.randint(4, 10),
    )  # fmt: skip


def nothing_told(rng: random.Random) -> Conversation:
    """Ask for what nobody can know without being told."""
    words = rng.choice(
        (
            "[What is my heart rate?|How fast does my heart beat?]",
            "[What am I doing [now|]?|Which activity is it now?]",
            "[How old am I?|What is my name?|Where do I live?|What did I eat today?]",
            "[How many steps did I take today?|How did I sleep?|How long did I sleep?]",
            "[What is the label?|Which label is right?] No signal is given.",
            "What is the [temperature|weather] [here|outside]?",
            "[What number am I thinking of?|What will happen tomorrow?|Who called me yesterday?]",
            "[What does the sensor show?|What is the value?] Nothing was recorded.",
        )
    )
    return ask(say(rng, words), say(rng, _UNKNOWN))


def not_listed(rng: random.Random) -> Conversation:
    """List labels and give no hint, or a label that is not among them."""
    labels = label_set(rng, rng.randint(2, 5))
    listed = ", ".join(labels)
    words = (
        "Labels: {all}. [No signal was recorded.|The sensor was off.|Nothing is known.|The signal is "
        "missing.] [Which label?|Which one is it?]"
    )
    return ask(say(rng, words, all=listed), "I don't know.")


def in_form(rng: random.Random) -> Conversation:
    """Answer in one word, in capitals, in a sentence, with yes or no, as the prompt says."""
    activity, who = rng.choice(ACTIVITIES), rng.choice(PEOPLE)
    fact = f"{sentence(who)} is {activity}."
    other = activity if rng.random() < 0.5 else rng.choice(ACTIVITIES)
    forms = (
        ("What is {w} doing? [Answer in one word.|One word.|Give the activity only.|Only the label.]",
         activity),
        ("What is {w} doing? [Answer in a sentence.|Use a full sentence.|Write one sentence.]", fact),
        ("What is {w} doing? [Use capital letters.|Answer in capitals.]", activity.upper()),
        ("What is {w} doing? Start [your answer |]with \"Activity:\".", f"Activity: {activity}"),
        ("Is {w} {o}? [Answer yes or no.|Yes or no?]", "yes" if other == activity else "no"),
        ("[Write|Answer] as JSON.", f'{{"activity": "{activity}"}}'),
        ("[Repeat the sentence.|Copy the sentence.|Say it again.]", fact),
    )  # fmt: skip
    words, answer = rng.choice(forms)
    asked = say(rng, words, w=who, o=other) if "{w}" in words else say(rng, words)
    return ask(f"{fact} {asked}", answer)


def words_asked(rng: random.Random) -> Conversation:
    """Copy a word or a list of words."""
    words = rng.sample(THINGS, rng.randint(1, 6))
    joined = ", ".join(words)
    template = "[Copy|Repeat|Say|Write] [this|the words|these words]: {all}"
    if len(words) == 1:
        template = "[Copy|Repeat|Say|Write] [this word|the word][: | ]{all}"
    return ask(say(rng, template, all=joined), joined)


MAKERS = (
    (18, greeting),
    (26, traits),
    (14, nothing_told),
    (10, not_listed),
    (22, in_form),
    (10, words_asked),
)
