"""Conversations out of instruction and dialogue files."""

import itertools
import json
import lzma
from pathlib import Path

import pytest

from research.bundled_llm.corpus import document_text, is_held_out
from research.bundled_llm.instructions import (
    ANSWER_WORDS,
    CUT_WORDS,
    DIALOGUE_TURNS,
    conversations,
    first_sentences,
    from_dialogue,
    from_instruction,
)
from sensor2llm.errors import DataError


def write(folder: Path, name: str, records: list[dict]) -> None:
    with lzma.open(folder / f"{name}.jsonl.xz", "wt") as file:
        file.writelines(json.dumps(record) + "\n" for record in records)


def question(output: str, source: str = "made", n: int = 0) -> dict[str, str]:
    return {"source": source, "instruction": f"Why {n}?", "input": "", "output": output}


def test_an_instruction_becomes_a_question_and_an_answer() -> None:
    record = {"source": "", "instruction": "Say it.", "input": "blue", "output": " blue "}
    assert from_instruction(record) == [
        {"role": "user", "content": "Say it.\nblue"},
        {"role": "assistant", "content": "blue"},
    ]


def test_long_answers_are_left_out() -> None:
    assert from_instruction(question("word " * ANSWER_WORDS)) is not None
    assert from_instruction(question("word " * (ANSWER_WORDS + 1))) is None
    assert from_instruction(question("")) is None


def test_long_medical_answers_keep_their_first_whole_sentences() -> None:
    answer = "It is rare. It is mild. " + "Then comes more " * CUT_WORDS + "."
    kept = from_instruction(question(answer, "abachaa/MedQuAD"))
    assert kept is not None
    assert kept[1]["content"] == "It is rare. It is mild."


def test_a_medical_answer_does_not_repeat_its_question() -> None:
    kept = from_instruction(question("What is gout? Gout is a disease.", "abachaa/MedQuAD"))
    assert kept is not None
    assert kept[1]["content"] == "Gout is a disease."


def test_a_sentence_longer_than_the_limit_leaves_nothing() -> None:
    assert first_sentences("word " * 20, 5) == ""
    assert from_instruction(question("word " * 100, "abachaa/MedQuAD")) is None


def test_abstracts_of_papers_are_left_out() -> None:
    assert from_instruction(question("Yes.", "pubmedqa/pubmedqa")) is None


@pytest.mark.parametrize("names", [("User", "Assistant"), ("A", "B")])
def test_a_dialogue_starts_with_the_user_and_ends_with_the_assistant(names) -> None:
    turns = [f"{names[n % 2]}: turn {n}" for n in range(DIALOGUE_TURNS + 3)]
    conversation = from_dialogue({"text": "\n".join(turns)})
    assert conversation is not None
    assert len(conversation) == DIALOGUE_TURNS
    assert [turn["role"] for turn in conversation] == ["user", "assistant"] * (DIALOGUE_TURNS // 2)
    assert conversation[1]["content"] == "turn 1"


def test_a_dialogue_without_an_answer_is_left_out() -> None:
    assert from_dialogue({"text": "User: hello"}) is None
    assert from_dialogue({"text": "no speakers"}) is None
    assert from_dialogue({"text": "Assistant: first\nUser: second"}) is None


def test_held_out_records_stay_out_of_training(tmp_path) -> None:
    rows = [question(f"So {n}.", n=n) for n in range(1500)]
    write(tmp_path, "instruct", rows)
    held = [row["output"] for row in rows if is_held_out(document_text(row))]
    assert held
    assert [c[1]["content"] for c in conversations(tmp_path, held_out=True)] == held
    assert not set(held) & {c[1]["content"] for c in conversations(tmp_path)}


def test_instructions_and_dialogues_come_in_turn(tmp_path) -> None:
    write(tmp_path, "instruct", [question(f"So {n}.", n=n) for n in range(3)])
    write(tmp_path, "dialogue", [{"text": "User: hi\nAssistant: hello"}])
    answers = [c[-1]["content"] for c in conversations(tmp_path)]
    assert answers == ["So 0.", "hello", "So 1.", "So 2."]


def test_a_folder_with_neither_file_is_an_error(tmp_path) -> None:
    with pytest.raises(DataError, match=r"neither instruct\.jsonl\.xz nor dialogue"):
        next(conversations(tmp_path))


def test_the_real_corpus_gives_short_conversations(shared) -> None:
    rows = list(itertools.islice(conversations(shared / "corpus"), 3000))
    assert len(rows) == 3000
    for conversation in rows:
        assert len(conversation) % 2 == 0
        assert sum(len(turn["content"].split()) for turn in conversation) < 300
