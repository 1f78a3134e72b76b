"""One spec that the modalities of several stores can be brought to."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sensor2llm.signals.spec import Modality, SignalSpec


def common_spec(
    specs: Sequence[SignalSpec],
    modalities: Sequence[Mapping[str, str]],
    rate_hz: float | None = None,
    window_s: float | None = None,
) -> SignalSpec:
    """Give a spec that all of these can be brought to, without making up what nobody measured.

    A modality takes channels and units of the first spec that has it, the lowest of the rates and
    the fewest events; windows are as long as the shortest.

    Args:
        specs: Of the stores.
        modalities: For each spec, its modalities' names -> common names.
        rate_hz: One rate for every time axis, in place of the lowest a modality.
        window_s: Length in seconds, in place of the shortest.

    Raises:
        SpecError: If a mapped name is unknown.
    """
    groups: dict[str, list[Modality]] = {}
    for spec, names in zip(specs, modalities, strict=True):
        for theirs, ours in names.items():
            groups.setdefault(ours, []).append(spec[theirs])
    lengths = [spec.window_s for spec in specs if spec.window_s]
    window_s = window_s or min(lengths, default=None)
    return SignalSpec(
        modalities=tuple(_common(name, group, rate_hz, window_s) for name, group in groups.items()),
        window_s=window_s if any(m.rate_hz for group in groups.values() for m in group) else None,
    )


def _common(
    name: str, group: Sequence[Modality], rate_hz: float | None, window_s: float | None
) -> Modality:
    rates = [m.rate_hz for m in group if m.rate_hz]
    if not rates:
        return replace(group[0], name=name, steps=min(m.steps for m in group))
    rate_hz = rate_hz or min(rates)
    steps = max(1, round((window_s or 0.0) * rate_hz))
    return replace(group[0], name=name, rate_hz=rate_hz, steps=steps)
