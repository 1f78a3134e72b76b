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

Subjects: the first five characters (`SC400`), so that a person's nights are one subject. The second
night's `start_s` counts from 24 h: the two do not overlap.

Split: CroSSL sorts the files and takes the last 8 for test, the 7 before them for validation
[CroSSL, released code]. That divides files: a person whose nights lie on a border would be in two
parts. Here such a person belongs wholly to the held-out part (test before validation). With the 39
files of the first 20 people no person lies on a border, so this is the same split. Folders with
fewer than 16 files have no published split.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sensor2llm.errors import DataError
from sensor2llm.signals.sources.config import SourceOptions
from sensor2llm.signals.sources.edf_files import find_signal, open_edf
from sensor2llm.signals.sources.reading import Reading
from sensor2llm.signals.sources.sleep_stages import (
    EPOCH_S,
    LABELS,
    Load,
    Tracks,
    between,
    count_epochs,
    stage_windows,
    trim_wake,
)
from sensor2llm.signals.spec import Channel, Modality, SignalSpec
from sensor2llm.signals.window import Annotation, Track, Window

SIGNALS = {
    "eeg_fpz_cz": "EEG Fpz-Cz",
    "eeg_pz_oz": "EEG Pz-Oz",
    "eog": "EOG horizontal",
    "emg": "EMG submental",
}
STAGES = {
    "Sleep stage W": "wake",
    "Sleep stage 1": "N1",
    "Sleep stage 2": "N2",
    "Sleep stage 3": "N3",
    "Sleep stage 4": "N3",
    "Sleep stage R": "REM",
}
UNSCORED = ("Sleep stage ?", "Movement time")
RATE_HZ, EMG_RATE_HZ = 100.0, {"SC": 1.0, "ST": 100.0}
TEST_FILES, VALIDATION_FILES = 8, 7
DAY_S = 86_400.0


@dataclass(frozen=True, kw_only=True)
class Night:
    """Say which file holds a night, whose it is, and the stages that are kept."""

    path: Path
    stages: tuple[Annotation, ...]

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

    Raises:
        ConfigError: For any option: windows are the scored 30 s.
        DataError: Without edfio, for a folder without recordings or with both sets, a recording
            without a hypnogram, an unknown stage, or a signal in another unit.
    """
    options.allow("sleep_edf")
    paths, notes = find_recordings(folder), Counter[str]()
    spec = make_spec(EMG_RATE_HZ[paths[0].name[:2]])
    nights = [_night(path, notes) for path in paths]
    return Reading(
        spec=spec,
        windows=(window for night in nights for window in _windows(night, spec, notes)),
        source="Sleep-EDF Expanded 1.0.0 (Kemp et al. 2000), ODC-By 1.0, "
        "https://physionet.org/content/sleep-edfx/1.0.0/",
        label_names=LABELS,
        published=split_by_files([night.subject for night in nights]),
        total=sum(count_epochs(night.stages) for night in nights),
        notes=notes,
    )


def make_spec(emg_rate_hz: float) -> SignalSpec:
    """Describe the windows of the set whose EMG has this rate."""
    rates = {name: emg_rate_hz if name == "emg" else RATE_HZ for name in SIGNALS}
    return SignalSpec(
        window_s=EPOCH_S,
        modalities=tuple(
            Modality(
                name=name,
                channels=(Channel(name=name, unit="uV"),),
                steps=round(EPOCH_S * rate_hz),
                rate_hz=rate_hz,
            )
            for name, rate_hz in rates.items()
        ),
    )


def find_recordings(folder: Path) -> list[Path]:
    """List one set's recordings in order of their names, in `folder` or directly below it.

    Raises:
        DataError: Where there is none, or where there are both sets.
    """
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
    return sorted(paths, key=lambda path: path.name)


def read_stages(path: Path, notes: Counter[str]) -> tuple[Annotation, ...]:
    """Read a hypnogram: stages of `LABELS` in order; what is not scored is counted in `notes`.

    Raises:
        DataError: For a broken file or an unknown stage.
    """
    stages = []
    for note in open_edf(path).annotations:
        stop_s = note.onset + (note.duration or 0.0)
        if note.text in STAGES:
            stages.append(Annotation(note.onset, stop_s, STAGES[note.text]))
        elif note.text in UNSCORED:
            notes[f"30 s epochs of {note.text!r}"] += round((note.duration or 0.0) / EPOCH_S)
        else:
            known = ", ".join([*STAGES, *UNSCORED])
            raise DataError(
                f"{path.name}: unknown stage {note.text!r} at {note.onset:g} s, expected {known}"
            )
    return tuple(stages)


def split_by_files(subjects: Sequence[str]) -> Mapping[str, Sequence[str]] | None:
    """Give CroSSL's split of sorted files as people, by the rule of this module.

    Args:
        subjects: The person of each file, in order of the files' names.
    """
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


def _night(path: Path, notes: Counter[str]) -> Night:
    hypnograms = sorted(path.parent.glob(f"{path.name[:6]}*-Hypnogram.edf"))
    if not hypnograms:
        raise DataError(
            f"{path.name} has no {path.name[:6]}…-Hypnogram.edf beside it; download it, too"
        )
    scored = read_stages(hypnograms[0], notes)
    stages = trim_wake(scored)
    dropped = count_epochs(scored) - count_epochs(stages)
    notes["30 s epochs of wake over 30 min from sleep"] += dropped
    measured = between(stages, 0.0, float(open_edf(path).duration))
    notes["30 s epochs after the recording's end"] += count_epochs(stages) - count_epochs(measured)
    return Night(path=path, stages=measured)


def _windows(night: Night, spec: SignalSpec, notes: Counter[str]) -> Iterator[Window]:
    load = _loader(night.path, spec, notes)
    for window in stage_windows(night.subject, night.stages, load, spec, notes):
        yield replace(window, start_s=window.start_s + night.offset_s)


def _loader(path: Path, spec: SignalSpec, notes: Counter[str]) -> Load:
    edf = open_edf(path)
    found = {name: find_signal(edf, (label,), path) for name, label in SIGNALS.items()}
    for name, signal in found.items():
        notes[f"recordings without {SIGNALS[name]!r}"] += signal is None
    signals = {name: signal for name, signal in found.items() if signal is not None}
    if not signals:
        raise DataError(
            f"{path.name} has none of {', '.join(SIGNALS.values())}; it has {', '.join(edf.labels)}"
        )

    def load(start_s: float, stop_s: float) -> Tracks:
        return {
            name: Track(
                modality=replace(spec[name], rate_hz=float(signal.sampling_frequency)),
                values=signal.get_data_slice(start_s, stop_s)[None],
                start_s=start_s,
            )
            for name, signal in signals.items()
        }

    return load
