"""What `segment` tells a ledger: every window and every row, and what became of it."""

from dataclasses import replace

import numpy as np
import pytest

from sensor2llm.errors import DataError
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.segment import segment
from sensor2llm.signals.spec import Channel, Modality, SignalSpec
from sensor2llm.signals.window import Annotation, Recording, Track

WATCH = Modality(name="watch", channels=(Channel(name="x", unit="g"),), steps=20, rate_hz=10.0)
HEART = Modality(name="heart", channels=(Channel(name="bpm", unit="bpm"),), steps=2, rate_hz=1.0)
BEATS = Modality(name="beats", channels=(Channel(name="rr", unit="s"),), steps=4, axis="event")
PERSON = Modality(name="person", channels=(Channel(name="a", unit="1"),), steps=1, axis="none")
SPEC = SignalSpec(modalities=(WATCH, HEART, BEATS, PERSON), window_s=2.0)


def watched(seconds: float, *missing: tuple[float, float], notes=(), start_s=0.0) -> Recording:
    """Give a recording of the watch whose rows come at its rate, some of them without values."""
    times = start_s + np.arange(round(seconds * 10)) / 10
    values = np.sin(times)[None]
    for start, stop in missing:
        values[:, round(start * 10) : round(stop * 10)] = np.nan
    return Recording("ann", {"watch": Track(WATCH, values, start_s)}, notes, row_times_s=times)


def account(*recordings: Recording, **options) -> Ledger:
    ledger = Ledger()
    for recording in recordings:
        windows = list(segment(recording, SPEC, ledger=ledger, **options))
        assert len(windows) <= ledger["windows"].kept
    assert ledger.unbalanced() == {}
    return ledger


LABELS = (Annotation(0, 3, "sit"), Annotation(3, 20, "walk"))


@pytest.mark.parametrize(
    ("recording", "options", "rows", "windows"),
    [
        (watched(6.9), {}, (60, {"after the last whole window": 9}), (3, {})),
        (
            watched(10, notes=LABELS),
            {},
            (80, {"at a border between labels": 20}),
            (4, {"at a border between labels": 1}),
        ),
        # Half of the windows overlap: rows of the two that touch the border are in others too.
        (
            watched(10, notes=LABELS),
            {"overlap": 0.5},
            (100, {}),
            (8, {"at a border between labels": 1}),
        ),
        (
            watched(10, notes=LABELS),
            {"overlap": 0.25},
            (85, {"at a border between labels": 10, "after the last whole window": 5}),
            (5, {"at a border between labels": 1}),
        ),
        (watched(1.5), {}, (0, {"in a piece shorter than a window": 15}), (0, {})),
        (
            watched(10, (5, 6.5)),
            {},
            (60, {"after the last whole window": 25, "in a pause": 15}),
            (3, {}),
        ),
        (
            watched(6, (2, 2.5), (3, 3.8)),
            {"max_gap_s": 1.0, "max_nan_share": 0.2},
            (60, {}),
            (3, {}),
        ),
        (watched(4, start_s=1.7e9), {}, (40, {}), (2, {})),
        (watched(4.1, start_s=0.3), {"overlap": 0.9}, (40, {"after the last whole window": 1}),
         (11, {})),
    ],
)  # fmt: skip
def test_every_row_and_window_of_a_time_axis_is_accounted_for(recording, options, rows, windows):
    ledger = account(recording, **options)
    assert (ledger["rows"].kept, dict(ledger["rows"].dropped)) == rows
    assert (ledger["windows"].kept, dict(ledger["windows"].dropped)) == windows
    assert ledger["rows"].read == len(recording.row_times_s)


def test_what_is_missing_and_what_is_filled_is_counted():
    recording = watched(8, (2.3, 2.8), (4.9, 5.3))
    heart = Track(HEART, np.arange(8.0)[None])
    both = replace(recording, tracks={**recording.tracks, "heart": heart})
    ledger = account(both, max_nan_share=0.22)
    assert ledger["windows"].kept == 4
    assert ledger["windows"].changed == {
        "without watch, more than 22% missing": 1,
        "with up to 22% missing filled in": 1,
    }
    # Without the heart the piece is cut at the pauses, so nothing is left to be filled.
    assert account(recording)["windows"].dropped == {}


def test_a_window_without_enough_values_is_dropped_with_its_rows():
    gaps = [(s, s + 0.1) for s in np.arange(2.0, 4.0, 0.2)]
    ledger = account(watched(6, *gaps), max_gap_s=0.1, max_nan_share=0.1)
    assert ledger["windows"].kept == 3
    two = replace(watched(6), tracks={})
    channels = replace(WATCH, channels=(*WATCH.channels, Channel(name="y", unit="g")))
    values = np.stack([np.ones(60), np.where(np.arange(60) // 20 == 1, np.nan, 1.0)])
    recording = replace(two, tracks={"watch": Track(channels, values)})
    ledger = Ledger()
    spec = SignalSpec(modalities=(channels,), window_s=2.0)
    assert len(list(segment(recording, spec, ledger=ledger))) == 2
    assert ledger["rows"].dropped == {"with more than 5% missing": 20}
    assert ledger["windows"].dropped == {"with more than 5% missing": 1}
    assert ledger.unbalanced() == {}


def test_beats_count_by_their_own_times_also_where_they_fall_together():
    times = np.array([0.0, 1.0, 1.0, 2.0, 2.5, 3.0, 3.0, 3.1, 4.0])
    track = Track(BEATS, np.ones((1, 9)), stamps_s=times)
    recording = Recording("ann", {"beats": track}, row_times_s=times)
    ledger = account(recording, rows_unit="beats")
    assert ledger["beats"].read == 9
    assert ledger["beats"].kept == 8
    assert ledger["beats"].dropped == {"after the last whole window": 1}
    assert "rows" not in ledger.to_dict()


def test_rows_without_an_axis_are_a_window_each():
    values = np.array([[1.0, np.nan, 3.0]])
    times = np.arange(3.0)
    track = Track(PERSON, values, stamps_s=times)
    ledger = account(Recording("ann", {"person": track}, row_times_s=times))
    assert ledger["rows"].kept == 2
    assert ledger["rows"].dropped == {"with more than 5% missing": 1}


def test_rows_of_a_recording_without_any_sensor_are_dropped_too():
    ledger = account(Recording("ann", {}, row_times_s=np.arange(5.0)))
    assert ledger["rows"].dropped == {"without a value": 5}


def test_several_recordings_add_up():
    ledger = account(watched(6.9), watched(1.0), watched(4, notes=LABELS))
    assert ledger["rows"].read == 69 + 10 + 40
    assert ledger["windows"].read == 5
    assert ledger["rows"].kept == 60 + 20


@pytest.mark.parametrize(
    ("seconds", "overlap", "message"),
    [
        (3, 0.9999999, "windows of 2 s by less than one step of 0.1 s; give at most 0.95"),
        (3, 0.96, "moves windows of 2 s by less than one step"),
    ],
)
def test_windows_that_hardly_move_are_refused(seconds, overlap, message):
    with pytest.raises(DataError, match=message):
        list(segment(watched(seconds), SPEC, overlap=overlap))


def test_a_hundred_thousand_windows_that_repeat_each_other_are_refused():
    fast = replace(WATCH, rate_hz=100.0, steps=200)
    spec = SignalSpec(modalities=(fast,), window_s=2.0)
    recording = Recording("ann", {"watch": Track(fast, np.zeros((1, 110_000)))})
    with pytest.raises(DataError, match=r"overlap 0\.995 gives 109801 windows .* at most 0\.99"):
        next(segment(recording, spec, overlap=0.995))
