"""Read Capture-24 [Chan et al. 2024]: a wrist accelerometer, 151 people, a day of free living each.

Layout, as published: `capture24/P001.csv.gz` to `P151.csv.gz` with the header
`time,x,y,z,annotation`, 100 Hz, in g with gravity, and `annotation-label-dictionary.csv`, which
sorts the annotations' texts into classes by several authors' schemes. One modality: `wrist_acc`.

Labels: the column `label:WillettsSpecific2018`, ten classes (sleep, sitting, standing, walking,
bicycling, vehicle, household chores, manual work, mixed activity, sports); `-` in a name is read as
a blank. About a third of the time has no annotation, or one that the scheme does not have: windows
of it are kept without a label, for pretraining, and counted. A window belongs to the class that
covers at least half of it; a window that touches two classes is left out.

Clock: the time of day that the file gives. Samples whose time is earlier than one before (the hour
that comes twice when clocks are set back) and samples without a value are dropped and counted;
samples that share a time are spread up to the next one. Pauses above 0.2 s are not bridged: windows
start afresh after one. `start_s` counts from the person's first sample.

Windows: 10 s without overlap, as its authors cut them. The files name no split: split by subject.

A file holds some ten million samples; it is read and cut in pieces of about an hour.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from sensor2llm.datasets.formats.text_tables import read_batches, stack_floats
from sensor2llm.datasets.motion.motion_tables import EARLIER, equal_runs, in_order, leave_out
from sensor2llm.datasets.published import axis_spec, find_root, possible_values
from sensor2llm.errors import DataError
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.reader_options import SourceOptions
from sensor2llm.signals.reading import Reading
from sensor2llm.signals.segment import SHORT
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.transforms import MAX_GAP_S, resample_irregular, segment
from sensor2llm.signals.window import Annotation, Recording, Track, Window

NAME = "wrist_acc"
SCHEME = "label:WillettsSpecific2018"
DICTIONARY = "annotation-label-dictionary.csv"
RATE_HZ, WINDOW_S = 100.0, 10.0
PIECE_SAMPLES, EDGE_S = 360_000, 1e-6
DOWNLOAD = "https://ora.ox.ac.uk/objects/uuid:99d7c092-d865-4a19-b096-cc16440cd001"
SAMPLE = np.dtype([("time_s", "<f8"), ("code", "<i4"), ("values", "<f4", 3)])
_TYPES = {
    "time": pa.timestamp("ns"),
    **dict.fromkeys("xyz", pa.float32()),
    "annotation": pa.string(),
}


class Stretch(NamedTuple):
    """Samples of one person without a pause, and which windows are cut from them."""

    samples: np.ndarray
    begin_s: float
    """Start of the first window."""
    stop_s: float
    """Where the last window must have ended."""
    next_s: float
    """Start of the first window of what follows without a pause."""


def read(folder: Path, options: SourceOptions) -> Reading:
    """Read the data set from the folder that holds (or is) `capture24`."""
    options.allow("capture24", "overlap", "window_s")
    root = find_root(folder, ("capture24",), "P*.csv.gz", DOWNLOAD)
    labels = read_dictionary(root / DICTIONARY)
    paths = sorted(root.glob("P*.csv.gz"))
    strange = next((path for path in paths if not re.fullmatch(r"P[0-9]+", _person(path))), None)
    if strange is not None:
        raise DataError(f"{strange.name[:60]} names no person; expected P001.csv.gz; rename it")
    spec = axis_spec({NAME: ("xyz", "g")}, RATE_HZ, options.window_s or WINDOW_S)
    ledger = Ledger()
    return Reading(
        spec=spec,
        windows=(
            window
            for path in paths
            for window in _windows(path, labels, spec, options.overlap or 0.0, ledger)
        ),
        source=f"Capture-24 (Chan et al. 2024), CC BY 4.0, {DOWNLOAD}",
        label_names=tuple(dict.fromkeys(labels.values())),
        ledger=ledger,
    )


def _person(path: Path) -> str:
    return path.name.removesuffix(".csv.gz")


def read_dictionary(path: Path) -> dict[str, str]:
    """Read the class of each annotation that has one, in the order of the file."""
    types = {"annotation": pa.string(), SCHEME: pa.string()}
    rows = [row for batch in read_batches(path, types) for row in batch.to_pylist()]
    labels = {row["annotation"]: row[SCHEME].replace("-", " ") for row in rows if row[SCHEME]}
    if not labels:
        raise DataError(f"{path.name} gives no annotation a class; unpack the archive again")
    return labels


def _windows(
    path: Path, labels: Mapping[str, str], spec: SignalSpec, overlap: float, ledger: Ledger
) -> Iterator[Window]:
    names = tuple(dict.fromkeys(labels.values()))
    window_s = float(spec.window_s or 0.0)
    codes = {text: names.index(label) for text, label in labels.items()}
    subject, samples = _person(path), _samples(path, codes, spec, ledger)
    for stretch in _stretches(samples, window_s, overlap, ledger):
        recording = _recording(subject, stretch, spec, names)
        for window in segment(recording, spec, overlap=overlap, ledger=ledger, rows_unit="samples"):
            ledger.change("windows", window.label is None, "without a label")
            yield window


def _samples(
    path: Path, codes: Mapping[str, int], spec: SignalSpec, ledger: Ledger
) -> Iterator[np.ndarray]:
    """Give a file's samples in order, in pieces: times from the first, labels, values."""
    first = last = None
    for batch in read_batches(path, _TYPES):
        encoded = batch["annotation"].dictionary_encode()
        texts = encoded.dictionary.to_pylist()
        code = np.array([codes.get(text, -1) for text in texts], np.int32)
        unknown = np.array([bool(text) and text not in codes for text in texts], bool)
        values = possible_values(path.name, stack_floats(batch, "xyz"), spec[NAME], ledger)
        stamps = batch["time"].to_numpy(zero_copy_only=False)
        measured = np.isfinite(values).all(axis=0) & ~np.isnat(stamps)
        leave_out(ledger, int((~measured).sum()), "without a value or a time")
        if not measured.any():
            continue
        stamps = stamps[measured].astype(np.int64)
        first, last = (stamps[0], stamps[0] - 1) if first is None else (first, last)
        # Of the stamp with which the piece before ended, the samples are spread already.
        later = stamps > last
        leave_out(ledger, int((~later).sum()), EARLIER)
        if not later.any():
            continue
        last = stamps.max()
        values = values[:, measured][:, later]
        stay, times_s = in_order((stamps[later] - first) * 1e-9, values, ledger)
        index = encoded.indices.to_numpy()[measured][later][stay]
        ledger.change("samples", int(unknown[index].sum()), "whose annotation has no class")
        samples = np.empty(len(index), SAMPLE)
        samples["time_s"] = times_s
        samples["code"], samples["values"] = code[index], values[:, stay].T
        yield samples


def _stretches(
    pieces: Iterator[np.ndarray], window_s: float, overlap: float, ledger: Ledger
) -> Iterator[Stretch]:
    """Join pieces into stretches without a pause; a long one is cut between two windows."""
    buffer, begin_s, hop_s = np.empty(0, SAMPLE), 0.0, window_s * (1 - overlap)
    for piece in pieces:
        joined = np.concatenate([buffer, piece])
        bounds = [0, *(np.flatnonzero(np.diff(joined["time_s"]) > MAX_GAP_S) + 1).tolist()]
        yield from _long_stretches(joined, bounds, begin_s, window_s, ledger)
        buffer = joined[bounds[-1] :]
        if len(buffer) < PIECE_SAMPLES:
            continue
        begin_s = max(begin_s, float(buffer["time_s"][0]))
        ready = math.floor((buffer["time_s"][-1] - begin_s - window_s) / hop_s) + 1
        if ready > 0:
            next_s = begin_s + ready * hop_s
            yield Stretch(buffer, begin_s, next_s - hop_s + window_s, next_s)
            begin_s = next_s
            # The sample before the next window stays: values between two samples are interpolated.
            buffer = buffer[max(0, int(np.searchsorted(buffer["time_s"], begin_s)) - 1) :]
    yield from _long_stretches(buffer, [0, len(buffer)], begin_s, window_s, ledger)


def _long_stretches(
    samples: np.ndarray, bounds: Sequence[int], begin_s: float, window_s: float, ledger: Ledger
) -> Iterator[Stretch]:
    """Give the stretches between these samples that may hold a window; count the others."""
    times_s = samples["time_s"]
    for start, stop in pairwise(bounds):
        if times_s[stop - 1] - times_s[start] + 2 / RATE_HZ < window_s:
            own = times_s[start:stop]
            leave_out(ledger, int((own >= begin_s - EDGE_S).sum()), SHORT)
        else:
            end_s = float(times_s[stop - 1]) + 1 / RATE_HZ
            part = samples[start:stop]
            yield Stretch(part, max(begin_s, float(times_s[start])), end_s, np.inf)


def _recording(subject: str, stretch: Stretch, spec: SignalSpec, names: Sequence[str]) -> Recording:
    samples, begin_s = stretch.samples, stretch.begin_s
    times_s, values = samples["time_s"], samples["values"].T
    steps = max(1, round((stretch.stop_s - begin_s) * RATE_HZ))
    regular = resample_irregular(times_s, values, RATE_HZ, begin_s, steps)
    ends = np.r_[times_s[1:], times_s[-1] + 1 / RATE_HZ]
    # A sample that other windows of a long stretch have is counted with them, and once.
    own = (times_s >= begin_s - EDGE_S) & (times_s < stretch.next_s - EDGE_S)
    return Recording(
        subject=subject,
        tracks={NAME: Track(modality=spec[NAME], values=regular, start_s=begin_s)},
        annotations=tuple(
            Annotation(float(times_s[start]), float(ends[stop - 1]), names[samples["code"][start]])
            for start, stop in equal_runs(samples["code"])
            if samples["code"][start] >= 0
        ),
        name=subject,
        row_times_s=times_s[own],
    )
