"""Read the PhysioNet/CinC Challenge 2017 [Clifford et al. 2017]: short ECGs of 4 kinds of rhythm.

Layout, as published: `training2017/A00001.hea` and `.mat` (WFDB) and, downloaded beside them,
`REFERENCE-v3.csv` with a line `A00001,N` a record.

    modality   unit   what
    ecg        mV     one lead between both hands, AliveCor, 300 Hz

10 s (option `window_s`) without overlap (option `overlap`). A record lasts 9 to 61 s and bears one
label: N normal rhythm, A atrial fibrillation, O other rhythm, ~ noisy. Every window of a record
takes its label, though a fibrillation may show in a part of it only. Records shorter than a window
are dropped and counted; so are records of the list that have no file here. Labels are version 3,
the last; lists of versions before differ in hundreds of records.

Subjects: no patient is named, so a record counts as one subject. If someone was recorded twice, a
split by subject does not know. There is no published split: the hidden test set was never
published, and the validation set is part of the training set.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from sensor2llm.datasets.formats.wfdb_records import read_signals
from sensor2llm.datasets.published import find_root, possible_values, sampled_spec
from sensor2llm.errors import DataError
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.reader_options import SourceOptions
from sensor2llm.signals.reading import Reading
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.transforms import segment
from sensor2llm.signals.window import Annotation, Recording, Track, Window

LABELS = {
    "N": "normal rhythm",
    "A": "atrial fibrillation",
    "O": "other rhythm",
    "~": "noisy",
}
REFERENCE = "REFERENCE-v3.csv"
RATE_HZ, WINDOW_S = 300.0, 10.0
DOWNLOAD = "https://physionet.org/content/challenge-2017/1.0.0/"


def read(folder: Path, options: SourceOptions) -> Reading:
    """Read the records from the folder that holds (or is) `training2017`."""
    options.allow("cinc2017", "overlap", "window_s")
    root = find_root(folder, ("training2017",), "A*.hea", DOWNLOAD)
    labels = read_labels(find_reference(folder))
    records = sorted(path.with_suffix("") for path in root.glob("A*.hea"))
    unlabelled = [record.name for record in records if record.name not in labels]
    if unlabelled:
        raise DataError(f"{REFERENCE} has no label for {unlabelled[0][:40]}; download it again")
    ledger = Ledger()
    ledger.read("recordings", len(labels))
    ledger.drop("recordings", len(labels) - len(records), f"of {REFERENCE} without a file")
    spec, overlap = make_spec(options.window_s or WINDOW_S), options.overlap or 0.0
    return Reading(
        spec=spec,
        windows=(
            window
            for record in records
            for window in _windows(record, labels[record.name], spec, overlap, ledger)
        ),
        source=f"PhysioNet/CinC Challenge 2017 (Clifford et al. 2017), ODC-By 1.0, {DOWNLOAD}",
        label_names=tuple(LABELS.values()),
        ledger=ledger,
    )


def make_spec(window_s: float = WINDOW_S) -> SignalSpec:
    """Describe windows of this length."""
    return sampled_spec({"ecg": (["ecg"], "mV", RATE_HZ)}, window_s)


def find_reference(folder: Path) -> Path:
    """Find the list of labels in `folder`, below it or beside it."""
    for root in (folder, folder / "training2017", folder.parent):
        if (root / REFERENCE).is_file():
            return root / REFERENCE
    raise DataError(f"no {REFERENCE} in {folder}; download it from {DOWNLOAD}")


def read_labels(path: Path) -> Mapping[str, str]:
    """Read the list of labels: record to label text."""
    labels = {}
    for row, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        if not line.strip():
            continue
        record, _, code = line.strip().partition(",")
        if code not in LABELS:
            raise DataError(
                f"{path.name}: line {row}: {line[:40]!r} is no 'A00001,N' with a label of "
                f"{', '.join(LABELS)}"
            )
        labels[record] = LABELS[code]
    return labels


def _windows(
    record: Path, label: str, spec: SignalSpec, overlap: float, ledger: Ledger
) -> Iterator[Window]:
    signals = read_signals(record, {"ECG": "mV"})
    if signals.rate_hz != RATE_HZ:
        raise DataError(f"{record.name} is at {signals.rate_hz:g} Hz, expected {RATE_HZ:g} Hz")
    times_s = np.arange(signals.values.shape[1]) / RATE_HZ
    track = Track(spec["ecg"], possible_values(record.name, signals.values, spec["ecg"], ledger))
    recording = Recording(
        record.name,
        {"ecg": track},
        (Annotation(0.0, len(times_s) / RATE_HZ, label),),
        row_times_s=times_s,
    )
    whole = False
    for window in segment(recording, spec, overlap=overlap, ledger=ledger, rows_unit="samples"):
        whole = True
        yield window
    ledger.keep("recordings", whole)
    ledger.drop("recordings", not whole, "without a whole window")
