"""Label a whole archive into a folder that says what is finished.

    OUT/index.json        settings; each recording's windows by part, or why it cannot be read, and
                          what became of its rows and windows (ledgers)
    OUT/parts/*.parquet   a row a window: file, window (its number there, from 0; of a store its
                          row), start_s, subject, label, probability, and p_LABEL of all
    OUT/summary.csv, OUT/bouts.csv    where they are wanted

A part that the index does not name is labelled again, into the same file: every window is there
once, also after a kill. The index lags behind by a second at most.
"""

import contextlib
import json
import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sensor2llm.adapter.files import find_adapter
from sensor2llm.archive import parts as archive_parts
from sensor2llm.archive.bouts import sums_of, window_length_s, write_sums
from sensor2llm.archive.labelling import SUFFIXES, Labelling, tell_rows
from sensor2llm.archive.parts import (
    ArchivePart,
    Engine,
    Outcomes,
    PartResult,
    find_recordings,
    is_store,
    parts_of,
)
from sensor2llm.artefacts.atomic_write import sole_writer, update_folder
from sensor2llm.artefacts.manifest import MANIFEST
from sensor2llm.errors import ArtefactError, ConfigError, DataError, DiskFullError, UserError
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.training.bar import counting_bar
from sensor2llm.training.record import write_json

PARTS, INDEX = "parts", "index.json"
FORMAT_VERSION = 1
INDEX_EVERY_S = 1.0
logger = logging.getLogger(__name__)
_OURS = re.compile(r"[0-9a-f]{16}-.*\.parquet(\.try\d+)?")


@dataclass(frozen=True)
class ArchiveResult:
    """Say how an archive stands after a run; `str` of it is one line."""

    out: Path
    recordings: int
    windows: int
    """Of all that are finished."""
    failed: Mapping[str, str]
    """Recordings that could not be read, with the reason."""
    ledger: Ledger
    """What became of the rows and windows of all that are finished."""
    sums: tuple[str, ...] = ()
    """Files in `out` that sum up the labels."""

    def __str__(self) -> str:
        done = self.recordings - len(self.failed)
        sums = f" ({', '.join(self.sums)})" if self.sums else ""
        return f"{done} recordings, {self.windows} windows -> {self.out}{sums}"

    def to_dict(self) -> dict[str, Any]:
        """Give it as JSON's types."""
        plain = asdict(self) | {"out": str(self.out), "ledger": self.ledger.to_dict()}
        sums = plain.pop("sums")
        return plain | {Path(name).stem: str(self.out / name) for name in sums}

    def check(self) -> None:
        """Raise DataError, one line, where some could not be read."""
        if self.failed:
            name, reason = next(iter(self.failed.items()))
            raise DataError(
                f"{len(self.failed)} of {self.recordings} recordings could not be read, the others "
                f"are done; {self.out / INDEX} says why; {name}: {reason}"
            )


def needs_folder(files: Sequence[Path], out: Path | None) -> bool:
    """Say whether results go into a folder: more than one recording, or a folder to write to."""
    many = len(files) > 1 or (files[0].is_dir() and not is_store(files[0]))
    return many or (out is not None and (out.is_dir() or not out.suffix))


def label_recordings(
    files: Sequence[Path],
    out: Path | None,
    labelling: Labelling,
    engine: Engine | None,
    *,
    resume: bool,
    as_json: bool,
) -> tuple[str, Callable[[], None]]:
    """Label one recording into a file or a text, several into a folder.

    Returns:
        What came out, as text (one JSON object where wanted), and what raises DataError where some
        recordings could not be read.
    """
    if not (engine or resume or needs_folder(files, out)):
        return tell_rows(labelling, files[0], out, as_json=as_json), lambda: None
    result = label_archive(files, out, labelling, engine=engine, resume=resume)
    text = json.dumps(result.to_dict(), ensure_ascii=False) if as_json else str(result)
    return text, result.check


def label_archive(
    files: Sequence[Path],
    out: Path | None,
    labelling: Labelling,
    *,
    engine: Engine | None = None,
    resume: bool = False,
) -> ArchiveResult:
    """Label every window of every recording (see `find_recordings`) once.

    Raises:
        ConfigError: `out` cannot be used as it is.
        ArtefactError: the adapter or its LLM cannot be loaded, or another process writes `out`.
        DiskFullError: naming path and size; what is finished stays.
        RuntimeError: a bug met on the way, after all other parts were labelled.
    """
    if out is None:
        raise ConfigError("the results of several recordings need a folder: --out FOLDER")
    if out.suffix in SUFFIXES or out.is_file():
        raise ConfigError(f"the results go into a folder; --out {out.name} names a file")
    with sole_writer(out):
        return _label_archive(files, out, labelling, engine or in_this_process, resume)


def _label_archive(
    files: Sequence[Path], out: Path, labelling: Labelling, engine: Engine, resume: bool
) -> ArchiveResult:
    recordings, sums = find_recordings(files, out), sums_of(out, labelling.sums)
    window_s = window_length_s(labelling.spec) if sums else 0.0
    index = _Index(out, _settings(labelling), resume)
    parts = index.left(recordings)
    bugs = []
    try:
        outcomes = engine(labelling, parts, out / PARTS)
        with contextlib.closing(outcomes), counting_bar() as bar:
            task = bar.add_task("labelling", total=len(parts))
            for part, outcome in outcomes:
                if outcome.kind == "model":
                    raise ArtefactError(outcome.reason)
                if outcome.kind == "disk":
                    raise DiskFullError(outcome.reason)
                if outcome.kind == "bug":
                    bugs.append(outcome.reason)
                index.add(part, outcome)
                bar.advance(task)
    finally:
        index.write()
    if bugs:
        raise RuntimeError(f"{len(bugs)} parts met a bug, the others are done; {bugs[0]}")
    write_sums(out, sums, index.files(), window_s)
    result = index.result(recordings, tuple(f"{name}.csv" for name in sums))
    for line in result.ledger.lines():
        logger.info(line)
    return result


def in_this_process(labelling: Labelling, parts: Sequence[ArchivePart], folder: Path) -> Outcomes:
    """Label parts one after the other."""
    if parts:
        model = labelling.load()
        for part in parts:
            yield part, archive_parts.label_part(model, part, labelling, folder)


def _settings(labelling: Labelling) -> dict[str, Any]:
    """Give what must be equal to go on: the adapter's own words and hashes, not where it lies."""
    folder = find_adapter(labelling.adapter)
    files = json.loads((folder / MANIFEST).read_text(encoding="utf-8")).get("files", {})
    settings = {"adapter": files, "overlap": labelling.overlap}
    settings |= {"store_rows": archive_parts.STORE_ROWS}
    return settings | {"abstain": labelling.abstain, "map": list(labelling.map)}


class _Index:
    """What is finished, in a file that is replaced whole."""

    def __init__(self, out: Path, settings: dict[str, Any], resume: bool):
        self.out, self.settings = out, settings
        self.recordings: dict[str, dict[str, Any]] = {}
        self.written_at = 0.0
        if not out.exists() or not any(out.iterdir()):
            return
        if not (out / INDEX).is_file():
            raise ConfigError(f"'{out}' exists and holds other things; choose another --out")
        if not resume:
            raise ConfigError(
                f"'{out}' holds results; go on with --resume, or choose another --out"
            )
        content = self._read()
        # Earlier releases cut stores into other ranges: they are gone on with.
        settings["store_rows"] = content["settings"]["store_rows"]
        for name, value in settings.items():
            if (content["settings"].get(name) or None) != (value or None):
                raise ConfigError(
                    f"'{out}' was begun with another {name}; use the same, or another --out"
                )
        self.recordings = content["recordings"]

    def _read(self) -> dict[str, Any]:
        try:
            content = json.loads((self.out / INDEX).read_text(encoding="utf-8"))
            rows = content["settings"]["store_rows"]
            if content["format_version"] == FORMAT_VERSION and range(0, 1, rows).step > 0:
                return dict(content)
        except (ValueError, TypeError, KeyError, AttributeError):
            pass
        raise ConfigError(
            f"'{self.out / INDEX}' is broken or of another release; choose another --out"
        )

    def left(self, recordings: Mapping[str, Path]) -> list[ArchivePart]:
        """Plan what is not finished, and remove what the index does not know."""
        if not (self.out / INDEX).is_file():
            # In one step with the folder: without its index it would be taken for somebody's own.
            with update_folder(self.out) as part:
                write_json(part / INDEX, self._content())
        parts = self.out / PARTS
        parts.mkdir(exist_ok=True)
        unfinished = []
        for name, path in recordings.items():
            mark = _mark(path)
            entry = self.recordings.get(name)
            if entry is None or entry["mark"] != mark:
                entry = self.recordings[name] = {"mark": mark, "parts": {}}
            entry.pop("failed", None)
            try:
                wanted = parts_of(name, path, self.settings["store_rows"])
            except UserError as error:
                entry |= {"finished": False, "failed": " ".join(str(error).split())}
                continue
            have = {file for file in entry["parts"] if (parts / file).is_file()}
            entry["parts"] = {file: n for file, n in entry["parts"].items() if file in have}
            ledgers = entry.get("ledgers", {})
            entry["ledgers"] = {file: ledgers[file] for file in have if file in ledgers}
            entry |= {"of": len(wanted), "finished": len(have) == len(wanted)}
            unfinished += [part for part in wanted if part.file not in have]
        files = {file for entry in self.recordings.values() for file in entry["parts"]}
        for path in parts.iterdir():
            if _OURS.fullmatch(path.name) and path.name not in files:
                path.unlink()
        self.write()
        return unfinished

    def add(self, part: ArchivePart, outcome: PartResult) -> None:
        entry = self.recordings[part.name]
        if outcome.reason is None:
            entry["parts"][part.file] = outcome.windows
            entry["ledgers"][part.file] = outcome.ledger
            entry["finished"] = len(entry["parts"]) == entry["of"]
        elif outcome.kind == "recording":
            entry["failed"] = outcome.reason
        if time.monotonic() - self.written_at > INDEX_EVERY_S:
            self.write()

    def write(self) -> None:
        write_json(self.out / INDEX, self._content())
        self.written_at = time.monotonic()

    def _content(self) -> dict[str, Any]:
        return {
            "format_version": FORMAT_VERSION,
            "settings": self.settings,
            "recordings": self.recordings,
        }

    def files(self) -> dict[str, list[Path]]:
        """Give the files of the recordings of which some windows are labelled."""
        folder, entries = self.out / PARTS, self.recordings.items()
        return {name: [folder / f for f in e["parts"]] for name, e in entries if e["parts"]}

    def result(self, recordings: Mapping[str, Path], sums: tuple[str, ...]) -> ArchiveResult:
        entries = {name: self.recordings[name] for name in recordings}
        windows = sum(sum(entry["parts"].values()) for entry in entries.values())
        failed = {name: entry["failed"] for name, entry in entries.items() if "failed" in entry}
        ledger = Ledger()
        for entry in entries.values():
            for plain in entry.get("ledgers", {}).values():
                ledger.merge(Ledger.from_dict(plain))
        return ArchiveResult(self.out, len(entries), windows, failed, ledger, sums)


def _mark(path: Path) -> list[int]:
    """Give what differs when a recording is written anew: bytes and time of change."""
    stat = (path / "store.json" if path.is_dir() else path).stat()
    return [stat.st_size, stat.st_mtime_ns]
