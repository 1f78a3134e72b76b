"""The published data sets that `prepare` knows, who may use them and where they are downloaded.

A reader takes the folder that holds the published layout and gives a `Reading`. Its module is
imported when it is used, so that listing the names costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sensor2llm.errors import ConfigError
from sensor2llm.signals.sources.config import SourceOptions

if TYPE_CHECKING:
    from sensor2llm.signals.sources.reading import Reading


@dataclass(frozen=True, kw_only=True)
class Source:
    """A published data set: its title, licence, download page and reader."""

    title: str
    licence: str
    download: str
    read: Callable[[Path, SourceOptions], Reading]


def _uci_har(folder: Path, options: SourceOptions) -> Reading:
    from sensor2llm.signals.sources import uci_har

    return uci_har.read(folder, options)


def _wisdm(folder: Path, options: SourceOptions) -> Reading:
    from sensor2llm.signals.sources import wisdm

    return wisdm.read(folder, options)


SOURCES: dict[str, Source] = {
    "uci_har": Source(
        title="UCI HAR: smartphone at the waist, 30 people, 6 activities (Anguita et al. 2012)",
        licence="CC BY 4.0 on the UCI page; its README asks for a citation, no commercial use",
        download="https://archive.ics.uci.edu/dataset/240",
        read=_uci_har,
    ),
    "wisdm": Source(
        title="WISDM 2019: phone and watch, 51 people, 18 activities (Weiss et al. 2019)",
        licence="CC BY 4.0",
        download="https://archive.ics.uci.edu/dataset/507",
        read=_wisdm,
    ),
}


def open_source(name: str, path: Path | None, options: SourceOptions) -> Reading:
    """Open a published data set by name, or one's own table by its YAML description.

    Args:
        name: A key of `SOURCES`, or the path of a `.yaml` file (see `sensor2llm.signals.table`).
        path: The folder that holds the data; for a table it defaults to the YAML's own folder.
        options: Options of the reader.

    Raises:
        ConfigError: For an unknown name, naming those that exist, and for a missing folder.
        DataError: For files that are not in the published layout.
    """
    if Path(name).suffix in (".yaml", ".yml"):
        from sensor2llm.signals.table import read

        return read(Path(name), path, options)
    if name not in SOURCES:
        known = ", ".join([*SOURCES, "simulated"])
        raise ConfigError(f"unknown data set {name!r}; choose from {known}, or give a TABLE.yaml")
    source = SOURCES[name]
    if path is None or not path.is_dir():
        given = "no --from was given" if path is None else f"{path} is no folder"
        raise ConfigError(f"{name}: {given}; download it from {source.download} and unpack it")
    return source.read(path, options)
