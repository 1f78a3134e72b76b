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
that are equal, 30 s from the start of a run of equal ones; what is left over is counted.

One excerpt is one person: subject `excerptN`. There is no published split: split by subject. The
marks of spindles (`Visual_scoring*`) are not read.
"""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sensor2llm.errors import DataError
from sensor2llm.signals.sources.config import SourceOptions
from sensor2llm.signals.sources.edf_files import find_signal, open_edf
from sensor2llm.signals.sources.reading import Reading
from sensor2llm.signals.sources.sleep_stages import (
    EPOCH_S,
    LABELS,
    Tracks,
    cut_from,
    join,
    stage_windows,
)
from sensor2llm.signals.spec import Channel, Modality, SignalSpec
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
UNSCORED = {-1: "movement", -2: "an unknown stage", -3: "an unknown stage"}
RATE_HZ, STAGE_S = 100.0, 5.0

SPEC = SignalSpec(
    window_s=EPOCH_S,
    modalities=tuple(
        Modality(
            name=name,
            channels=tuple(Channel(name=channel, unit="uV") for channel in channels),
            steps=round(EPOCH_S * RATE_HZ),
            rate_hz=RATE_HZ,
        )
        for name, channels in SIGNALS.items()
    ),
)


def read(folder: Path, options: SourceOptions) -> Reading:
    """Read the data set from the folder that holds (or is) `DatabaseSpindles`.

    Raises:
        ConfigError: For any option: windows follow the scored stages.
        DataError: Without edfio, for a folder without excerpts, an excerpt without a hypnogram or
            without any of the signals, a line that is no stage, or a signal in another unit.
    """
    options.allow("dreams")
    paths, notes = find_excerpts(folder), Counter[str]()
    stages = {path: read_stages(_hypnogram(path), notes) for path in paths}
    return Reading(
        spec=SPEC,
        windows=(window for path in paths for window in _windows(path, stages[path], notes)),
        source="DREAMS sleep spindles (Devuyst et al. 2011), https://zenodo.org/records/2650142",
        label_names=LABELS,
        notes=notes,
    )


def find_excerpts(folder: Path) -> list[Path]:
    """List the excerpts in order of their numbers, in `folder` or directly below it.

    Raises:
        DataError: Where there is none, with the page to download it from.
    """
    for root in (folder, folder / "DatabaseSpindles"):
        numbers = {path: re.fullmatch(r"excerpt(\d+)", path.stem) for path in root.glob("*.edf")}
        paths = {path: int(match[1]) for path, match in numbers.items() if match}
        if paths:
            return sorted(paths, key=lambda path: paths[path])
    raise DataError(
        f"no excerptN.edf in {folder}; unpack DatabaseSpindles of "
        "https://zenodo.org/records/2650142 there"
    )


def read_stages(path: Path, notes: Counter[str]) -> tuple[Annotation, ...]:
    """Read a hypnogram: runs of equal stages; what is not scored is counted in `notes`.

    Raises:
        DataError: For a line that is no stage.
    """
    stages = []
    for row, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines()[1:]):
        code = int(line) if re.fullmatch(r"\s*-?\d\s*", line) else None
        if code in STAGES:
            stages.append(Annotation(row * STAGE_S, (row + 1) * STAGE_S, STAGES[code]))
        elif code in UNSCORED:
            notes[f"5 s of {UNSCORED[code]}"] += 1
        elif line.strip():
            raise DataError(
                f"{path.name}: line {row + 2}: {line.strip()[:40]!r} is no stage, expected 5 to -3"
            )
    return join(stages)


def _hypnogram(path: Path) -> Path:
    hypnogram = path.with_name(f"Hypnogram_{path.stem}.txt")
    if not hypnogram.is_file():
        raise DataError(f"{path.name} has no {hypnogram.name} beside it; unpack the archive again")
    return hypnogram


def _windows(path: Path, stages: tuple[Annotation, ...], notes: Counter[str]) -> Iterator[Window]:
    return stage_windows(path.stem, stages, cut_from(_tracks(path, notes)), SPEC, notes)


def _tracks(path: Path, notes: Counter[str]) -> Tracks:
    edf = open_edf(path)
    tracks = {}
    for modality in SPEC.modalities:
        channels = SIGNALS[modality.name].values()
        signals = [find_signal(edf, names, path) for names in channels]
        if None in signals:
            notes[f"excerpts without all of {modality.name}"] += 1
        else:
            tracks[modality.name] = Track(modality=modality, values=_at_rate(signals))
    if not tracks:
        raise DataError(
            f"{path.name} has neither EEG nor EOG nor EMG of the published names; it has "
            f"{', '.join(edf.labels)}"
        )
    return tracks


def _at_rate(signals: list[Any]) -> np.ndarray:
    """Stack a modality's signals at `RATE_HZ`; the whole excerpt, so that no stage has an edge."""
    rows = [resample(s.data[None], float(s.sampling_frequency), RATE_HZ)[0] for s in signals]
    steps = min(map(len, rows))
    return np.stack([row[:steps] for row in rows])
