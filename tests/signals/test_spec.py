"""SignalSpec: JSON round trip, and what it refuses, naming both sides."""

import json
from dataclasses import replace

import numpy as np
import pytest

from sensor2llm.errors import SpecError
from sensor2llm.signals.spec import Channel, Modality, SignalSpec, canonical_unit
from sensor2llm.signals.window import Window


def accel(unit="m/s^2", **changes):
    fields = {"name": "watch_accel", "steps": 50, "rate_hz": 20.0} | changes
    return Modality(channels=tuple(Channel(name=c, unit=unit) for c in "xyz"), **fields)


BEATS = Modality(name="rr", channels=(Channel(name="interval", unit="ms"),), steps=60, axis="event")
ROW = Modality(name="person", channels=(Channel(name="age", unit="years"),), steps=1, axis="none")
SPEC = SignalSpec(modalities=(accel(), BEATS, ROW), window_s=2.5)


def test_json_round_trip_gives_an_equal_spec():
    assert SignalSpec.from_dict(json.loads(json.dumps(SPEC.to_dict()))) == SPEC


def test_window_length_follows_from_steps_and_rate():
    assert SignalSpec(modalities=(accel(),)).window_s == 2.5
    assert SignalSpec(modalities=(BEATS,)).window_s is None


def test_subset_keeps_order_and_drops_the_length_without_a_time_axis():
    assert SPEC.subset(["rr", "watch_accel"]).names == ("watch_accel", "rr")
    assert SPEC.subset(["rr"]).window_s is None
    with pytest.raises(SpecError, match="unknown modality 'gyro'; the spec has watch_accel, rr"):
        SPEC.subset(["gyro"])


@pytest.mark.parametrize(("one", "other"), [("m/s2", "m/s²"), ("dps", "deg/s"), ("µV", "uV")])
def test_spellings_of_a_unit_are_one_unit(one, other):
    assert canonical_unit(one) == canonical_unit(other)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "a/b"}, "modality name 'a/b' cannot be used"),
        ({"name": "labels"}, "modality name 'labels' cannot be used"),
        ({"steps": 0}, "steps of 'watch_accel' must be positive, got 0"),
        ({"rate_hz": None}, "needs a rate in Hz above 0, got None"),
        ({"rate_hz": 0.0}, "needs a rate in Hz above 0, got 0.0"),
        ({"axis": "none", "rate_hz": None}, "has no axis, so steps must be 1, got 50"),
        ({"axis": "event"}, "only a time axis has a rate, got 20 Hz"),
        ({"axis": "frequency"}, "unknown axis 'frequency' of 'watch_accel'; choose from time"),
    ],
)
def test_fields_of_a_modality_must_fit(changes, message):
    with pytest.raises(SpecError, match=message):
        accel(**changes)


def test_channels_need_different_names():
    with pytest.raises(SpecError, match="channels with different names"):
        replace(BEATS, channels=BEATS.channels * 2)
    with pytest.raises(SpecError, match="a channel needs a name"):
        Channel(name="", unit="g")


def test_a_spec_needs_modalities_with_different_names():
    with pytest.raises(SpecError, match="modalities with different names"):
        SignalSpec(modalities=(BEATS, BEATS))
    with pytest.raises(SpecError, match="modalities with different names"):
        SignalSpec(modalities=())


def test_steps_must_fit_rate_and_window():
    with pytest.raises(SpecError, match=r"has 50 steps at 20 Hz, but a window of 3 s has 60"):
        SignalSpec(modalities=(accel(),), window_s=3.0)
    SignalSpec(modalities=(accel(steps=51),), window_s=2.56)


def test_broken_json_is_a_spec_error():
    with pytest.raises(SpecError, match="not a signal spec"):
        SignalSpec.from_dict({"channels": 3})


def person(**bounds) -> SignalSpec:
    age = Channel(name="age", unit="years", **bounds)
    row = replace(ROW, channels=(age, Channel(name="male", unit="")))
    return SignalSpec(modalities=(row,))


def aged(years: float, male: float = 0.0) -> Window:
    return Window({"person": np.array([[years], [male]])})


def test_bounds_go_round_through_json_and_unset_ones_leave_no_trace():
    spec = person(low=20, high=80)
    assert SignalSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
    [row] = spec.to_dict()["modalities"]
    assert row["channels"] == [
        {"name": "age", "unit": "years", "low": 20, "high": 80},
        {"name": "male", "unit": ""},
    ]


def test_values_within_the_bounds_fit_the_bounds_included():
    for years in (20, 54.5, 80):
        person(low=20, high=80).check(aged(years, male=1e9))
    person(low=0.1).check(aged(0.1))
    person(high=80).check(aged(-1e9))


@pytest.mark.parametrize(
    ("bounds", "years", "message"),
    [
        ({"low": 20, "high": 80}, 670, "'person' with age 670 years, the spec expects 20 to 80; "),
        ({"low": 20, "high": 80}, -3, "'person' with age -3 years, the spec expects 20 to 80; "),
        (
            {"low": 20},
            19,
            "the spec expects 20 to inf; mend the value or its unit, or leave the mo",
        ),
    ],
)
def test_a_value_outside_the_bounds_is_named(bounds, years, message):
    with pytest.raises(SpecError, match=message):
        person(**bounds).check(aged(years))


@pytest.mark.parametrize("bounds", [{"low": 3, "high": 2}, {"low": float("nan")}])
def test_bounds_must_be_numbers_in_their_order(bounds):
    with pytest.raises(SpecError, match="bounds of channel 'age' must be numbers, low up to high"):
        person(**bounds)
    plain = person().to_dict()
    plain["modalities"][0]["channels"][0] |= {"low": "young"}
    with pytest.raises(SpecError, match="not a signal spec"):
        SignalSpec.from_dict(plain)


def test_bounds_do_not_decide_whether_data_are_compatible():
    person(low=20, high=80).check_compatible(person())
    person().check_compatible(person(low=20, high=80))


def test_a_row_with_a_gap_is_missing_and_a_signal_with_one_is_not():
    beats = np.full((1, 60), np.nan)
    given = Window({"rr": beats, "person": np.array([[np.nan]])}, "anna", "rest", 3.0)
    found = SPEC.without_gaps(given)
    assert list(found.signals) == ["rr"]
    assert (found.subject, found.label, found.start_s) == ("anna", "rest", 3.0)
    whole = Window({"rr": beats, "person": np.array([[54.0]])})
    assert SPEC.without_gaps(whole) is whole


def test_a_subset_keeps_lengths_that_are_longer_than_the_specs():
    slow = Modality(
        name="light", channels=(Channel(name="lux", unit="lx"),), steps=9, rate_hz=1, window_s=9.0
    )
    accel = Modality(name="accel", channels=(Channel(name="x", unit="g"),), steps=40, rate_hz=20.0)
    rr = Modality(name="rr", channels=(Channel(name="rr", unit="ms"),), steps=5, axis="event")
    spec = SignalSpec(modalities=(accel, slow, rr), window_s=2.0)
    assert spec.subset(["accel", "light"]).lengths_s == (2.0, 9.0)
    assert spec.subset(["light"]).length_s("light") == spec.subset(["light"]).window_s == 9.0


def test_windows_with_any_subset_of_modalities_fit():
    SPEC.check(Window({"rr": np.zeros((1, 60))}))
    SPEC.check(Window({"watch_accel": np.zeros((3, 50)), "person": np.zeros((1, 1))}))


@pytest.mark.parametrize(
    ("signals", "message"),
    [
        ({}, "window has no modality, the spec expects some of"),
        ({"gyro": np.zeros((3, 50))}, "unknown modality 'gyro', the spec expects watch_accel, rr"),
        ({"watch_accel": np.zeros((50, 3))}, r"of shape \(50, 3\).*transposed.*pass its .T"),
        ({"watch_accel": np.zeros((3, 40))}, r"\(3, 40\), the spec expects \(3, 50\) \(channel"),
        ({"rr": np.full((1, 60), np.nan)}, "with 60 NaN or infinite values"),
        ({"rr": np.full((1, 60), -1e30)}, r"values up to 1e\+30, .* at most 1e\+15; is the unit"),
    ],
)
def test_a_window_that_does_not_fit_is_named(signals, message):
    with pytest.raises(SpecError, match=message):
        SPEC.check(Window(signals))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (accel("g"), r"'watch_accel' in g, the spec expects m/s\^2; convert it or name the right"),
        (accel(steps=125, rate_hz=50.0), "at 50 Hz, the spec expects 20 Hz; resample"),
        (accel(steps=40), "with 40 steps, the spec expects 50"),
        (accel(axis="event", rate_hz=None), "on axis 'event', the spec expects 'time'"),
        (
            replace(accel(), channels=accel().channels[:2]),
            "channels x, y, the spec expects x, y, z",
        ),
        (accel(name="phone_accel"), "unknown modality 'phone_accel'"),
    ],
)
def test_another_spec_is_refused_naming_both_sides(given, message):
    with pytest.raises(SpecError, match=message):
        SPEC.check_compatible(SignalSpec(modalities=(given,)))


def test_missing_modalities_and_other_spellings_are_compatible():
    SPEC.check_compatible(SignalSpec(modalities=(accel("m/s2"),)))
