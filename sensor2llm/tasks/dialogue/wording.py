"""A typed question as plain words: contractions written out, spelling mended, cut at each "and".

>>> plain_words("Isn't he stting??", {"sitting"})
'is not he sitting'
>>> split_parts("whats he doing and how fast are the steps")
('whats he doing', 'how fast are the steps')
"""

import re
from collections.abc import Collection
from difflib import get_close_matches

CONTRACTIONS = {
    "whats": "what is", "wheres": "where is", "whos": "who is", "hows": "how is",
    "hes": "he is", "shes": "she is", "theyre": "they are", "im": "i am", "thats": "that is",
    "isnt": "is not", "arent": "are not", "wasnt": "was not", "doesnt": "does not",
    "didnt": "did not", "dont": "do not", "cant": "can not", "hasnt": "has not",
    "wouldnt": "would not", "couldnt": "could not", "aint": "is not",
    "r": "are", "u": "you", "pls": "please", "plz": "please", "rn": "now", "hr": "heart rate",
    "afib": "atrial fibrillation", "af": "atrial fibrillation", "wich": "which", "teh": "the",
    "whta": "what", "wat": "what", "2nd": "second", "1st": "first",
    "twenty": "20", "thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "seventy": "70",
    "eighty": "80", "ninety": "90", "hundred": "100",
}  # fmt: skip
CLITICS = (("n't", " not"), ("'s", " is"), ("'re", " are"), ("'m", " am"), ("'ll", " will"),
           ("'ve", " have"), ("'d", " would"))  # fmt: skip
POSSESSIVE = re.compile(r"\b(person|wearer|patient|subject|user|mother|father|dad|mum|one)'s\b")
SHORTEST_MENDED = 5
LIKENESS = 0.84
"""Share of a word's letters, in order, that it has in common with the word it was meant to be."""
_REAL_WORDS = """
talking waking working string stating started states standard signing singing still staying lines
lively living ruining wearing steeps shaking climate sleep sleeping setting seeing saying stopping
sensing stuff staff sting stand lying laying strong
"""
REAL_WORDS = frozenset(_REAL_WORDS.split())
"""Words that are near to one that is looked for, and are no misspelling of it."""


def plain_words(text: str, words: Collection[str] = ()) -> str:
    """Give a question in lower case without marks, contractions written out.

    Args:
        text: as typed.
        words: a word of five letters or more that is none of these, and near to one of them with
            the same first letter, is taken for it.
    """
    text = text.casefold().replace("\u2019", "'").replace("a-fib", "afib")
    text = POSSESSIVE.sub(r"\1 s", text)
    for short, long in CLITICS:
        if short in text:
            text = re.sub(rf"(?<=\w){short}\b", long, text)
    text = re.sub(r"\bif so\b", " ", text)
    tokens = re.findall(
        r"\d+(?:st|nd|rd|th)\b|[+-]?\d+(?:\.\d+)?|[a-z\u00e0-\u024f]+|[><%]|/", text
    )
    tokens = " ".join(CONTRACTIONS.get(token, token) for token in tokens).split()
    return " ".join(_mended(token, words) for token in tokens)


def _mended(token: str, words: Collection[str]) -> str:
    if len(token) < SHORTEST_MENDED or token in words or token in REAL_WORDS:
        return token
    near = [word for word in words if word[0] == token[0]]
    if not near:  # said before a matcher is built
        return token
    return next(iter(get_close_matches(token, near, 1, LIKENESS)), token)


AUXILIARY = r"(?:is|are|was|were|am|does|do|did|has|have|could|can|would|might|will|isnt)"
BEGINS_QUESTION = re.compile(
    rf"(?:(?:if (?:so|not),? )?(?:(?:at|in|by|on|with|along) )?"
    rf"(?:what|which|how|who|where|when|why|{AUXILIARY}|isn't|doesn't|whats|tell me)\b"
    r"|the (?!first|second|other|latter|next))"
)


def split_parts(text: str) -> tuple[str, ...]:
    """Cut a question in two at an `and` or a `?` behind which another question stands.

    `is that more than 100` behind `how many steps a minute` stays a question of its own; who
    answers it knows the part before.
    """
    whole = text.strip()
    for match in re.finditer(r"\?\s*(?:and\s+)?|,?\s+and\s+", whole, re.IGNORECASE):
        before, after = whole[: match.start()].strip(), whole[match.end() :].strip()
        if not re.search(r"\w", before) or len(after.split()) < 2:
            continue
        later = after.casefold()
        if BEGINS_QUESTION.match(later):
            return before, after
    return (whole,)
