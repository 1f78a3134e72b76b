"""What a .npz says of its windows: `NAME.rate_hz`, and `NAME.unit`, one or one a channel."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from sensor2llm.errors import SpecError, listed
from sensor2llm.signals.spec import Modality, SignalSpec
from sensor2llm.signals.tables.formats.npz_arrays import load_arrays, open_npz
from sensor2llm.signals.tables.npz import word_cells

STATED = ("rate_hz", "unit")


def npz_spec(path: Path, spec: SignalSpec) -> SignalSpec:
    """Give what a file says of its windows; `spec` itself where it says nothing.

    What is not said of a modality is as in `spec`; its steps are those of its array.
    """
    keys = {f"{name}.{what}" for name in spec.names for what in STATED}
    names, arrays = load_arrays(path, keys)
    if not arrays:
        return spec
    shapes = {name: array.shape for name, array in open_npz(path, spec.names, path)[1].items()}
    modalities = tuple(
        _stated(path, spec[name], spec.length_s(name), shapes[name], arrays)
        for name in spec.names
        if name in names
    )
    if not modalities:
        return spec
    return SignalSpec(modalities=modalities).subset(m.name for m in modalities)


def _stated(
    path: Path,
    ours: Modality,
    length_s: float | None,
    shape: tuple[int, ...],
    arrays: dict[str, np.ndarray],
) -> Modality:
    channels = ours.channels
    units = word_cells(
        path, f"{ours.name}.unit", np.ravel(arrays.get(f"{ours.name}.unit", ours.units))
    )
    rate = np.asarray(arrays.get(f"{ours.name}.rate_hz", ours.rate_hz or np.nan))
    if len(shape) != 3:
        raise SpecError(
            f"{path.name}: {ours.name!r} has shape {shape}; expected (window, channel, step)"
        )
    if len(units) not in (1, len(channels)):
        raise SpecError(
            f"{path.name}: '{ours.name}.unit' holds {len(units)} units; give one, or one for each "
            f"of {', '.join(ours.channel_names)}"
        )
    if rate.size != 1 or rate.dtype.kind not in "iuf":
        raise SpecError(
            f"{path.name}: '{ours.name}.rate_hz' must be one number, got {listed([str(rate)])}"
        )
    written = zip(channels, np.broadcast_to(units, len(channels)).tolist(), strict=True)
    rate_hz = None if np.isnan(rate).all() else float(rate.item())
    if length_s and rate_hz and abs(length_s * rate_hz - shape[2]) > 0.5:
        # Half a step off is rounding; more is another length.
        length_s = shape[2] / rate_hz
    return replace(
        ours,
        # Bounds are in the expected unit; they are looked at when the values are.
        channels=tuple(replace(c, unit=str(unit), low=None, high=None) for c, unit in written),
        steps=shape[2],
        rate_hz=rate_hz,
        window_s=length_s,
    )
