"""Windows that are already cut, fitted to the spec that an adapter or an encoder expects.

convert_store(store, adapter.spec)                        the store itself, or a view that converts
convert_windows(windows, store.spec, adapter.spec)     windows in memory

Units of one quantity are converted, other rates are resampled, and of longer windows the centre is
kept (see ConvertedView). What nobody measured is not made up: shorter windows are refused.
"""

import logging
import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice

from sensor2llm.errors import SpecError
from sensor2llm.signals.spec import Modality, SignalSpec, canonical_unit
from sensor2llm.signals.store.windows import Windows
from sensor2llm.signals.views.converted import ConvertedView, unit_factor
from sensor2llm.signals.views.in_memory import InMemoryWindows
from sensor2llm.signals.window import Window

logger = logging.getLogger(__name__)
# Converted at a time while windows stream by.
_CHUNK = 64


def convert_store(store: Windows, spec: SignalSpec, *, quiet: bool = False) -> Windows:
    """Give a store's windows in a spec, row by row: the store itself where it fits already.

    Modalities that the store lacks are missing sensors. What is converted is logged in one line.

    Raises:
        SpecError: If a modality is unknown, channels or axes differ, no conversion of a unit is
            known, or windows are shorter than expected; names both sides.
    """
    if not _differ(store.spec, spec, f"'{store.path}'"):
        return store
    if not quiet:
        _tell(str(store.path), store.spec, spec)
    view = _view(store, spec)
    # A written window has a modality, and all of them are mapped: rows mean the same in both.
    assert len(view) == len(store), "a view for an adapter keeps every row"
    return view


def convert_windows(
    windows: Iterable[Window], measured: SignalSpec, spec: SignalSpec, name: str = "windows"
) -> Iterator[Window]:
    """Give windows of one spec in another, one by one; the windows themselves where they fit.

    Args:
        windows: of the spec `measured`; they may lack modalities.
        measured: what they were measured in: units, rates, steps.
        spec: what is expected.
        name: what messages call them.

    Raises:
        SpecError: As `convert_store` does, and if a window does not fit `measured`.
    """
    if measured is spec or not _differ(measured, spec, name):
        return iter(windows)
    _tell(name, measured, spec)
    return _converted(windows, measured, spec, name)


def conversions(measured: SignalSpec, spec: SignalSpec) -> str:
    """Say what is converted from one spec to the other; '' where nothing is."""
    names_of: dict[str, list[str]] = {}
    for theirs in measured.modalities:
        if theirs.name in spec and (text := _conversion(theirs, measured, spec)):
            names_of.setdefault(text, []).append(theirs.name)
    return "; ".join(f"{', '.join(names)}: {text}" for text, names in names_of.items())


def _view(store: Windows, spec: SignalSpec) -> ConvertedView:
    names = store.spec.names
    subset = spec.subset(names)
    # The same steps at the same rate last as long, though the length was rounded another way.
    modalities = tuple(
        replace(m, window_s=store.spec.length_s(m.name))
        if _same_steps(store.spec[m.name], m)
        else m
        for m in subset.modalities
    )
    ours = SignalSpec(modalities=modalities, window_s=subset.window_s).subset(names)
    return ConvertedView(store, {name: name for name in names}, ours)


def _converted(
    windows: Iterable[Window], measured: SignalSpec, spec: SignalSpec, name: str
) -> Iterator[Window]:
    coming = iter(windows)
    while part := list(islice(coming, _CHUNK)):
        view = _view(InMemoryWindows(part, measured, name), spec)
        for window, made in zip(part, view, strict=True):
            yield replace(window, signals=made.signals, start_s=made.start_s)


def _tell(name: str, measured: SignalSpec, spec: SignalSpec) -> None:
    logger.info("%s is converted to what is expected: %s", name, conversions(measured, spec))


def _differ(measured: SignalSpec, spec: SignalSpec, name: str) -> bool:
    """Say whether anything has to be converted, and refuse what cannot be."""
    for theirs in measured.modalities:
        if theirs.name not in spec:
            spec.check_compatible(measured.subset([theirs.name]))
        spec[theirs.name].check_compatible(_as_if_converted(theirs, spec[theirs.name]))
        _check_length(theirs, measured, spec, name)
    return bool(conversions(measured, spec))


def _as_if_converted(theirs: Modality, ours: Modality) -> Modality:
    """Give what is left to compare once everything that can be converted is."""
    if (theirs.axis, theirs.channel_names) != (ours.axis, ours.channel_names):
        return theirs
    pairs = zip(theirs.channels, ours.channels, strict=True)
    channels = tuple(
        replace(a, unit=b.unit) if unit_factor(a.unit, b.unit) else a for a, b in pairs
    )
    return replace(theirs, channels=channels, steps=ours.steps, rate_hz=ours.rate_hz)


def _check_length(theirs: Modality, measured: SignalSpec, spec: SignalSpec, name: str) -> None:
    ours = spec[theirs.name]
    if _same_steps(theirs, ours):
        return
    has, wants, unit = measured.length_s(theirs.name), spec.length_s(ours.name), " s"
    if has is None or wants is None:
        has, wants, unit = theirs.steps, ours.steps, " steps"
    # A millionth: 2.56 s that was computed from steps and a rate.
    if has < wants * (1 - 1e-6):
        raise SpecError(
            f"{name} has {theirs.name!r} in windows of {has:g}{unit}, the spec expects "
            f"{wants:g}{unit}; prepare windows of {wants:g}{unit} or more"
        )


def _conversion(theirs: Modality, measured: SignalSpec, spec: SignalSpec) -> str:
    ours = spec[theirs.name]
    pairs = zip(map(canonical_unit, theirs.units), map(canonical_unit, ours.units), strict=False)
    changes = [f"{a} to {b}" for a, b in dict.fromkeys(pairs) if a != b]
    if _same_steps(theirs, ours):
        return ", ".join(changes)
    if not (theirs.rate_hz and ours.rate_hz):
        return ", ".join([*changes, f"{theirs.steps} steps to the {ours.steps} at the centre"])
    if not math.isclose(theirs.rate_hz, ours.rate_hz):
        changes.append(f"{theirs.rate_hz:g} Hz to {ours.rate_hz:g} Hz")
    has, wants = measured.length_s(theirs.name) or 0.0, spec.length_s(ours.name) or 0.0
    if not math.isclose(has, wants, rel_tol=1e-6):
        changes.append(f"{has:g} s to the {wants:g} s at the centre")
    # Where nothing else differs, steps were rounded another way.
    return ", ".join(changes) or f"{theirs.steps} steps to {ours.steps}"


def _same_steps(theirs: Modality, ours: Modality) -> bool:
    rates = theirs.rate_hz or 0.0, ours.rate_hz or 0.0
    return theirs.steps == ours.steps and math.isclose(*rates)
