"""Read WESAD [Schmidt et al. 2018]: chest and wrist, 15 people, stress and affect.

Layout, as published: a folder `WESAD/S{n}` a person (2 to 17 without 12) with `S{n}.pkl`, which
holds both devices and the labels, and `S{n}_E4_Data` (unpacked from its zip), which holds the wrist
device's own CSV files and no labels.

    modality     Hz   unit   what
    wrist_bvp    64   1      blood volume pulse, arbitrary unit
    wrist_acc    32   g      x, y, z
    wrist_eda    4    uS     electrodermal activity
    wrist_temp   4    degC   skin temperature
    chest_ecg    100  mV     electrocardiogram
    chest_emg    100  mV     electromyogram; what lies above 50 Hz is filtered out
    chest_eda    4    uS
    chest_temp   4    degC
    chest_resp   100  %      breathing belt
    chest_acc    100  g      x, y, z

The chest device measures at 700 Hz; its signals are filtered and brought to the rates above. A
temperature outside 0 to 50 degC is no skin temperature (the wrist device starts at 382, a loose
chest sensor falls far below 0): missing.

Where every person has the pickle, it is read, with its official labels. Otherwise the wrist's CSV
files are read, with labels from a file `*labels*.csv` in the person's folder:

    start_s,condition
    0,none
    1862,baseline
    2986,none

Each row holds until the next; seconds count from the first sample of the wrist device. Conditions:
none, baseline, stress, amusement, meditation. A file called `*estimated*` is named as such in the
store's source: its labels are not the published ones.

Windows: 30 s, half overlapping, and wholly within one condition; others are left out and counted.
With `classes stress`, baseline, amusement and meditation are "no stress". There is no published
split: split by subject. CroSSL's protocol takes windows of 1000 samples of the chest's ECG, EMG and
EDA: `devices chest`, `window_s 10`, and these three modalities (EDA has 40 samples here).
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from sensor2llm.datasets.published import find_root, sampled_spec
from sensor2llm.datasets.stress import wesad_pickle, wesad_wrist
from sensor2llm.errors import ConfigError, DataError
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.reader_options import SourceOptions
from sensor2llm.signals.reading import Reading
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.transforms import segment
from sensor2llm.signals.window import Recording

MODALITIES: dict[str, tuple[float, str, str]] = {
    "wrist_bvp": (64.0, "1", ""),
    "wrist_acc": (32.0, "g", "xyz"),
    "wrist_eda": (4.0, "uS", ""),
    "wrist_temp": (4.0, "degC", ""),
    "chest_ecg": (100.0, "mV", ""),
    "chest_emg": (100.0, "mV", ""),
    "chest_eda": (4.0, "uS", ""),
    "chest_temp": (4.0, "degC", ""),
    "chest_resp": (100.0, "%", ""),
    "chest_acc": (100.0, "g", "xyz"),
}
"""Rate in Hz, unit and axes of each modality."""

CONDITIONS = ("baseline", "stress", "amusement", "meditation")
CLASSES = {
    "all": {name: name for name in CONDITIONS},
    "stress": {name: "stress" if name == "stress" else "no stress" for name in CONDITIONS},
}
"""Label text of each condition."""

WINDOW_S, OVERLAP = 30.0, 0.5
DOWNLOAD = "https://archive.ics.uci.edu/dataset/465"
# A sum of two neighbouring conditions' seconds may miss the window's length by rounding.
WHOLLY = 1 - 1e-6


def read(folder: Path, options: SourceOptions) -> Reading:
    """Read the data set from the folder that holds (or is) `WESAD`."""
    options.allow("wesad", "overlap", "window_s", "devices", "classes")
    people = find_people(folder)
    devices = choose_devices(options.devices, people)
    spec = make_spec(devices, options.window_s or WINDOW_S)
    texts = CLASSES[options.classes or "all"]
    ledger = Ledger()
    recorded, labels = choose_files(people, spec, texts, ledger)
    return Reading(
        spec=spec,
        windows=(
            window
            for recording in recorded
            for window in segment(
                recording,
                spec,
                overlap=OVERLAP if options.overlap is None else options.overlap,
                min_label_share=WHOLLY,
                drop_straddling=False,  # one across two conditions of a class is within the class
                drop_unlabelled=True,
                ledger=ledger,
                rows_unit="samples",
            )
        ),
        source=f"WESAD (Schmidt et al. 2018), {DOWNLOAD}; {labels}",
        label_names=tuple(dict.fromkeys(texts.values())),
        ledger=ledger,
    )


def make_spec(devices: tuple[str, ...], window_s: float = WINDOW_S) -> SignalSpec:
    """Describe the windows of these devices (`wrist`, `chest`)."""
    sensors = {
        name: ([f"{name}_{axis}" for axis in axes] or [name], unit, rate_hz)
        for name, (rate_hz, unit, axes) in MODALITIES.items()
        if name.startswith(devices)
    }
    return sampled_spec(sensors, window_s)


def find_people(folder: Path) -> dict[str, Path]:
    """List the people's folders by name, S2 first."""
    root = find_root(folder, ("WESAD",), "S[0-9]*", DOWNLOAD)
    paths = [path for path in root.glob("S*") if path.is_dir() and path.name[1:].isdigit()]
    return {path.name: path for path in sorted(paths, key=lambda path: int(path.name[1:]))}


def choose_devices(wanted: str | None, people: Mapping[str, Path]) -> tuple[str, ...]:
    """Choose the devices: those wanted, or all that can be read."""
    if wanted not in (None, "wrist", "chest", "both"):
        raise ConfigError(f"wesad has no device {wanted!r}; choose from wrist, chest, both")
    missing = [name for name, path in people.items() if not _pickle(path).is_file()]
    if wanted in ("chest", "both") and missing:
        raise DataError(
            f"the chest's signals are in the pickles alone, and {missing[0]}.pkl is missing "
            f"({len(missing)} of {len(people)} people); download them, or take --devices wrist"
        )
    if wanted in (None, "both"):
        return ("wrist",) if missing else ("wrist", "chest")
    return (wanted,)


def choose_files(
    people: Mapping[str, Path], spec: SignalSpec, texts: Mapping[str, str], ledger: Ledger
) -> tuple[Iterator[Recording], str]:
    """Choose between pickles and CSV files, for all people alike: their labels differ.

    Returns:
        The recordings, read one at a time, and where their labels come from.
    """
    if all(_pickle(path).is_file() for path in people.values()):
        pickled = (
            wesad_pickle.recording(_pickle(path), name, spec, texts, ledger)
            for name, path in people.items()
        )
        return pickled, "official labels"
    files = {name: wesad_wrist.find_labels(path) for name, path in people.items()}
    measured = (
        wesad_wrist.recording(people[name], labels, spec, texts, ledger)
        for name, labels in files.items()
    )
    return measured, wesad_wrist.describe_labels(files.values())


def _pickle(folder: Path) -> Path:
    return folder / f"{folder.name}.pkl"
