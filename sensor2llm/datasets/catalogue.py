"""The published data sets that `prepare` knows, who may use them and where they are downloaded.

A reader takes the folder that holds the published layout and gives a `Reading`. Its module is
imported when it is used, so that listing the names costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from sensor2llm.datasets.exports.catalogue import EXPORTS, open_export
from sensor2llm.errors import ConfigError
from sensor2llm.signals.reader_options import SourceOptions

if TYPE_CHECKING:
    from sensor2llm.signals.reading import Reading


@dataclass(frozen=True, kw_only=True)
class PublishedDataset:
    """A published data set: its title, licence, download page and the module that reads it."""

    title: str
    licence: str
    download: str
    module: str


SOURCES: dict[str, PublishedDataset] = {
    "uci_har": PublishedDataset(
        title="UCI HAR: smartphone at the waist, 30 people, 6 activities (Anguita et al. 2012)",
        licence="CC BY 4.0 on the UCI page; its README asks for a citation, no commercial use",
        download="https://archive.ics.uci.edu/dataset/240",
        module="motion.uci_har",
    ),
    "wisdm": PublishedDataset(
        title="WISDM 2019: phone in the pocket, watch on the wrist, 51 people, 18 activities "
        "(Weiss et al. 2019)",
        licence="CC BY 4.0",
        download="https://archive.ics.uci.edu/dataset/507",
        module="motion.wisdm",
    ),
    "wisdm_v1": PublishedDataset(
        title="WISDM v1.1: phone in the pocket, 36 people, 6 activities (Kwapisz et al. 2010)",
        licence="free for research with citation (WISDM Lab)",
        download="https://www.cis.fordham.edu/wisdm/dataset.php",
        module="motion.wisdm_v1",
    ),
    "pamap2": PublishedDataset(
        title="PAMAP2: hand, chest, ankle and heart rate, 9 people, 12 activities "
        "(Reiss & Stricker 2012)",
        licence="CC BY 4.0",
        download="https://archive.ics.uci.edu/dataset/231",
        module="motion.pamap2",
    ),
    "mhealth": PublishedDataset(
        title="MHEALTH: chest, ankle, arm and ECG, 10 people, 12 activities (Banos et al. 2014)",
        licence="CC BY 4.0",
        download="https://archive.ics.uci.edu/dataset/319",
        module="motion.mhealth",
    ),
    "motionsense": PublishedDataset(
        title="MotionSense: phone in the pocket, 24 people, 6 activities (Malekzadeh et al. 2018)",
        licence="ODbL 1.0",
        download="https://github.com/mmalekzadeh/motion-sense",
        module="motion.motionsense",
    ),
    "hhar": PublishedDataset(
        title="HHAR: phones and watches, 9 people, 6 activities (Stisen et al. 2015)",
        licence="CC BY 4.0",
        download="https://archive.ics.uci.edu/dataset/344",
        module="motion.hhar",
    ),
    "capture24": PublishedDataset(
        title="Capture-24: wrist accelerometer, 151 people, free living (Chan et al. 2024)",
        licence="CC BY 4.0",
        download="https://ora.ox.ac.uk/objects/uuid:99d7c092-d865-4a19-b096-cc16440cd001",
        module="motion.capture24",
    ),
    "wesad": PublishedDataset(
        title="WESAD: chest and wrist, 15 people, stress and affect (Schmidt et al. 2018)",
        licence="scientific, non-commercial use, with citation (UCI lists CC BY 4.0)",
        download="https://archive.ics.uci.edu/dataset/465",
        module="stress.wesad",
    ),
    "sleep_edf": PublishedDataset(
        title="Sleep-EDF Expanded: EEG, EOG, EMG with sleep stages (Kemp et al. 2000)",
        licence="ODC-By 1.0",
        download="https://physionet.org/content/sleep-edfx/1.0.0/",
        module="sleep.sleep_edf",
    ),
    "dreams": PublishedDataset(
        title="DREAMS sleep spindles: 8 people, EEG with sleep stages (Devuyst et al. 2011)",
        licence="with citation (DREAMS licence text)",
        download="https://zenodo.org/records/2650142",
        module="sleep.dreams",
    ),
    "physionet2018": PublishedDataset(
        title="PhysioNet/CinC 2018: polysomnography, 1,985 people, sleep stages "
        "(Ghassemi et al. 2018)",
        licence="ODC-By 1.0",
        download="https://physionet.org/content/challenge-2018/1.0.0/",
        module="sleep.physionet2018",
    ),
    "cinc2017": PublishedDataset(
        title="PhysioNet/CinC 2017: short single-lead ECG, 4 rhythms (Clifford et al. 2017)",
        licence="ODC-By 1.0",
        download="https://physionet.org/content/challenge-2017/1.0.0/",
        module="heart.cinc2017",
    ),
    "afdb": PublishedDataset(
        title="MIT-BIH AF: inter-beat intervals with rhythms, 25 records (Moody & Mark 1983)",
        licence="ODC-By 1.0",
        download="https://physionet.org/content/afdb/1.0.0/",
        module="heart.afdb",
    ),
    "af_rhythm": PublishedDataset(
        title="MIT-BIH AF as two rhythms, normal and atrial fibrillation, with simulated premature "
        "beats (Moody & Mark 1983)",
        licence="ODC-By 1.0",
        download="https://physionet.org/content/afdb/1.0.0/",
        module="heart.af_rhythm",
    ),
    "rr_intervals": PublishedDataset(
        title="inter-beat-interval text files, one beat a line, a folder a class",
        licence="the files' own",
        download="https://physionet.org/content/nsr2db/1.0.0/",
        module="heart.rr_intervals",
    ),
}


def describe_sources() -> dict[str, str]:
    """Say of everything that `prepare` knows by name what it is."""
    titles = {name: source.title for name, source in (SOURCES | EXPORTS).items()}
    return titles | {
        "simulated": "recordings of people who are made up; needs no download",
        "joined": "window stores side by side, each with its own sensors",
    }


def open_source(name: str, path: Path | None, options: SourceOptions) -> Reading:
    """Open a published data set or an export by name, or one's own table by its YAML description.

    Args:
        name: A key of `SOURCES` or `EXPORTS`, or the path of a `.yaml` file (see
            `sensor2llm.signals.tables`).
        path: The folder that holds the data, or an export's file; for a table it defaults to the
            YAML's own folder.
        options: Options of the reader.

    Raises:
        ConfigError: For an unknown name, naming those that exist, and for a missing folder.
        DataError: For files that are not in the published layout.
    """
    if Path(name).suffix in (".yaml", ".yml"):
        from sensor2llm.signals.tables.windows import read_windows

        options.allow(Path(name).name, "overlap", "window_s")
        return read_windows(name, overlap=options.overlap, window_s=options.window_s, folder=path)
    if name in EXPORTS:
        return open_export(name, path, options)
    if name not in SOURCES:
        if Path(name).exists():
            raise ConfigError(
                f"{name} has to be described first: sensor2llm init {name} --out mine.yaml writes "
                "it, then sensor2llm prepare mine.yaml"
            )
        names = ", ".join([*SOURCES, *EXPORTS, "simulated", "joined"])
        raise ConfigError(f"unknown data set {name!r}; choose from {names}, or give a TABLE.yaml")
    source = SOURCES[name]
    if path is None or not path.is_dir():
        fault = "no --from was given" if path is None else f"{path} is no folder"
        raise ConfigError(f"{name}: {fault}; download it from {source.download} and unpack it")
    reading: Reading = import_module(f"{__package__}.{source.module}").read(path, options)
    return reading
