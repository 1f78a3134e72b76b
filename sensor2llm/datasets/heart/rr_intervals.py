"""Read intervals between heart beats from text files, one beat a line, a folder a class.

Layout: `GROUP/RECORD.txt` in the folder that is given (or in `rr` in it, or the files in the folder
itself). A line is either one interval, or time, interval, and a label, which may be left out:

    0.812                          61.352 <tab> 0.8120 <tab> N

Times and intervals are in s or in ms, each column by itself; `beat_lists` says how the unit is
known and what may stand between two columns. Beats that share a time stamp are spread by their
intervals, and counted. PhysioNet's tool `ann2rr` writes the first form
(`ann2rr -r nsr001 -a ecg -i s > nsr2db/nsr001.txt`).

    modality   unit   axis                         what
    rr         ms     event: 60 beats a window     time from the beat before

Intervals outside 0.3 to 2 s, and pauses of the clock above 2 s, are gaps: the recording is cut
there (nsr2db and chf2db hold such gaps). Option `overlap` (default 0).

Label of a beat: its third column; where that is `unlabelled` or absent, the folder's name. A beat
whose label is `unknown` has none. Windows that touch two labels are dropped and counted. A file
`labels.csv` beside the folders (a header `name,label`, then such as `nsr2db,healthy`) gives other
texts for records, folders and labels, looked up in this order; without it they stay as they are:
`nsr2db` does not say that these people are healthy.

Subject: the file's stem; files of one stem in two folders are one person. There is no published
split: split by subject. nsr2db and chf2db differ in more than the illness (age, recorder), so a
classifier may tell the sets from each other.
"""

import csv
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np

from sensor2llm.datasets.heart.beat_intervals import SPEC, beat_windows
from sensor2llm.datasets.heart.beat_lists import Column, read_beats, read_text
from sensor2llm.errors import DataError
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.reader_options import SourceOptions
from sensor2llm.signals.reading import Reading
from sensor2llm.signals.window import Annotation, Window

LIMITS_S = (0.3, 2.0)
UNLABELLED, UNKNOWN = "unlabelled", "unknown"


def read(folder: Path, options: SourceOptions) -> Reading:
    """Read the files of every group; each when its windows are taken."""
    options.allow("rr_intervals", "overlap")
    paths, names = find_files(folder), read_names(folder)
    ledger = Ledger()
    return Reading(
        spec=SPEC,
        windows=(
            window
            for path in paths
            for window in _windows(path, names, options.overlap or 0.0, ledger)
        ),
        source=f"inter-beat intervals of {folder.name}",
        ledger=ledger,
    )


def find_files(folder: Path) -> list[Path]:
    """List the text files by group and name."""
    for pattern in ("rr/*/*.txt", "*/*.txt", "*.txt"):
        paths = sorted(folder.glob(pattern))
        if paths:
            return paths
    raise DataError(
        f"no GROUP/RECORD.txt in {folder}; write a beat a line, such as with PhysioNet's ann2rr"
    )


def read_names(folder: Path) -> Mapping[str, str]:
    """Read `labels.csv` where there is one: name to label."""
    for path in (folder / "labels.csv", folder / "rr" / "labels.csv"):
        if path.is_file():
            return _names(path)
    return {}


def _names(path: Path) -> Mapping[str, str]:
    try:
        lines = enumerate(csv.reader(read_text(path).splitlines()), 1)
        rows = {number: [cell.strip() for cell in row] for number, row in lines if row}
    except csv.Error as error:
        raise DataError(f"labels.csv: {error}; expected 'name,label' in each line") from error
    names: dict[str, str] = {}
    head = min(rows, default=1)
    for number, row in rows.items() or [(head, [])]:
        first = number == head
        if len(row) != 2 or not all(row) or (first and row != ["name", "label"]):
            expected = "'name,label'" if first else "such as 'nsr2db,healthy'"
            shown = ",".join(row)[:60]
            raise DataError(f"labels.csv: row {number} is {shown!r}, expected {expected}")
        if not first and names.setdefault(row[0], row[1]) != row[1]:
            raise DataError(f"labels.csv gives {row[0][:60]!r} two labels; keep one of them")
    return names


def spans(times_s: Column, first_s: float, labels: list[str]) -> list[tuple[float, float, str]]:
    """Give the runs of equal labels: start and stop in s, and the label."""
    changes = [i for i in range(1, len(labels)) if labels[i] != labels[i - 1]]
    bounds = pairwise([0, *changes, len(labels)])
    return [
        (float(times_s[a - 1]) if a else first_s, float(times_s[b - 1]), labels[a])
        for a, b in bounds
    ]


def _windows(
    path: Path, names: Mapping[str, str], overlap: float, ledger: Ledger
) -> Iterator[Window]:
    beats = read_beats(path)
    _check(path, beats.intervals_s)
    group, times_s = path.parent.name, beats.times_s
    own = names.get(path.stem) or names.get(group) or group
    labels = beats.labels or [UNLABELLED] * len(times_s)
    rhythms = [
        Annotation(start_s, stop_s, own if label == UNLABELLED else names.get(label, label))
        for start_s, stop_s, label in spans(
            times_s, float(times_s[0] - beats.intervals_s[0]), labels
        )
        if label != UNKNOWN
    ]
    ledger.change("beats", beats.shared, "that share a time stamp, spread by their intervals")
    return beat_windows(path.stem, times_s, beats.intervals_s, rhythms, LIMITS_S, overlap, ledger)


def _check(path: Path, intervals_s: Column) -> None:
    low, high = LIMITS_S
    share = np.mean((intervals_s >= low) & (intervals_s <= high))
    if share < 0.5:
        raise DataError(
            f"{path.name}: {1 - share:.0%} of the values lie outside {low:g} to {high:g} s, so "
            "they are no intervals between beats; give intervals, not times of beats"
        )
