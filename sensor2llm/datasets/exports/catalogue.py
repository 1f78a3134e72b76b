"""The exports of people's devices that `prepare` reads by name.

    sensor2llm prepare empatica --from sessions --labels intervals.csv --out stores/mine

`--from` is a file, a .zip or a folder of these; see `samples.files` for whose they are, and
`samples.intervals` for the table of labels, without which windows have none.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from sensor2llm.errors import ConfigError
from sensor2llm.signals.reader_options import SourceOptions

if TYPE_CHECKING:
    from sensor2llm.signals.reading import Reading


@dataclass(frozen=True, kw_only=True)
class DeviceExport:
    """A kind of export: what it is, how it is got, and the module that reads it."""

    title: str
    how: str
    module: str


EXPORTS: dict[str, DeviceExport] = {
    "empatica": DeviceExport(
        title="Empatica E4: sessions with ACC.csv, BVP.csv, EDA.csv, TEMP.csv, HR.csv, IBI.csv",
        how="download a session as .zip from E4 connect",
        module="empatica",
    ),
    "actigraph": DeviceExport(
        title="ActiGraph: .gt3x, and CSV files of ActiLife (raw or counts)",
        how="take the .gt3x, or export CSV in ActiLife",
        module="actigraph",
    ),
    "axivity": DeviceExport(
        title="Axivity AX3 and AX6: .cwa, CSV files of OmGui, UK Biobank's epochs",
        how="download the .cwa with OmGui, or export it as CSV there",
        module="axivity",
    ),
    "apple_health": DeviceExport(
        title="Apple Health: export.zip or export.xml; heart rate, steps, active energy",
        how="in the app Health: your picture, Export All Health Data",
        module="apple_health",
    ),
    "fitbit": DeviceExport(
        title="Fitbit: Google Takeout or the account's archive; heart rate, steps",
        how="at takeout.google.com, choose Fitbit or Google Health",
        module="fitbit",
    ),
    "fit": DeviceExport(
        title="FIT files of Garmin, Wahoo, Coros and others (extra [fit])",
        how="export the original file of an activity, or copy it from the device",
        module="fit",
    ),
    "polar": DeviceExport(
        title="Polar: .hrm files with RR intervals, and beat lists of Polar Sensor Logger",
        how="export the RR intervals as .hrm or .txt",
        module="beats",
    ),
    "kubios": DeviceExport(
        title="beat lists as Kubios HRV reads them: a beat a line, .txt or .csv",
        how="save the RR intervals, one a line, or time and interval",
        module="beats",
    ),
    "phyphox": DeviceExport(
        title="phyphox: exported CSV files of a phone's motion sensors, .zip or folder",
        how="in phyphox: Export Data, CSV",
        module="phyphox",
    ),
    "sensor_logger": DeviceExport(
        title="Sensor Logger: .zip or folder of CSV files of a phone and a watch",
        how="in Sensor Logger: export as Zipped CSV",
        module="sensor_logger",
    ),
}


def open_export(name: str, path: Path | None, options: SourceOptions) -> Reading:
    """Open an export of the device `name`, a key of `EXPORTS`.

    Raises:
        ConfigError: For a file or folder that is not there.
        DataError: For files that are not as the device writes them.
    """
    export = EXPORTS[name]
    if path is None or not path.exists():
        fault = "no --from was given" if path is None else f"{path} does not exist"
        raise ConfigError(f"{name}: {fault}; {export.how}")
    reading: Reading = import_module(f"{__package__}.{export.module}").read(path, options, name)
    return reading
