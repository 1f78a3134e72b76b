"""Windows as other devices would give them: what each change keeps and what it takes."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.any_motion.devices import devices, table
from sensor2llm.signals.spec import Channel, Modality, SignalSpec
from sensor2llm.signals.window import Window

SPEC = SignalSpec(
    modalities=tuple(
        Modality(name=name, channels=tuple(Channel(name=a, unit=unit) for a in "xyz"), steps=40,
                 rate_hz=20.0)
        for name, unit in (("accel", "g"), ("gyro", "rad/s"))
    ),
    window_s=2.0,
)  # fmt: skip
NAMES = ["as recorded", "each recording turned at random", "10 Hz", "without gravity",
         "accel alone", "gyro alone", "m/s^2 called g"]  # fmt: skip


def window(recording: str = "walk") -> Window:
    values = np.random.default_rng(0).normal(size=(2, 3, 40)).astype(np.float32) + 1
    return Window(dict(zip(SPEC.names, values, strict=True)), "a", "walk", recording=recording)


def changed(name: str, one: Window) -> Window:
    spec, change = devices(SPEC)[name]
    given = change(one)
    spec.check(given)
    return given


def test_every_device_is_named_and_its_windows_fit_its_spec():
    assert list(devices(SPEC)) == NAMES
    for name in NAMES:
        assert changed(name, window()).label == "walk"
    assert changed("as recorded", window()).signals.keys() == window().signals.keys()


def test_a_recording_is_turned_as_one_and_keeps_its_lengths():
    first, again = (changed(NAMES[1], window()) for _ in range(2))
    other = changed(NAMES[1], replace(window(), recording="run"))
    for name, values in window().signals.items():
        np.testing.assert_array_equal(first.signals[name], again.signals[name])
        assert not np.allclose(first.signals[name], other.signals[name], atol=0.1)
        lengths = (np.linalg.norm(v, axis=0) for v in (first.signals[name], values))
        np.testing.assert_allclose(*lengths, rtol=1e-5)


@pytest.mark.parametrize("name", SPEC.names)
def test_one_sensor_is_left(name):
    assert list(changed(f"{name} alone", window()).signals) == [name]


def test_gravity_is_taken_and_units_are_mistaken_in_accelerations_alone():
    whole, light, heavy = (changed(n, window()) for n in (NAMES[0], NAMES[3], NAMES[6]))
    np.testing.assert_allclose(light.signals["accel"].mean(1), 0, atol=1e-6)
    np.testing.assert_allclose(heavy.signals["accel"], 9.80665 * whole.signals["accel"], rtol=1e-5)
    for one in (light, heavy):
        np.testing.assert_array_equal(one.signals["gyro"], whole.signals["gyro"])


def test_a_row_says_what_a_device_loses():
    row = {"macro_f1": 0.5, "interval": [0.4, 0.6], "less_recorded": (-0.1, (-0.2, 0.0)),
           "recordings": 10, "unlike": 9, "windows_unlike": 0.25}  # fmt: skip
    text = table({"10 Hz": row, "gyro alone": row | {"less_recorded": None}})
    assert "| 10 Hz | 0.500 (0.400 to 0.600) | -0.100 (-0.200 to +0.000) | 10 | 9 | 25.0% |" in text
    assert "| gyro alone | 0.500 (0.400 to 0.600) |  | 10 | 9 | 25.0% |" in text
