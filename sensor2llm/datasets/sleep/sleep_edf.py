"""Read Sleep-EDF Expanded [Kemp et al. 2000]: EEG, EOG, EMG of whole nights with sleep stages.

Layout, as published: `sleep-cassette/SC4ssNE0-PSG.edf` and `SC4ssNEx-Hypnogram.edf` (ss a person, N
the night, x who scored it), and `sleep-telemetry/ST7ssNJ0-PSG.edf` likewise. A recording and its
hypnogram share the first six characters. One set is read at a time, because their EMG differ.

    modality      unit   cassette   telemetry   what
    eeg_fpz_cz    uV     100 Hz     100 Hz      EEG Fpz-Cz
    eeg_pz_oz     uV     100 Hz     100 Hz      EEG Pz-Oz
    eog           uV     100 Hz     100 Hz      EOG horizontal
    emg           uV     1 Hz       100 Hz      EMG submental, on cassette its envelope

30 s. The cassette's EMG was recorded so, at 1 Hz. Breath, temperature and the event marker are not
read; a file without one of the four signals gives windows without that modality.

Stages: `Sleep stage W` wake, `1` N1, `2` N2, `3` and `4` N3, `R` REM. `Sleep stage ?` and `Movement
time` are dropped and counted. Wake is kept up to 30 minutes before the first and after the last
sleep, as is usual in the field (a cassette runs for a day); the rest is counted. Telemetry holds a
night with placebo and one with temazepam: nothing here says which.

Clocks: a hypnogram whose header starts at another time than the recording's is moved by the
difference, and counted. Where a recording pauses (EDF+D), each of its data records says when it
starts; stages in a pause are dropped and counted.

Subjects: the first five characters (`SC400`), so that a person's nights are one subject. The second
night's `start_s` counts from 24 h: the two do not overlap.

Split: CroSSL sorts the files and takes the last 8 for test, the 7 before them for validation
[CroSSL, released code]. That divides files: a person whose nights lie on a border would be in two
parts. Here such a person belongs wholly to the held-out part (test before validation). With the 39
files of the first 20 people no person lies on a border, so this is the same split. Folders with
fewer than 16 files have no published split.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from sensor2llm.datasets.formats.edf_files import EdfFile, find_signal, open_edf
from sensor2llm.datasets.published import possible_values, sampled_spec
from sensor2llm.datasets.sleep.sleep_stages import (
    EPOCH_S,
    LABELS,
    Load,
    Tracks,
    count_epochs,
    epoch_times,
    measured,
    stage_windows,
    trim_wake,
)
from sensor2llm.errors import DataError
from sensor2llm.signals.ledger.ledger import Ledger, RowCoverage
from sensor2llm.signals.reader_options import SourceOptions
from sensor2llm.signals.reading import Reading
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.window import Annotation, Track, Window

SIGNALS = {
    "eeg_fpz_cz": "EEG Fpz-Cz",
    "eeg_pz_oz": "EEG Pz-Oz",
    "eog": "EOG horizontal",
    "emg": "EMG submental",
}
RATE_HZ, EMG_RATE_HZ = 100.0, {"SC": 1.0, "ST": 100.0}
TEST_FILES, VALIDATION_FILES = 8, 7
WAKE = "of wake over 30 min from sleep"
DAY_S = 86_400.0
STAGES = {
    "Sleep stage W": "wake",
    "Sleep stage 1": "N1",
    "Sleep stage 2": "N2",
    "Sleep stage 3": "N3",
    "Sleep stage 4": "N3",
    "Sleep stage R": "REM",
}
UNSCORED = ("Sleep stage ?", "Movement time")


@dataclass(frozen=True, kw_only=True)
class Night:
    """Say which file holds a night, whose it is, and the stages that are kept."""

    path: Path
    stages: tuple[Annotation, ...]
    epochs: RowCoverage
    """Those that were scored, and why some of them are left out."""

    @property
    def subject(self) -> str:
        """Give the person: the set and two digits."""
        return self.path.name[:5]

    @property
    def offset_s(self) -> float:
        """Give the seconds from the person's first night's clock to this night's."""
        return (int(self.path.name[5]) - 1) * DAY_S


def read(folder: Path, options: SourceOptions) -> Reading:
    """Read one set from the folder that holds its files, or `sleep-cassette` or `sleep-telemetry`.

    Every hypnogram is read at once, signals when their windows are taken.
    """
    options.allow("sleep_edf")
    paths, ledger = find_recordings(folder), Ledger()
    spec = make_spec(EMG_RATE_HZ[paths[0].name[:2]])
    nights = [_night(path, ledger) for path in paths]
    return Reading(
        spec=spec,
        windows=(window for night in nights for window in _windows(night, spec, ledger)),
        source="Sleep-EDF Expanded 1.0.0 (Kemp et al. 2000), ODC-By 1.0, "
        "https://physionet.org/content/sleep-edfx/1.0.0/",
        label_names=LABELS,
        published=split_by_files([night.subject for night in nights]),
        total=sum(count_epochs(night.stages) for night in nights),
        ledger=ledger,
    )


def make_spec(emg_rate_hz: float) -> SignalSpec:
    """Describe the windows of the set whose EMG has this rate."""
    rates = {name: emg_rate_hz if name == "emg" else RATE_HZ for name in SIGNALS}
    return sampled_spec({name: ([name], "uV", rate) for name, rate in rates.items()}, EPOCH_S)


def find_recordings(folder: Path) -> list[Path]:
    """List one set's recordings in order of their names, in `folder` or directly below it."""
    roots = (folder, folder / "sleep-cassette", folder / "sleep-telemetry")
    paths = [path for root in roots for path in root.glob("S[CT][47][0-9][0-9][0-9]*-PSG.edf")]
    if not paths:
        raise DataError(
            f"no SC4…-PSG.edf or ST7…-PSG.edf in {folder}; download them from "
            "https://physionet.org/content/sleep-edfx/1.0.0/"
        )
    if len({path.name[:2] for path in paths}) > 1:
        raise DataError(
            f"{folder} holds sleep-cassette (SC) and sleep-telemetry (ST), whose EMG differ; "
            "name the folder of one of them"
        )
    paths.sort(key=lambda path: path.name)
    for one, other in pairwise(paths):
        if one.name[:6] == other.name[:6]:
            raise DataError(
                f"{one.relative_to(folder)} and {other.relative_to(folder)} are one night of one "
                "person; keep one of them"
            )
    return paths


def split_by_files(subjects: Sequence[str]) -> Mapping[str, Sequence[str]] | None:
    """Give CroSSL's split of sorted files as people, by the rule of this module."""
    held_out = TEST_FILES + VALIDATION_FILES
    if len(subjects) <= held_out:
        return None
    parts = {
        "test": subjects[-TEST_FILES:],
        "validation": subjects[-held_out:-TEST_FILES],
        "train": subjects[:-held_out],
    }
    taken: set[str] = set()
    split = {}
    for part, people in parts.items():
        split[part] = sorted(set(people) - taken)
        taken |= set(people)
    return split


def _night(path: Path, ledger: Ledger) -> Night:
    hypnograms = sorted(path.parent.glob(f"{path.name[:6]}*-Hypnogram.edf"))
    if len(hypnograms) != 1:
        raise DataError(
            f"{path.name} has {len(hypnograms) or 'no'} {path.name[:6]}…-Hypnogram.edf beside it, "
            "expected one; download it, too"
        )
    recording, hypnogram = open_edf(path), open_edf(hypnograms[0])
    shift_s = clock_shift_s(recording, hypnogram, ledger)
    scored = [
        replace(stage, start_s=stage.start_s + shift_s, stop_s=stage.stop_s + shift_s)
        for stage in read_stages(hypnogram)
    ]
    epochs = RowCoverage(np.sort(epoch_times((stage.start_s, stage.stop_s) for stage in scored)))
    for stage in scored:
        if stage.label in UNSCORED:
            epochs.drop(stage.start_s - 1e-6, stage.stop_s - 1e-6, f"of {stage.label!r}")
    stages = trim_wake(replace(s, label=STAGES[s.label]) for s in scored if s.label in STAGES)
    first_s, last_s = (stages[0].start_s, stages[-1].stop_s) if stages else (np.inf, np.inf)
    epochs.drop(-np.inf, first_s - 1e-6, WAKE)
    epochs.drop(last_s - 1e-6, np.inf, WAKE)
    return Night(path=path, stages=measured(stages, recording.spans(), epochs), epochs=epochs)


def _windows(night: Night, spec: SignalSpec, ledger: Ledger) -> Iterator[Window]:
    load = _loader(night.path, spec, ledger)
    windows = stage_windows(night.subject, night.stages, load, spec, ledger, night.epochs)
    for window in windows:
        yield replace(window, start_s=window.start_s + night.offset_s)


def _loader(path: Path, spec: SignalSpec, ledger: Ledger) -> Load:
    file = open_edf(path)
    signals = {
        name: signal for name, label in SIGNALS.items() if (signal := find_signal(file, (label,)))
    }
    if not signals:
        has = ", ".join(signal.label for signal in file.edf.signals)[:100]
        raise DataError(f"{path.name} has none of {', '.join(SIGNALS.values())}; it has {has}")
    ledger.read("recordings")
    ledger.keep("recordings")
    for name in SIGNALS:
        ledger.change("recordings", name not in signals, f"without {SIGNALS[name]!r}")
    for name, signal in signals.items():
        if signal.sampling_frequency < float(spec[name].rate_hz or 1.0) / 2:
            raise DataError(
                f"{path.name}: {SIGNALS[name]!r} is at {signal.sampling_frequency:g} Hz, expected "
                f"{spec[name].rate_hz:g} Hz; this is not the published file"
            )

    def load(start_s: float, stop_s: float) -> Tracks:
        return {
            name: Track(
                modality=replace(spec[name], rate_hz=float(signal.sampling_frequency)),
                values=possible_values(
                    path.name, file.cut(signal, start_s, stop_s)[None], spec[name], ledger
                ),
                start_s=start_s,
            )
            for name, signal in signals.items()
        }

    return load


def read_stages(file: EdfFile) -> list[Annotation]:
    """Read what a hypnogram says of every moment, in its own words and in order."""
    name, stages, until_s = file.header.path.name, [], -DAY_S
    for onset, duration, text in file.annotations():
        if text not in STAGES and text not in UNSCORED:
            stages_of = ", ".join([*STAGES, *UNSCORED])
            raise DataError(
                f"{name}: unknown stage {text[:40]!r} at {onset:g} s, expected {stages_of}"
            )
        if onset < until_s - 1e-6 or not duration >= 0:
            raise DataError(
                f"{name}: {text!r} at {onset:g} s begins before {until_s:g} s, where the stage "
                "before it ends; download it again"
            )
        until_s = onset + duration
        stages.append(Annotation(onset, until_s, text))
    if until_s > 2 * DAY_S:
        raise DataError(f"{name}: stages up to {until_s:g} s, expected a night; download it again")
    return stages


def clock_shift_s(recording: EdfFile, hypnogram: EdfFile, ledger: Ledger) -> float:
    """Give how many seconds after the recording the hypnogram's clock starts."""
    starts = [file.header.started for file in (recording, hypnogram)]
    names = [file.header.path.name for file in (recording, hypnogram)]
    for start, name in zip(starts, names, strict=True):
        if start is None:
            raise DataError(
                f"{name} names no date and time at which it starts, so that nothing says which "
                "stage is when; download it again"
            )
    shift_s = (starts[1] - starts[0]).total_seconds() if starts[0] and starts[1] else 0.0
    if abs(shift_s) >= DAY_S:
        raise DataError(
            f"{names[1]} starts at {starts[1]} and {names[0]} at {starts[0]}: they are not of one "
            "night; download both again"
        )
    ledger.change("recordings", shift_s != 0, f"with stages moved by {shift_s:g} s, as the "
                  "hypnogram's clock says")  # fmt: skip
    return shift_s
