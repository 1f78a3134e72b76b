"""Minimal pairs: two sentences that differ in one place, of which one is grammatical.

The list is made from templates of our own in the manner of BLiMP: ten phenomena, simple words,
`PAIRS_A_PHENOMENON` pairs each, the same at every call.
"""

# ruff: noqa: E501  (a table of words is read best in one line)

import random
from collections.abc import Callable
from dataclasses import dataclass

PAIRS_A_PHENOMENON = 50
SEED = 20

NOUNS = (
    *(
        ("boy", "boys"),
        ("girl", "girls"),
        ("dog", "dogs"),
        ("cat", "cats"),
        ("teacher", "teachers"),
    ),
    *(("doctor", "doctors"), ("farmer", "farmers"), ("bird", "birds"), ("horse", "horses")),
    *(("student", "students"), ("friend", "friends"), ("child", "children"), ("man", "men")),
    *(("woman", "women"), ("king", "kings"), ("nurse", "nurses"), ("player", "players")),
)
OBJECTS = (
    *(
        ("book", "books"),
        ("car", "cars"),
        ("house", "houses"),
        ("apple", "apples"),
        ("cup", "cups"),
    ),
    *(("tree", "trees"), ("ball", "balls"), ("picture", "pictures"), ("letter", "letters")),
    *(("table", "tables"), ("song", "songs"), ("box", "boxes"), ("flower", "flowers")),
)
# base, third person, past, participle, -ing
VERBS = (
    *(("see", "sees", "saw", "seen", "seeing"), ("take", "takes", "took", "taken", "taking")),
    *(("give", "gives", "gave", "given", "giving"), ("know", "knows", "knew", "known", "knowing")),
    *(("write", "writes", "wrote", "written", "writing"), ("eat", "eats", "ate", "eaten", "eating")),
    *(("choose", "chooses", "chose", "chosen", "choosing"), ("break", "breaks", "broke", "broken", "breaking")),
    *(("draw", "draws", "drew", "drawn", "drawing"), ("show", "shows", "showed", "shown", "showing")),
)  # fmt: skip
PLAIN_VERBS = ("work", "play", "sleep", "run", "sing", "live", "walk", "talk", "wait", "swim")
MALE = ("boy", "man", "king", "father", "brother", "uncle", "grandfather", "prince", "son")
FEMALE = (
    "girl",
    "woman",
    "queen",
    "mother",
    "sister",
    "aunt",
    "grandmother",
    "princess",
    "daughter",
)
REFLEXIVES = (
    *(("boy", "boys", "himself"), ("man", "men", "himself"), ("king", "kings", "himself")),
    *(("girl", "girls", "herself"), ("woman", "women", "herself"), ("queen", "queens", "herself")),
    *(("brother", "brothers", "himself"), ("sister", "sisters", "herself")),
)
PLACES = ("in the house", "near the river", "at school", "in the garden", "in the city", "at home")
ADJECTIVES = ("big", "old", "new", "small", "red", "good", "long", "nice")


@dataclass(frozen=True, kw_only=True)
class MinimalPair:
    """A grammatical sentence, and the same with one fault."""

    phenomenon: str
    good: str
    bad: str


Pair = tuple[str, str]


def subject_verb(rng: random.Random) -> Pair:
    """Let a verb agree with its subject: the dog runs, the dogs run."""
    one, many = rng.choice(NOUNS)
    verb, place = rng.choice(PLAIN_VERBS), rng.choice(PLACES)
    days = rng.choice(("every day", "every morning", "all day"))
    if rng.random() < 0.5:
        return f"The {one} {verb}s {place} {days}.", f"The {one} {verb} {place} {days}."
    return f"The {many} {verb} {place} {days}.", f"The {many} {verb}s {place} {days}."


def be_agreement(rng: random.Random) -> Pair:
    """Let a form of be or have agree with its subject, at times past a phrase in between."""
    noun, plural = rng.choice(NOUNS), rng.random() < 0.5
    between = rng.choice(("", "", f" with the {rng.choice(OBJECTS)[plural is False]}"))
    forms = rng.choice((("is", "are"), ("was", "were"), ("has", "have")))
    tail = "a long day" if forms[0] == "has" else rng.choice(PLACES)
    good, bad = forms[plural], forms[not plural]
    subject = f"The {noun[plural]}{between}"
    return f"{subject} {good} {tail}.", f"{subject} {bad} {tail}."


def determiner_noun(rng: random.Random) -> Pair:
    """Let a noun agree with this, these, that, those, a, many, one, two."""
    noun, plural = rng.choice(OBJECTS), rng.random() < 0.5
    word = rng.choice(
        ("these", "those", "many", "two", "several") if plural else ("this", "that", "one", "each")
    )
    subject, verb = rng.choice(NOUNS)[0], rng.choice(VERBS)[2]
    start = f"The {subject} {verb} {word}"
    return f"{start} {noun[plural]}.", f"{start} {noun[not plural]}."


def article(rng: random.Random) -> Pair:
    """Write an before a vowel and a before a consonant."""
    vowel = rng.random() < 0.5
    noun = rng.choice(
        ("apple", "orange", "egg", "animal", "island", "uncle", "idea", "artist", "airport")
        if vowel
        else ("book", "dog", "car", "tree", "house", "river", "doctor", "letter", "song")
    )
    start = f"The {rng.choice(NOUNS)[0]} {rng.choice(('saw', 'had', 'found', 'liked', 'wanted'))}"
    good, bad = ("an", "a") if vowel else ("a", "an")
    return f"{start} {good} {noun}.", f"{start} {bad} {noun}."


def anaphor_gender(rng: random.Random) -> Pair:
    """Let himself and herself agree with whom they stand for."""
    male = rng.random() < 0.5
    person = rng.choice(MALE if male else FEMALE)
    verb = rng.choice(("hurt", "saw", "helped", "washed", "loved", "dressed", "enjoyed", "taught"))
    good, bad = ("himself", "herself") if male else ("herself", "himself")
    tail = rng.choice(("", " yesterday", " again"))
    return f"The {person} {verb} {good}{tail}.", f"The {person} {verb} {bad}{tail}."


def anaphor_number(rng: random.Random) -> Pair:
    """Let themselves stand for many and himself or herself for one."""
    one, many, alone = rng.choice(REFLEXIVES)
    verb = rng.choice(("hurt", "saw", "helped", "washed", "loved", "enjoyed"))
    if rng.random() < 0.5:
        return f"The {many} {verb} themselves.", f"The {many} {verb} {alone}."
    return f"The {one} {verb} {alone}.", f"The {one} {verb} themselves."


def auxiliary(rng: random.Random) -> Pair:
    """Let the form of a verb fit its auxiliary: will see, has seen, is seeing."""
    base, third, past, participle, ing = rng.choice(VERBS)
    subject, thing = rng.choice(NOUNS)[0], rng.choice(OBJECTS)[0]
    word, good, bad = rng.choice(
        (("will", base, past if past != base else ing), ("can", base, third), ("has", participle, base),
         ("is", ing, base), ("must", base, ing), ("did not", base, past), ("had", participle, ing))
    )  # fmt: skip
    return f"The {subject} {word} {good} the {thing}.", f"The {subject} {word} {bad} the {thing}."


def word_order(rng: random.Random) -> Pair:
    """Keep the usual order: adjective before noun, object after verb, article first."""
    verb, subject = rng.choice(VERBS)[2], rng.choice(NOUNS)[0]
    thing, adjective = rng.choice(OBJECTS)[0], rng.choice(ADJECTIVES)
    good = f"The {subject} {verb} the {adjective} {thing}."
    bad = rng.choice(
        (
            f"The {subject} {verb} the {thing} {adjective}.",
            f"The {subject} the {adjective} {thing} {verb}.",
            f"The {subject} {verb} {adjective} the {thing}.",
            f"{subject.capitalize()} the {verb} the {adjective} {thing}.",
        )
    )
    return good, bad


def question_form(rng: random.Random) -> Pair:
    """Ask with the auxiliary before the subject, and the plain form after it."""
    verb, (one, many) = rng.choice(PLAIN_VERBS), rng.choice(NOUNS)
    where = rng.choice(("Where", "When", "Why", "How"))
    if rng.random() < 0.5:
        return f"{where} does the {one} {verb}?", f"{where} does the {one} {verb}s?"
    return f"{where} do the {many} {verb}?", f"{where} does the {many} {verb}?"


def pronoun_case(rng: random.Random) -> Pair:
    """Use I, he, she, we, they before the verb and me, him, her, us, them after it."""
    subject, object_ = rng.choice(
        (("I", "me"), ("He", "him"), ("She", "her"), ("We", "us"), ("They", "them"))
    )
    person, verb = rng.choice(NOUNS)[0], rng.choice(("saw", "helped", "liked", "found", "called"))
    if rng.random() < 0.5:
        return f"{subject} {verb} the {person}.", f"{object_.capitalize()} {verb} the {person}."
    subject = subject if subject == "I" else subject.lower()
    return f"The {person} {verb} {object_}.", f"The {person} {verb} {subject}."


PHENOMENA: dict[str, Callable[[random.Random], Pair]] = {
    "subject-verb agreement": subject_verb,
    "agreement of be and have": be_agreement,
    "determiner-noun agreement": determiner_noun,
    "a and an": article,
    "gender of reflexives": anaphor_gender,
    "number of reflexives": anaphor_number,
    "verb form after an auxiliary": auxiliary,
    "word order": word_order,
    "questions with do": question_form,
    "case of pronouns": pronoun_case,
}


def minimal_pairs() -> list[MinimalPair]:
    """Make the list: different pairs, the same at every call.

    >>> len(minimal_pairs()) == PAIRS_A_PHENOMENON * len(PHENOMENA)
    True
    """
    pairs = []
    for name, make in PHENOMENA.items():
        rng = random.Random(f"{SEED} {name}")
        different: dict[Pair, None] = {}
        while len(different) < PAIRS_A_PHENOMENON:
            different[make(rng)] = None
        pairs += [MinimalPair(phenomenon=name, good=good, bad=bad) for good, bad in different]
    return pairs
