"""FEV1, FVC and their ratio of one forced expiration [Miller et al. 2005, Eur. Respir. J. 26].

The window begins where the blow begins: nothing is extrapolated back to a time zero.
"""

from collections.abc import Iterator

import numpy as np

from sensor2llm.signals.facts.fact import Fact, Values
from sensor2llm.signals.spec import Modality, canonical_unit

FEV_S = 1.0


def is_spirogram(modality: Modality) -> bool:
    """Say whether one of the channels, on a time axis, is the `volume` breathed out in L."""
    return modality.axis == "time" and _volume_row(modality) is not None


def extract_lungs(modality: Modality, values: Values) -> Iterator[Fact]:
    """Extract `fev1` and `fvc` in L, and `fev1_fvc`; none of less than a second, or no volume.

    FEV1 is the volume breathed out 1 s after the start, FVC that at the window's end.
    """
    row = _volume_row(modality)
    assert row is not None
    volume = values[row]
    time_s = np.arange(len(volume)) / float(modality.rate_hz or 1.0)
    fev1, fvc = float(np.interp(FEV_S, time_s, volume)), float(volume[-1])
    if time_s[-1] < FEV_S or fvc <= 0:
        return
    for name, label, litres in (("fev1", "FEV1", fev1), ("fvc", "FVC", fvc)):
        yield Fact(name, modality.name, litres, "L", f"{modality.name}: {label} {litres:.2f} L")
    ratio = fev1 / fvc
    yield Fact("fev1_fvc", modality.name, ratio, "1", f"{modality.name}: FEV1/FVC {ratio:.2f}")


def _volume_row(modality: Modality) -> int | None:
    rows = [
        row
        for row, channel in enumerate(modality.channels)
        if channel.name == "volume" and canonical_unit(channel.unit) == "L"
    ]
    return rows[0] if rows else None
