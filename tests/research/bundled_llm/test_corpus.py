"""The corpus folder: its documents, its broken lines, its held-out part."""

import json
import lzma
from collections import Counter
from pathlib import Path

import pytest

from research.bundled_llm.corpus import documents, is_held_out
from sensor2llm.errors import DataError


def write(folder: Path, name: str, lines: list[str]) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.jsonl.xz"
    with lzma.open(path, "wt", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in lines)
    return path


def test_documents_come_with_their_domain(tmp_path) -> None:
    write(tmp_path, "stories", [json.dumps({"text": "Once."})])
    write(tmp_path, "instruct", [json.dumps({"instruction": "Why?", "input": "", "output": "So."})])
    assert list(documents(tmp_path)) == [("instruct", "Why?\nSo."), ("stories", "Once.")]


def test_a_missing_folder_is_an_error(tmp_path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        list(documents(tmp_path / "nowhere"))


def test_an_empty_folder_is_an_error(tmp_path) -> None:
    with pytest.raises(DataError, match="holds no"):
        list(documents(tmp_path))


def test_broken_lines_are_skipped_counted_and_reported(tmp_path, caplog) -> None:
    good = json.dumps({"text": "whole"})
    write(tmp_path, "stories", [good, '{"text": "cut', "[1, 2]", '{"text": ""}', good])
    broken: Counter[str] = Counter()
    assert [text for _, text in documents(tmp_path, broken)] == ["whole", "whole"]
    assert broken == {"stories": 3}
    assert "3 broken lines skipped" in caplog.text


def test_a_file_that_is_no_archive_is_an_error(tmp_path) -> None:
    (tmp_path / "stories.jsonl.xz").write_bytes(b"plain text")
    with pytest.raises(DataError, match="not a whole xz file"):
        list(documents(tmp_path))


def test_a_file_that_ends_early_is_an_error(tmp_path) -> None:
    path = write(tmp_path, "stories", [json.dumps({"text": f"{n}" * 50}) for n in range(99)])
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match="not a whole xz file"):
        list(documents(tmp_path))


def test_about_one_document_in_two_hundred_is_held_out() -> None:
    held = sum(is_held_out(f"document {n}") for n in range(20000))
    assert 70 < held < 130
    assert [n for n in range(600) if is_held_out(f"document {n}")] == [
        n for n in range(600) if is_held_out(f"document {n}")
    ]
