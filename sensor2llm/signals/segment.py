"""Cut recordings into windows: aligned by time, by events, or row by row.

The rule for missing values: on a time axis, a NaN run of at most `max_gap_s` is filled linearly (at
a window's edge: with the nearest value); after that, a window with more than `max_nan_share` NaN in
any channel of a modality loses that modality, and what little remains is filled linearly. A window
that has lost everything is not given. Where all timed modalities pause for longer than
`max_gap_s`, the recording is cut: windows start afresh after the gap.

A ledger is told of every window, and of rows that have times: what is kept, why the rest is not.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from sensor2llm.errors import DataError, SpecError
from sensor2llm.signals.ledger.extents import NO_VALUE, CutState, Extent, pieces, row_times
from sensor2llm.signals.ledger.ledger import Ledger, RowCoverage
from sensor2llm.signals.resample import MAX_GAP_S, fill_short_gaps, interpolate_nan, resample
from sensor2llm.signals.spec import Modality, SignalSpec
from sensor2llm.signals.window import Recording, Track, Window
from sensor2llm.signals.window_labels import WindowLabels

LabelRule = Literal["majority", "none"]

BORDER = "at a border between labels"
SHORT = "in a piece shorter than a window"
PAUSE = "in a pause"
UNLABELLED = "outside the labels"


def excluded(label: str | None) -> str:
    """Give the reason for which windows of a label are left out."""
    return f"of {label!r}, which is left out"


@dataclass(frozen=True, kw_only=True)
class _Rules:
    overlap: float
    label_rule: LabelRule
    min_label_share: float
    drop_straddling: bool
    drop_unlabelled: bool
    exclude: Sequence[str]
    max_nan_share: float
    max_gap_s: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.overlap < 1.0:
            raise DataError(f"overlap must be at least 0 and below 1, got {self.overlap:g}")
        if self.label_rule not in get_args(LabelRule):
            choices = ", ".join(get_args(LabelRule))
            raise DataError(f"unknown label rule {self.label_rule!r}; choose from {choices}")


def segment(
    recording: Recording,
    spec: SignalSpec,
    overlap: float = 0.0,
    label_rule: LabelRule = "majority",
    max_nan_share: float = 0.05,
    *,
    min_label_share: float = 0.5,
    drop_straddling: bool = True,
    drop_unlabelled: bool = False,
    exclude: Sequence[str] = (),
    max_gap_s: float = MAX_GAP_S,
    ledger: Ledger | None = None,
    rows_unit: str = "rows",
    state: CutState | None = None,
) -> Iterator[Window]:
    """Cut a recording into windows of `spec`, in order of time.

    With a modality on a time axis present, windows have `spec.window_s`; every timed modality is
    brought to its rate in the spec and cut at the same time. An event modality then gives its last
    `steps` events up to the window's end. With events alone, the first event modality leads: each
    window holds `steps` of its events. A row (axis none) is the same in every window, or, with
    stamps, the latest up to the window's end; with rows alone, every row is a window.

    Args:
        recording: Tracks of the spec's modalities; others are left out, missing ones are absent.
        spec: What to cut.
        overlap: Share of a window that the next one repeats, 0 up to below 1.
        label_rule: `majority` takes the label that covers most of the window; `none` takes none.
        max_nan_share: See the rule for missing values above.
        min_label_share: Windows covered less than this by their label have no label.
        drop_straddling: Leave out windows that touch two labels.
        drop_unlabelled: Leave out windows without a label.
        exclude: Leave out windows with one of these labels.
        max_gap_s: See the rule for missing values above.
        ledger: Counts windows, and rows where the recording has `row_times_s`, once all windows
            are taken.
        rows_unit: What the ledger calls the rows: "rows", "beats", "samples".
        state: Of a recording that comes in parts: where this one goes on, and, once all its windows
            are taken, where the next one does.

    Raises:
        DataError: If an option is out of range, or asks for windows without end.
        SpecError: If a track's channels or units do not fit the spec, or the spec gives the tracks
            windows of different lengths.
    """
    rules = _Rules(
        overlap=overlap,
        label_rule=label_rule,
        min_label_share=min_label_share,
        drop_straddling=drop_straddling,
        drop_unlabelled=drop_unlabelled,
        exclude=exclude,
        max_nan_share=max_nan_share,
        max_gap_s=max_gap_s,
    )
    tracks = {m.name: conform_track(recording.tracks[m.name], m, max_gap_s)
              for m in spec.modalities if m.name in recording.tracks}  # fmt: skip
    state = CutState() if state is None else state
    return _windows(recording, tracks, spec, rules, ledger or Ledger(), rows_unit, state)


def conform_track(track: Track, modality: Modality, max_gap_s: float = MAX_GAP_S) -> Track:
    """Give a track at a modality's rate, its short pauses filled.

    Raises:
        SpecError: If its channels, units or axis do not fit.
    """
    source = track.modality
    # A track has any length, and is brought to the spec's rate: only the rest must fit.
    modality.check_compatible(replace(source, steps=modality.steps, rate_hz=modality.rate_hz)
                              if source.axis == modality.axis else source)  # fmt: skip
    if modality.axis != "time":
        return replace(track, modality=modality)
    rate_hz, new_rate_hz = float(source.rate_hz or 1.0), float(modality.rate_hz or 1.0)
    values = fill_short_gaps(track.values, math.floor(max_gap_s * rate_hz + 1e-9))
    values = resample(values, rate_hz, new_rate_hz)
    return replace(track, modality=modality, values=values)


def _windows(
    recording: Recording,
    tracks: Mapping[str, Track],
    spec: SignalSpec,
    rules: _Rules,
    ledger: Ledger,
    rows_unit: str,
    state: CutState,
) -> Iterator[Window]:
    notes = recording.annotations if rules.label_rule == "majority" else ()
    straddling, share = rules.drop_straddling, rules.min_label_share
    labels = WindowLabels(notes, drop_straddling=straddling, min_share=share)
    times = recording.row_times_s
    rows = RowCoverage(None if times is None else times[np.searchsorted(times, state.next_s) :])
    length_s, cut, kept = _length_s(tracks, spec), 0, 0
    complete = {name for name, track in tracks.items() if not np.isnan(track.values).any()}
    for piece in pieces(tracks, length_s, rules.overlap, rules.max_gap_s, state):
        rest = SHORT
        for extent in piece.extents:
            rest = piece.rest
            outcome = _window(recording, tracks, complete, labels, extent, rules, ledger)
            cut += 1
            if isinstance(outcome, Window):
                kept += 1
                rows.keep(extent.first_row_s, extent.below_row_s)
                yield outcome
            else:
                ledger.drop("windows", 1, outcome)
                rows.drop(extent.first_row_s, extent.below_row_s, outcome)
        rows.drop(piece.start_s, piece.stop_s, rest)
    # Window by window, these counts would take a tenth of the time of cutting.
    if cut:
        ledger.read("windows", cut)
        ledger.keep("windows", kept)
    rows.drop(-math.inf, math.inf, PAUSE if tracks else NO_VALUE)
    rows.account(ledger, rows_unit, state.next_s)


def _window(
    recording: Recording,
    tracks: Mapping[str, Track],
    complete: Collection[str],
    labels: WindowLabels,
    extent: Extent,
    rules: _Rules,
    ledger: Ledger,
) -> Window | str:
    """Cut one window, or say why there is none."""
    start_s, stop_s = extent[:2]
    label, straddles = labels.find(start_s, stop_s)
    if straddles:
        return BORDER
    if label is None and rules.drop_unlabelled:
        return UNLABELLED
    if label in rules.exclude:
        return excluded(label)
    missing = rules.max_nan_share, rules.max_gap_s
    signals = cut_signals(tracks, start_s, stop_s, ledger, *missing, complete)
    if isinstance(signals, dict):
        return Window(signals, recording.subject, label, start_s, recording.name or None)
    return signals


def cut_signals(
    tracks: Mapping[str, Track],
    start_s: float,
    stop_s: float,
    ledger: Ledger,
    max_nan_share: float = 0.05,
    max_gap_s: float = MAX_GAP_S,
    complete: Collection[str] = (),
) -> dict[str, np.ndarray] | str:
    """Cut one window of tracks at their spec's rates, by the rule for missing values above.

    `complete` are tracks without a NaN, which are not looked at for any.

    Returns:
        Values by modality, without those that are missing; where all are, the reason in words.
    """
    signals, mended = {}, False
    for name, track in tracks.items():
        values, share = _slice_of(track, start_s, stop_s, max_gap_s, name in complete)
        if share <= max_nan_share:
            signals[name] = interpolate_nan(values) if share else values.copy()
            mended = mended or share > 0
    if mended or len(signals) < len(tracks):
        most = f"{max_nan_share:.0%}"
        if not signals:
            return f"with more than {most} missing"
        for name in [name for name in tracks if name not in signals]:
            ledger.change("windows", 1, f"without {name}, more than {most} missing")
        ledger.change("windows", mended, f"with up to {most} missing filled in")
    return signals


def _length_s(tracks: Mapping[str, Track], spec: SignalSpec) -> float:
    lengths = {name: spec.length_s(name) for name in tracks}
    timed = {name: length for name, length in lengths.items() if length is not None}
    if len(set(timed.values())) > 1:
        listing = ", ".join(f"{name} {length:g} s" for name, length in timed.items())
        raise SpecError(
            f"one recording is cut into windows of one length, the spec expects {listing}; cut the "
            "sensors of each length on their own"
        )
    return max(timed.values(), default=0.0)


def _slice_of(
    track: Track, start_s: float, stop_s: float, max_gap_s: float, complete: bool
) -> tuple[np.ndarray, float]:
    """Give what a track has from one time to another, and the share of its worst channel's NaN."""
    modality = track.modality
    rate_hz = float(modality.rate_hz or 1.0)
    if modality.axis == "time":
        first = round((start_s - track.start_s) * rate_hz)
    elif modality.axis == "event":
        stop = int(np.searchsorted(track.times_s, stop_s + 1e-9, side="right"))
        first = stop - modality.steps
    else:
        first = int(np.searchsorted(row_times(track), stop_s + 1e-9, side="right")) - 1
    values = _slice(track.values, first, modality.steps)
    # Outside of the track there is nothing but NaN.
    if complete and 0 <= first <= track.values.shape[1] - modality.steps:
        return values, 0.0
    missing = np.isnan(values)
    if not missing.any():
        return values, 0.0
    if modality.axis == "time":
        values = fill_short_gaps(values, math.floor(max_gap_s * rate_hz + 1e-9))
        missing = np.isnan(values)
    return values, float(missing.mean(axis=1).max())


def _slice(values: np.ndarray, start: int, steps: int) -> np.ndarray:
    """Cut `steps` columns; those outside the track are NaN."""
    inside = values[:, max(start, 0) : max(start + steps, 0)]
    if inside.shape[1] == steps:
        return inside
    before = min(max(-start, 0), steps - inside.shape[1])
    padded = np.full((len(values), steps), np.nan, values.dtype)
    padded[:, before : before + inside.shape[1]] = inside
    return padded
