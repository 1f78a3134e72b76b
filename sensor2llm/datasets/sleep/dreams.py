"""Read the DREAMS sleep spindle excerpts [Devuyst et al. 2011]: 8 people, 30 minutes each.

Layout, as published: `DatabaseSpindles/excerptN.edf` and `Hypnogram_excerptN.txt` beside it, which
holds a header line and one stage per 5 s.

    modality   unit   what
    eeg        uV     central (C3-A1, in most excerpts CZ-A1), frontal (FP1-A1), occipital (O1-A1)
    eog        uV     two channels: EOG1 and EOG2, also published as P8-A1 and P18-A1
    emg        uV     chin

30 s at 100 Hz. The excerpts have 200 Hz, number 1 has 100 Hz and number 3 has 50 Hz: that one holds
nothing above 25 Hz. A modality that lacks one of its channels is absent. The ECG is not read: its
unit is written as mV, its values cannot be mV.

Stages, of Rechtschaffen and Kales: 5 wake, 3 N1, 2 N2, 1 and 0 (stages 3 and 4) N3, 4 REM. -1
(movement) and -2, -3 (unknown) are dropped and counted. A window is six neighbouring stages of 5 s
that are equal, 30 s from the start of a run of equal ones; what is left over is counted (an epoch
is 5 s here).

One excerpt is one person: subject `excerptN`. There is no published split: split by subject. The
marks of spindles (`Visual_scoring*`) are not read.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sensor2llm.datasets.formats.edf_files import EdfFile, find_signal, open_edf
from sensor2llm.datasets.published import find_root, number_files, possible_values, sampled_spec
from sensor2llm.datasets.sleep.sleep_stages import (
    EPOCH_S,
    LABELS,
    Tracks,
    cut_from,
    epoch_times,
    measured,
    stage_windows,
)
from sensor2llm.errors import DataError
from sensor2llm.signals.ledger.ledger import Ledger, RowCoverage
from sensor2llm.signals.reader_options import SourceOptions
from sensor2llm.signals.reading import Reading
from sensor2llm.signals.transforms import resample
from sensor2llm.signals.window import Annotation, Track, Window

SIGNALS: dict[str, dict[str, tuple[str, ...]]] = {
    "eeg": {
        "eeg_central": ("C3-A1", "CZ-A1"),
        "eeg_frontal": ("FP1-A1",),
        "eeg_occipital": ("O1-A1",),
    },
    "eog": {
        "eog_1": ("EOG1-A1", "EOG1", "P8-A1"),
        "eog_2": ("EOG2-A1", "EOG2", "P18-A1"),
    },
    "emg": {"emg": ("EMG1", "EMG", "EMG1-EMG2")},
}
STAGES = {5: "wake", 4: "REM", 3: "N1", 2: "N2", 1: "N3", 0: "N3"}
UNSCORED = {-1: "of movement", -2: "of an unknown stage", -3: "of an unknown stage"}
RATE_HZ, MIN_RATE_HZ, STAGE_S = 100.0, 25.0, 5.0
MAX_STAGES = 17_280  # a day
_CODE = r"\s*-?[0-9]\s*"

SPEC = sampled_spec(
    {name: (list(channels), "uV", RATE_HZ) for name, channels in SIGNALS.items()}, EPOCH_S
)
DOWNLOAD = "https://zenodo.org/records/2650142"


def read(folder: Path, options: SourceOptions) -> Reading:
    """Read the data set from the folder that holds (or is) `DatabaseSpindles`."""
    options.allow("dreams")
    root = find_root(folder, ("DatabaseSpindles",), "excerpt*.edf", DOWNLOAD)
    paths, ledger = number_files(root, "excerpt*.edf", "excerpt").values(), Ledger()
    stages = {path: read_stages(_hypnogram(path)) for path in paths}
    return Reading(
        spec=SPEC,
        windows=(window for path in paths for window in _windows(path, stages[path], ledger)),
        source=f"DREAMS sleep spindles (Devuyst et al. 2011), {DOWNLOAD}",
        label_names=LABELS,
        ledger=ledger,
    )


def read_stages(path: Path) -> list[int]:
    """Read a hypnogram: a code of `STAGES` or `UNSCORED` for every 5 s."""
    head, *lines = path.read_text(encoding="utf-8", errors="replace").rstrip().splitlines() or [""]
    if re.fullmatch(_CODE, head):
        raise DataError(f"{path.name}: line 1 is {head!r}, expected a header; unpack it again")
    if len(lines) > MAX_STAGES:
        raise DataError(f"{path.name} has {len(lines)} stages, expected those of half an hour")
    codes = [int(line) if re.fullmatch(_CODE, line) else None for line in lines]
    for row, (code, line) in enumerate(zip(codes, lines, strict=True), 2):
        if code not in STAGES and code not in UNSCORED:
            raise DataError(
                f"{path.name}: line {row}: {line.strip()[:40]!r} is no stage, expected 5 to -3"
            )
    return [code for code in codes if code is not None]


def _hypnogram(path: Path) -> Path:
    hypnogram = path.with_name(f"Hypnogram_{path.stem}.txt")
    if not hypnogram.is_file():
        raise DataError(f"{path.name} has no {hypnogram.name} beside it; unpack the archive again")
    return hypnogram


def _windows(path: Path, codes: list[int], ledger: Ledger) -> Iterator[Window]:
    stages = [
        Annotation(row * STAGE_S, (row + 1) * STAGE_S, STAGES[code])
        for row, code in enumerate(codes)
        if code in STAGES
    ]
    epochs = RowCoverage(epoch_times([(0.0, len(codes) * STAGE_S)], STAGE_S))
    for row, code in enumerate(codes):
        if code in UNSCORED:
            epochs.drop(row * STAGE_S - 1e-6, (row + 1) * STAGE_S - 1e-6, UNSCORED[code])
    file = open_edf(path)
    cut = measured(stages, file.spans()[:1], epochs)
    load = cut_from(_tracks(file, ledger))
    return stage_windows(path.stem, cut, load, SPEC, ledger, epochs)


def _tracks(file: EdfFile, ledger: Ledger) -> Tracks:
    name = file.header.path.name
    if len(file.spans()) > 1:
        raise DataError(f"{name} pauses, which no published excerpt does; download it again")
    tracks = {}
    for modality in SPEC.modalities:
        signals = [find_signal(file, names) for names in SIGNALS[modality.name].values()]
        if None not in signals:
            values = possible_values(name, _at_rate(file, signals), modality, ledger)
            tracks[modality.name] = Track(modality=modality, values=values)
    if not tracks:
        has = ", ".join(signal.label for signal in file.edf.signals)[:100]
        raise DataError(
            f"{name} has neither EEG nor EOG nor EMG of the published names; it has {has}"
        )
    ledger.read("recordings")
    ledger.keep("recordings")
    for absent in SPEC.names:
        ledger.change("recordings", absent not in tracks, f"without all of {absent}")
    return tracks


def _at_rate(file: EdfFile, signals: list[Any]) -> np.ndarray:
    """Stack a modality's signals at `RATE_HZ`; the whole excerpt, so that no stage has an edge."""
    rows = []
    for signal in signals:
        rate_hz = float(signal.sampling_frequency)
        if rate_hz < MIN_RATE_HZ:
            raise DataError(
                f"{file.header.path.name}: {signal.label!r} is at {rate_hz:g} Hz, expected 50 to "
                "200 Hz; this is not the published file"
            )
        rows.append(resample(file.cut(signal, *file.spans()[0])[None], rate_hz, RATE_HZ)[0])
    steps = min(map(len, rows))
    return np.stack([row[:steps] for row in rows])
