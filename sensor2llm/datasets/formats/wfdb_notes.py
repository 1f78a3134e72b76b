"""Read WFDB annotation files, PhysioNet's format of marks in time.

Not through wfdb, whose reader goes on for ever on some files: what is needed of the format is a
list of 16-bit words [WFDB Applications Guide, annot(5)]. The upper 6 bits of a word are a code, the
lower 10 a number; most codes are a mark that many samples after the one before.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from sensor2llm.errors import DataError

MAX_BYTES = 4_000_000  # 24 h of beats take 300,000
_SKIP, _TEXT, _COMMENT, _FIELDS = 59, 63, 22, (60, 61, 62)
_RATE = re.compile(r"## time resolution: (\d{1,9}(?:\.\d{1,9})?)")


@dataclass(frozen=True, kw_only=True, eq=False)
class Notes:
    """Hold annotations in order of time: sample number and the text beside it."""

    samples: Int64[np.ndarray, " note"]
    texts: tuple[str, ...]
    rate_hz: float | None
    """What the file, or else the record's header, says; `None` where neither says anything."""


def read_notes(record: Path, extension: str) -> Notes:
    """Read the annotations of a record.

    Args:
        record: The path without an extension.
        extension: The annotator's name: `atr`, `qrs`, `arousal`.
    """
    path = record.with_name(f"{record.name}.{extension}")
    if not path.is_file():
        raise DataError(f"{path} is missing; download it again")
    size = path.stat().st_size
    if size > MAX_BYTES or size % 2:
        raise DataError(f"{path.name} has {size} bytes, no WFDB annotations; download it again")
    marks = _marks(np.fromfile(path, "<u2").tolist())
    if marks is None:
        raise DataError(f"{path.name} is no whole WFDB annotation file; download it again")
    about = [text for sample, code, text in marks if code == _COMMENT and not sample]
    rates = [float(match[1]) for match in map(_RATE.match, about) if match]
    there = [
        (sample, text) for sample, code, text in marks if code and (code != _COMMENT or sample)
    ]
    return Notes(
        samples=np.array([sample for sample, _ in there], np.int64),
        texts=tuple(text for _, text in there),
        rate_hz=rates[0] if rates else _header_rate(record),
    )


def _marks(words: list[int]) -> list[tuple[int, int, str]] | None:
    """Give sample, code and text of each mark; `None` where the words do not end as they should."""
    marks: list[tuple[int, int, str]] = []
    sample = place = 0
    while place < len(words) and words[place]:
        code, number = words[place] >> 10, words[place] & 0x3FF
        place += 1
        if code == _SKIP:
            high, low = (*words[place : place + 2], 0, 0)[:2]
            sample += ((high << 16 | low) ^ 0x80000000) - 0x80000000
            place += 2
        elif code == _TEXT:
            content = np.array(words[place : place + (number + 1) // 2], "<u2").tobytes()[:number]
            place += (number + 1) // 2
            if not marks:
                return None
            marks[-1] = (*marks[-1][:2], content.decode("latin-1").strip("\x00 "))
        elif code not in _FIELDS:
            sample += number
            marks.append((sample, code, ""))
    return marks if place < len(words) and not any(words[place:]) else None


def _header_rate(record: Path) -> float | None:
    """Give the samples a second that the first line of the record's header names, if it does."""
    path = record.with_name(f"{record.name}.hea")
    if not path.is_file():
        return None
    with path.open("rb") as file:
        lines = file.read(4000).decode("latin-1").splitlines()
    cells = next((line.split() for line in lines if line.strip() and line[0] != "#"), [])
    match = re.match(r"\d{1,9}(\.\d{1,9})?", cells[2]) if len(cells) > 2 else None
    return float(match[0]) if match else None
