"""Windows in numbers: what they measure, that they do not depend on the rate, and stillness."""

from dataclasses import replace

import numpy as np
import pytest

from sensor2llm.signals.likeness.statistics import BANDS, WindowStatistics, band_edges_hz
from sensor2llm.signals.spec import Channel, Modality, SignalSpec
from tests.toy_store import SPEC

FLOORS = {m.name: np.full(len(m.channels), 1e-3) for m in SPEC.modalities}
STATISTICS = WindowStatistics(SPEC, FLOORS)
TURN_FREE = replace(STATISTICS, turn_free=frozenset({"watch_accel"}))


def accelerometer(rate_hz: float) -> SignalSpec:
    channels = tuple(Channel(name=axis, unit="g") for axis in "xyz")
    steps = round(4 * rate_hz)
    return SignalSpec(
        modalities=(Modality(name="accel", channels=channels, steps=steps, rate_hz=rate_hz),)
    )


def walk(rate_hz: float) -> np.ndarray:
    """Give 4 s of 2 Hz steps along x, gravity along z."""
    time = np.arange(round(4 * rate_hz)) / rate_hz
    return np.stack([np.sin(4 * np.pi * time), 0 * time, 1 + 0 * time])[None]


def numbers_of(rate_hz: float) -> dict[tuple[str, int, int], float]:
    statistics = WindowStatistics(accelerometer(rate_hz), {"accel": np.full(3, 1e-3)})
    values = statistics.of("accel", walk(rate_hz))[0]
    names = statistics.names("accel")
    return {(s.kind, s.channel, s.band): v for s, v in zip(names, values, strict=True)}


@pytest.mark.parametrize("name", SPEC.names)
def test_there_is_a_name_for_every_number(name):
    values = np.random.default_rng(0).normal(size=(5, *SPEC[name].shape))
    assert STATISTICS.of(name, values).shape == (5, len(STATISTICS.names(name)))


def test_level_spread_and_gravity_are_what_they_are_called():
    numbers = numbers_of(50.0)
    assert numbers["level", 2, -1] == pytest.approx(1.0)
    assert numbers["norm", -1, -1] == pytest.approx(1.0, abs=1e-6)
    assert numbers["spread", 0, -1] == pytest.approx(np.log(np.sqrt(0.5) + 1e-3))
    assert numbers["spread", 1, -1] == pytest.approx(np.log(1e-3))


def test_the_spectrum_is_highest_where_the_steps_are():
    edges = band_edges_hz(accelerometer(50.0)["accel"])
    numbers = numbers_of(50.0)
    shares = [numbers["spectrum", 0, band] for band in range(BANDS)]
    assert int(np.argmax(shares)) == np.searchsorted(edges, 2.0) - 1


@pytest.mark.parametrize("rate_hz", [20.0, 25.0, 100.0])
def test_movement_is_the_same_at_any_rate(rate_hz):
    ours, theirs = numbers_of(50.0), numbers_of(rate_hz)
    for key, value in ours.items():
        assert theirs[key] == pytest.approx(value, abs=0.12), key


@pytest.mark.parametrize("statistics", [STATISTICS, TURN_FREE], ids=["axes", "turns"])
def test_stillness_has_numbers(statistics):
    still = np.zeros((2, *SPEC["watch_accel"].shape))
    numbers = statistics.of("watch_accel", still)
    assert np.isfinite(numbers).all()
    assert numbers.shape[1] == len(statistics.names("watch_accel"))


def test_no_turn_changes_what_is_turn_free():
    rng = np.random.default_rng(3)
    values = rng.normal(size=(4, 3, 40)) + rng.normal(size=(4, 3, 1))
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    ours, theirs = (TURN_FREE.of("watch_accel", v) for v in (values, turn @ values))
    np.testing.assert_allclose(ours, theirs, atol=1e-9)
    assert not np.allclose(*(STATISTICS.of("watch_accel", v) for v in (values, turn @ values)))
    level = np.linalg.norm(values.mean(-1), axis=1)
    np.testing.assert_allclose(ours[:, 0], level)
