"""What readers of published data sets share: where files lie, what windows hold, what can be."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from sensor2llm.errors import DataError, SpecError
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.ledger.plausible import measured_values
from sensor2llm.signals.spec import Channel, Modality, SignalSpec


def find_root(folder: Path, below: Sequence[str], holds: str, download: str) -> Path:
    """Find the published folder at `folder` or at one of the places `below` it."""
    for root in (folder, *(folder / path for path in below)):
        if root.is_dir() and any(root.glob(holds)):
            return root
    raise DataError(f"no '{below[0]}/{holds}' in {folder}; unpack the archive of {download} there")


def number_files(root: Path, pattern: str, prefix: str) -> dict[int, Path]:
    """List the files `<prefix><number>` by their numbers, which name people, one a person."""
    files: dict[int, Path] = {}
    for path in sorted(root.glob(pattern)):
        number = path.stem.removeprefix(prefix)
        if not re.fullmatch("[0-9]{1,6}", number):
            raise DataError(f"{path.name[:60]} names no person; expected {prefix}1{path.suffix}")
        if int(number) in files:
            raise DataError(
                f"{path.name} and {files[int(number)].name} are of one person; keep one of them"
            )
        files[int(number)] = path
    return dict(sorted(files.items()))


def sampled_spec(
    sensors: Mapping[str, tuple[Sequence[str], str, float]], window_s: float
) -> SignalSpec:
    """Describe windows of regular samples by each sensor's channels, unit and rate in Hz."""
    return SignalSpec(
        window_s=window_s,
        modalities=tuple(
            Modality(
                name=name,
                channels=tuple(Channel(name=channel, unit=unit) for channel in channels),
                steps=max(1, round(window_s * rate_hz)),
                rate_hz=rate_hz,
            )
            for name, (channels, unit, rate_hz) in sensors.items()
        ),
    )


def axis_spec(
    sensors: Mapping[str, tuple[Sequence[str], str]], rate_hz: float, window_s: float
) -> SignalSpec:
    """Describe windows of sensors of one rate by axes and unit; a channel is `<sensor>_<axis>`."""
    named = {
        name: ([f"{name}_{axis}" for axis in axes], unit, rate_hz)
        for name, (axes, unit) in sensors.items()
    }
    return sampled_spec(named, window_s)


def possible_values(
    where: str,
    values: Float[np.ndarray, "channel sample"],
    modality: Modality,
    ledger: Ledger,
) -> Float[np.ndarray, "channel sample"]:
    """Give the values with NaN for those that their unit cannot have; `ledger` counts the samples.

    A channel most of which cannot be is in another unit: a SpecError that names `where`, the file
    or person.
    """
    try:
        return measured_values(values, modality, modality.channel_names, (), ledger, "samples")
    except SpecError as error:
        raise SpecError(f"{where}: {error}") from error
