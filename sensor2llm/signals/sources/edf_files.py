"""Open EDF and EDF+ files through edfio, an optional library; signals are read piece by piece."""

import warnings
from pathlib import Path
from typing import Any

from sensor2llm.errors import DataError


def open_edf(path: Path) -> Any:
    """Open a file and read its header: an `edfio.Edf` whose signals are read when they are cut.

    Raises:
        DataError: Where edfio is not installed, and for a missing or broken file.
    """
    try:
        import edfio
    except ImportError as error:
        raise DataError("reading .edf files needs edfio: pip install 'sensor2llm[edf]'") from error
    if not path.is_file():
        raise DataError(f"{path} is missing; download it again")
    try:
        with warnings.catch_warnings():
            # Said below, where it matters: published files may end within a record.
            warnings.simplefilter("ignore")
            edf = edfio.read_edf(path, lazy_load_data=True, header_encoding="latin-1")
        declared = _declared_records(path)
    except (ValueError, OSError, EOFError, IndexError) as error:
        raise DataError(f"{path.name} is no whole EDF file ({error}); download it again") from error
    if declared > edf.num_data_records + 1:
        raise DataError(
            f"{path.name} has {edf.num_data_records} of {declared} data records; download it again"
        )
    return edf


def find_signal(edf: Any, names: tuple[str, ...], path: Path, unit: str = "uV") -> Any | None:
    """Give the file's first signal that bears one of these names, in any case; `None` without one.

    Raises:
        DataError: If that signal is not in `unit`.
    """
    wanted = {name.lower() for name in names}
    for signal in edf.signals:
        if signal.label.strip().lower() in wanted:
            # "UV" and "uVrms" are written for it, too.
            if not signal.physical_dimension.lower().startswith(unit.lower()):
                raise DataError(
                    f"{path.name}: {signal.label!r} is in {signal.physical_dimension!r}, "
                    f"expected {unit}; this is not the published file"
                )
            return signal
    return None


def _declared_records(path: Path) -> int:
    """Read how many data records the header announces: 8 characters from the 236th byte on."""
    with path.open("rb") as file:
        return int(file.read(244)[236:])
