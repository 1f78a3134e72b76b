"""Chat conversations out of the corpus's instruction and dialogue files, short and simple ones.

    for conversation in conversations("corpus"):
        ...  # [{"role": "user", "content": ...}, {"role": "assistant", "content": ...}]

A small model learns nothing from long answers in hard language: long medical answers are cut after
their first whole sentences, other long answers are left out, and so are abstracts of papers.
"""

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from research.bundled_llm.corpus import SUFFIX, document_text, is_held_out, records
from sensor2llm.errors import DataError

ANSWER_WORDS = 120
"""Longest answer, in words; longer ones are left out."""
CUT_WORDS = 60
"""Longest medical answer, in words; longer ones are cut after a whole sentence."""
SUM_WORDS = 40
"""Longest worked sum, in words; the longer ones are beyond a small model."""
QUESTION_WORDS = 100
"""Longest question with its passage, in words."""
DIALOGUE_TURNS = 8
"""Turns taken of a dialogue, from its start."""
DIALOGUE_WORDS = 160
"""Words taken of a dialogue, from its start."""

Conversation = list[dict[str, str]]
Reader = Callable[[dict[str, Any]], Conversation | None]
_SENTENCE_END = re.compile(r"(?<=[a-z0-9)%][.!?])\s+(?=[A-Z])")
_REPEATED = re.compile(r"^(?:Summary\s*:\s*|(?:What|How|Who|Is)\b[^.?]{0,150}\?\s*)+")
_TURN = re.compile(r"^(User|Assistant|A|B):[ \t]*", re.MULTILINE)
_ROLES = {"User": "user", "A": "user", "Assistant": "assistant", "B": "assistant"}


def conversations(
    folder: Path | str, held_out: bool = False, broken: Counter[str] | None = None
) -> Iterator[Conversation]:
    """Yield conversations of a corpus folder, instructions and dialogues in turn, each once.

    Args:
        folder: The corpus folder; `instruct.jsonl.xz` and `dialogue.jsonl.xz` are read, and one
            of them may be missing.
        held_out: Give the held-out records in place of those for training.
        broken: Counts skipped lines by domain.

    Raises:
        DataError: If neither file is there.
    """
    readers = {"instruct": from_instruction, "dialogue": from_dialogue}
    paths = {Path(folder) / f"{name}{SUFFIX}": read for name, read in readers.items()}
    streams = [
        _stream(path, read, held_out, broken) for path, read in paths.items() if path.is_file()
    ]
    if not streams:
        files = " nor ".join(path.name for path in paths)
        raise DataError(
            f"corpus folder {folder} holds neither {files}; no conversation to train on"
        )
    for row in itertools.zip_longest(*streams):
        yield from (conversation for conversation in row if conversation)


def _stream(
    path: Path, read: Reader, held_out: bool, broken: Counter[str] | None
) -> Iterator[Conversation]:
    for record in records(path, broken):
        if is_held_out(document_text(record)) == held_out:
            conversation = read(record)
            if conversation:
                yield conversation


def from_instruction(record: dict[str, Any]) -> Conversation | None:
    """Make a conversation of an instruction record; None if it is too long or too hard."""
    source = str(record.get("source", ""))
    question = "\n".join(
        str(record[key]).strip() for key in ("instruction", "input") if record.get(key)
    )
    answer = str(record.get("output", "")).strip()
    if "pubmed" in source:
        return None
    if "MedQuAD" in source:
        answer = first_sentences(_REPEATED.sub("", answer), CUT_WORDS)
    limit = SUM_WORDS if "grade-school-math" in source else ANSWER_WORDS
    if not 0 < len(answer.split()) <= limit or not 0 < len(question.split()) <= QUESTION_WORDS:
        return None
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def from_dialogue(record: dict[str, Any]) -> Conversation | None:
    """Make a conversation of a dialogue's first turns; None if it does not start with two.

    The dialogues name their speakers `User:` and `Assistant:`, or `A:` and `B:`. The first of two
    people is the user.
    """
    pieces = _TURN.split(str(record.get("text", "")))
    speakers, contents = pieces[1::2], pieces[2::2]
    conversation: Conversation = []
    words = 0
    for speaker, content in zip(speakers, contents, strict=True):
        role = _ROLES[speaker]
        words += len(content.split())
        expected = "assistant" if len(conversation) % 2 else "user"
        full = len(conversation) == DIALOGUE_TURNS or words > DIALOGUE_WORDS
        if full or role != expected or not content.strip():
            break
        conversation.append({"role": role, "content": content.strip()})
    if len(conversation) % 2:
        conversation.pop()
    return conversation or None


def first_sentences(text: str, words: int) -> str:
    """Cut a text after its last whole sentence within so many words.

    >>> first_sentences("It is rare. It runs in families. Then " + "word " * 50, 8)
    'It is rare. It runs in families.'
    """
    text = " ".join(text.split())
    if len(text.split()) <= words:
        return text
    kept: list[str] = []
    for sentence in _SENTENCE_END.split(text):
        if len(" ".join([*kept, sentence]).split()) > words:
            break
        kept.append(sentence)
    return " ".join(kept)
