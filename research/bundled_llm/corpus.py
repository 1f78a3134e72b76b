"""Stream documents out of a corpus folder of `*.jsonl.xz` files, one JSON object a line.

A pre-training file holds `{"source", "text"}`, an instruction file `{"source", "instruction",
"input", "output"}`. The domain of a document is the name of its file: `simplewiki.jsonl.xz`
is domain `simplewiki`. A broken line is counted, skipped and reported once a file.
"""

import hashlib
import json
import logging
import lzma
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sensor2llm.errors import DataError

SUFFIX = ".jsonl.xz"
HELD_OUT_ONE_IN = 200

logger = logging.getLogger(__name__)


def is_held_out(text: str) -> bool:
    """Say whether a document is kept from training: sha1 of its UTF-8 text mod 200 is 0.

    The rule looks at the text alone, so it holds whatever the order of the files, and two
    copies of one document fall on the same side.

    >>> sum(is_held_out(f"document {n}") for n in range(2000)) < 30
    True
    """
    digest = hashlib.sha1(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).digest()
    return int.from_bytes(digest) % HELD_OUT_ONE_IN == 0


def corpus_files(folder: Path | str) -> list[Path]:
    """List the corpus files of a folder in order of their names.

    Raises:
        DataError: If the folder does not exist or holds no `*.jsonl.xz` file.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"corpus folder {folder} does not exist; give a folder of *{SUFFIX} files")
    files = sorted(folder.glob(f"*{SUFFIX}"))
    if not files:
        raise DataError(f"corpus folder {folder} holds no *{SUFFIX} file; nothing to train on")
    return files


def domain_of(path: Path) -> str:
    """Name the domain of a corpus file: its name without the suffix."""
    return path.name.removesuffix(SUFFIX)


def records(path: Path, broken: Counter[str] | None = None) -> Iterator[dict[str, Any]]:
    """Stream the records of one corpus file.

    Args:
        path: A `*.jsonl.xz` file.
        broken: Counts skipped lines by domain, for the caller to report.

    Raises:
        DataError: If the file is no xz file, or ends early.
    """
    bad = 0
    try:
        with lzma.open(path, "rt", encoding="utf-8", errors="replace") as lines:
            for line in lines:
                record = _parse(line)
                if record is None:
                    bad += 1
                else:
                    yield record
    except (lzma.LZMAError, EOFError) as error:
        raise DataError(f"{path} is not a whole xz file ({error}); fetch it again") from None
    if bad:
        logger.warning("%s: %d broken lines skipped", path.name, bad)
        if broken is not None:
            broken[domain_of(path)] += bad


def documents(folder: Path | str, broken: Counter[str] | None = None) -> Iterator[tuple[str, str]]:
    """Stream `(domain, text)` for every document of a corpus folder, file by file.

    An instruction record becomes its question, passage and answer, one under the other.

    Args:
        folder: The corpus folder.
        broken: Counts skipped lines by domain; they are logged as well.

    Raises:
        DataError: If the folder is missing or empty, or a file cannot be unpacked.
    """
    for path in corpus_files(folder):
        domain = domain_of(path)
        for record in records(path, broken):
            yield domain, document_text(record)


def document_text(record: dict[str, Any]) -> str:
    """Give the text of one record; the hold-out rule is applied to exactly this text."""
    if "text" in record:
        return str(record["text"])
    parts = (record.get(key) for key in ("instruction", "input", "output"))
    return "\n".join(str(part) for part in parts if part)


def _parse(line: str) -> dict[str, Any] | None:
    """Read one line; None if it is no JSON object with a text in it."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    if not isinstance(record, dict):
        return None
    return record if document_text(record).strip() else None
