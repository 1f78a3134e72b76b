"""Read the MIT-BIH AF database [Moody & Mark 1983]: beats and rhythms of 25 people, 10 h each.

Layout, as published: `04015.atr` (rhythms) and `04015.qrs` (beats), WFDB annotations, with
`04015.hea` beside them. Where there are no such files, the same as text: `atr04015.txt`, a dump of
`rdann` (time, sample, type, three numbers, rhythm), and `qrs04015.txt`, a beat a line (the sample
before, the interval in s, the sample).

    modality   unit   axis                         what
    rr         ms     event: 60 beats a window     time from the beat before

Samples are at 250 Hz, so an interval is a multiple of 4 ms. Beats are those of the automatic
detector, which nobody corrected. Intervals outside 0.2 to 3 s are gaps: the recording is cut there.

Rhythms: `(N` normal rhythm, `(AFIB` atrial fibrillation, `(AFL` atrial flutter, `(J` junctional
rhythm; each holds until the next. Windows that touch two rhythms are dropped and counted. Option
`overlap` (default 0).

One record is one person; the people have atrial fibrillation, mostly in attacks, so normal rhythm
is theirs and not that of healthy people. There is no published split: split by subject. The signals
(`.dat`) are not read; records 00735 and 03665 have none.
"""

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

from sensor2llm.datasets.formats.wfdb_notes import Notes, read_notes
from sensor2llm.datasets.heart.beat_intervals import SPEC, beat_windows
from sensor2llm.errors import DataError
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.reader_options import SourceOptions
from sensor2llm.signals.reading import Reading
from sensor2llm.signals.window import Annotation, Window

LABELS = {
    "(N": "normal rhythm",
    "(AFIB": "atrial fibrillation",
    "(AFL": "atrial flutter",
    "(J": "junctional rhythm",
}
RATE_HZ, LIMITS_S = 250.0, (0.2, 3.0)
MAX_DIGITS = 12

Changes = list[tuple[int, str]]
"""Sample and rhythm of each change."""
Beats = np.ndarray
"""Sample of each beat."""


def read(folder: Path, options: SourceOptions) -> Reading:
    """Read the records from the folder that holds their WFDB annotations or text dumps."""
    options.allow("afdb", "overlap")
    records, load = find_records(folder)
    ledger = Ledger()
    return Reading(
        spec=SPEC,
        windows=(
            window
            for record in records
            for window in _windows(record, *load(folder, record), options.overlap or 0.0, ledger)
        ),
        source="MIT-BIH Atrial Fibrillation 1.0.0 (Moody & Mark 1983), ODC-By 1.0, "
        "https://physionet.org/content/afdb/1.0.0/",
        label_names=tuple(LABELS.values()),
        ledger=ledger,
    )


def find_records(folder: Path) -> tuple[list[str], Callable[[Path, str], tuple[Changes, Beats]]]:
    """List the records by name, and say how one is read."""
    annotated = sorted(path.stem for path in folder.glob("*.atr"))
    dumped = sorted(path.stem[3:] for path in folder.glob("atr*.txt"))
    strange = next((name for name in annotated or dumped if not re.fullmatch(r"\w+", name)), None)
    if strange is not None:
        raise DataError(f"{strange[:60]!r} names no record; expected such as 04015; is it a copy?")
    if annotated:
        return annotated, _from_wfdb
    if dumped:
        return dumped, _from_text
    raise DataError(
        f"neither 04015.atr nor atr04015.txt in {folder}; download the records from "
        "https://physionet.org/content/afdb/1.0.0/"
    )


def _windows(
    record: str, changes: Changes, beats: Beats, overlap: float, ledger: Ledger
) -> Iterator[Window]:
    if not changes:
        raise DataError(f"{record}: its atr file names no rhythm; download it again")
    times_s = beats / RATE_HZ
    stop = max(int(beats[-1]) + round(RATE_HZ), changes[-1][0])
    rhythms = []
    for (start, name), (until, _) in pairwise([*changes, (stop, "")]):
        if name not in LABELS:
            raise DataError(
                f"{record}: unknown rhythm {name[:40]!r} at sample {start}, expected "
                f"{', '.join(LABELS)}"
            )
        if until < start:
            raise DataError(f"{record}: the rhythm at sample {until} comes after a later one")
        rhythms.append(Annotation(start / RATE_HZ, until / RATE_HZ, LABELS[name]))
    ledger.read("beats")
    ledger.drop("beats", 1, "that end no interval, the first of a record")
    # Samples are subtracted, not times: 50 of them are 0.2 s.
    intervals_s = np.diff(beats) / RATE_HZ
    return beat_windows(record, times_s[1:], intervals_s, rhythms, LIMITS_S, overlap, ledger)


def _from_wfdb(folder: Path, record: str) -> tuple[Changes, Beats]:
    marks, beats = _notes(folder / record, "atr"), _notes(folder / record, "qrs")
    changes = [
        (sample, text)
        for sample, text in zip(marks.samples.tolist(), marks.texts, strict=True)
        if text
    ]
    return changes, _checked(beats.samples, f"{record}.qrs")


def _notes(record: Path, extension: str) -> Notes:
    notes = read_notes(record, extension)
    if notes.rate_hz not in (None, RATE_HZ):
        raise DataError(
            f"{record.name}.{extension} counts {notes.rate_hz:g} samples a second, expected "
            f"{RATE_HZ:g}; this is not the published file"
        )
    return notes


def _from_text(folder: Path, record: str) -> tuple[Changes, Beats]:
    changes = []
    for row, cells in _rows(folder / f"atr{record}.txt"):
        if cells[0] == "Elapsed":
            continue
        if len(cells) < 6 or not _is_sample(cells[1]):
            raise _malformed(f"atr{record}.txt", row, "'0:00.120 30 + 0 0 0 (N'")
        # Type + is a change of rhythm; a beat of another type bears no rhythm.
        if cells[2] == "+" or cells[-1].startswith("("):
            changes.append((int(cells[1]), cells[-1]))
    beats = []
    for row, cells in _rows(folder / f"qrs{record}.txt"):
        if len(cells) != 3 or not _is_sample(cells[2]):
            raise _malformed(f"qrs{record}.txt", row, "'61 0.556 200'")
        beats.append(int(cells[2]))
    return changes, _checked(np.array(beats, dtype=np.int64), f"qrs{record}.txt")


def _is_sample(cell: str) -> bool:
    return cell.isascii() and cell.isdigit() and len(cell) <= MAX_DIGITS


def _checked(beats: Beats, name: str) -> Beats:
    back = np.flatnonzero(np.diff(beats) <= 0)
    if back.size or len(beats) < 2:
        where = f"beat {int(back[0]) + 2} does not follow" if back.size else "two are needed"
        raise DataError(f"{name}: {where}; samples must increase, download the file again")
    return beats


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    if not path.is_file():
        raise DataError(f"{path} is missing; a record needs its rhythms (atr) and its beats (qrs)")
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return ((row, line.split()) for row, line in enumerate(lines, 1) if line.strip())


def _malformed(name: str, row: int, expected: str) -> DataError:
    return DataError(f"{name}: line {row} is malformed, expected such as {expected}")
