"""Facts of a window: they agree with what was simulated, and keep silent where nothing is known."""

import numpy as np
import pytest

from sensor2llm.datasets.simulation.simulate import (
    SimulationConfig,
    simulate_with_truth,
    simulated_spec,
)
from sensor2llm.errors import SpecError
from sensor2llm.signals.facts.facts import extract_facts, intensity, trend
from sensor2llm.signals.facts.periodicity import dominant_frequency, step_rate
from sensor2llm.signals.spec import Channel, Modality, SignalSpec
from sensor2llm.signals.transforms import segment
from sensor2llm.signals.window import Window

RATE_HZ = 50.0
TIME_S = np.arange(250) / RATE_HZ


def _spec(name, units, steps=250, axis="time", rate_hz=RATE_HZ):
    channels = tuple(Channel(name=f"c{i}", unit=unit) for i, unit in enumerate(units))
    rate_hz = rate_hz if axis == "time" else None
    return SignalSpec(
        modalities=(
            Modality(name=name, channels=channels, steps=steps, axis=axis, rate_hz=rate_hz),
        )
    )


def _facts(name, units, values, **options):
    values = np.asarray(values, np.float32)
    spec = _spec(name, units, steps=values.shape[1], **options)
    return extract_facts(Window(signals={name: values}), spec)


def _walk(step_hz, size=0.3):
    return np.stack(
        [
            np.zeros_like(TIME_S),
            np.zeros_like(TIME_S),
            1 + size * np.sin(2 * np.pi * step_hz * TIME_S),
        ]
    )


def _windows(config):
    spec = simulated_spec(config)
    for simulated in simulate_with_truth(config):
        for window in segment(simulated.recording, spec):
            held = [t for t in simulated.truths if t.start_s <= window.start_s < t.stop_s]
            yield extract_facts(window, spec), held[0]


@pytest.fixture(scope="module")
def moving():
    return list(_windows(SimulationConfig(subjects=5, sessions=1, missing_share=0.0)))


@pytest.mark.parametrize("site", ["wrist_acc", "ankle_acc"])
def test_step_rates_lie_within_a_tenth_of_a_hertz_of_the_truth(moving, site):
    right = []
    for found, truth in moving:
        rate, true_hz = found[f"{site}.step_rate"].value, truth.values.get("step_rate_hz")
        right.append(
            rate is None if true_hz is None else rate is not None and abs(rate - true_hz) < 0.1
        )
    assert np.mean(right) > 0.97


def test_heart_rate_and_intensity_are_those_of_the_activity(moving):
    words = {"lying": {"still"}, "sitting": {"still"}, "running": {"vigorous", "moderate"}}
    for found, truth in moving:
        assert abs(found["heart_rate.heart_rate"].value - truth.values["heart_rate_bpm"]) < 35
        assert found["wrist_acc.intensity"].value in words.get(
            truth.label, {"still", "light", "moderate", "vigorous"}
        )


def test_inter_beat_intervals_tell_rate_and_variability():
    shares = {"sinus rhythm": [], "atrial fibrillation": []}
    for found, truth in _windows(
        SimulationConfig(scenario="rhythm", subjects=3, missing_share=0.0)
    ):
        rate = truth.values["heart_rate_bpm"]
        assert found["ibi.heart_rate"].value == pytest.approx(rate, rel=0.12)
        shares[truth.label].append(found["ibi.irregularity"].value)
    assert min(shares["atrial fibrillation"]) > 0.2
    # Ectopic beats make a few windows of sinus rhythm irregular too.
    assert np.median(shares["sinus rhythm"]) < 0.1


def test_rmssd_is_the_root_mean_square_of_successive_differences():
    found = _facts("ibi", ["ms"], [[800, 850, 790]], axis="event")
    assert found["ibi.rmssd"].value == pytest.approx(np.sqrt((50**2 + 60**2) / 2))
    assert found["ibi.heart_rate"].value == pytest.approx(60_000 * 3 / 2440, rel=1e-6)
    in_s = _facts("ibi", ["s"], [[0.8, 0.85, 0.79]], axis="event")
    assert in_s["ibi.rmssd"].value == pytest.approx(found["ibi.rmssd"].value, rel=1e-4)


def test_other_events_are_no_heart_beats():
    assert "breaths.heart_rate" not in _facts("breaths", ["s"], [[4, 4.2, 3.9]], axis="event")


@pytest.mark.parametrize("step_hz", [1.2, 1.9, 2.8])
def test_a_clean_repetition_is_found_in_any_unit(step_hz):
    for unit, scale in (("g", 1.0), ("m/s^2", 9.80665), ("m/s2", 9.80665), ("mg", 1000.0)):
        found = _facts("acc", [unit] * 3, _walk(step_hz) * scale)
        assert found["acc.step_rate"].value == pytest.approx(step_hz, abs=0.03)


def test_a_foot_shows_strides_of_two_steps():
    values = _walk(0.95)
    assert _facts("left_foot", ["g"] * 3, values)["left_foot.step_rate"].value == pytest.approx(
        1.9, abs=0.05
    )
    assert step_rate(values, RATE_HZ) == pytest.approx(1.9, abs=0.05)


def test_noise_and_stillness_have_no_steps():
    rng = np.random.default_rng(0)
    noise = _walk(1.9, 0.0) + rng.normal(0, 0.1, (3, 250))
    assert step_rate(noise, RATE_HZ) is None
    still = _facts("acc", ["g"] * 3, _walk(1.9, 0.005))["acc.step_rate"]
    assert still.value is None
    assert still.text == "acc: no regular steps"
    assert step_rate(_walk(1.9)[:, :20], RATE_HZ) is None


def test_linear_acceleration_has_neither_orientation_nor_intensity():
    found = _facts("body_acc", ["g"] * 3, _walk(1.9) - [[0], [0], [1]])
    assert "body_acc.orientation" not in found
    assert "body_acc.mean" in found


@pytest.mark.parametrize(("axis", "sign", "word"), [(0, 1, "+c0"), (1, -1, "-c1"), (2, 1, "+c2")])
def test_orientation_names_the_axis_of_gravity(axis, sign, word):
    values = np.zeros((3, 250))
    values[axis] = sign
    assert _facts("acc", ["g"] * 3, values)["acc.orientation"].value == word


def test_the_dominant_frequency_is_that_of_the_strongest_sine():
    values = np.stack(
        [np.sin(2 * np.pi * 3.3 * TIME_S), 5 + TIME_S + 3 * np.sin(2 * np.pi * 7.1 * TIME_S)]
    )
    assert dominant_frequency(values, RATE_HZ) == pytest.approx(7.1, abs=0.1)
    assert dominant_frequency(np.ones((1, 250)), RATE_HZ) is None
    assert dominant_frequency(values[:, :10], RATE_HZ) is None


@pytest.mark.parametrize(
    ("deviation_g", "word"),
    [(0.0, "still"), (0.0167, "light"), (0.091, "moderate"), (0.414, "vigorous")],
)
def test_intensity_changes_at_the_published_bounds(deviation_g, word):
    assert intensity(deviation_g) == word


def test_a_trend_needs_a_clear_line_and_a_change_that_matters():
    ramp = np.linspace(70, 90, 20)
    assert trend(ramp) == "rising"
    assert trend(-ramp) == "falling"
    assert trend(np.linspace(70, 70.5, 20)) == "steady"
    assert trend(np.full(20, 70.0)) == "steady"
    assert trend(np.array([70.0, 90.0])) == "steady"
    assert trend(np.random.default_rng(0).normal(70, 5, 50)) == "steady"


def test_words_that_ten_percent_would_change_are_named_as_near():
    values = np.zeros((3, 250))
    values[0], values[1], values[2] = 0.7, -0.65, 0.3
    assert _facts("acc", ["g"] * 3, values)["acc.orientation"].near == ("-c1",)
    for percent, word, near in (
        (1.95, "steady", ("rising",)),
        (2.1, "rising", ("steady",)),
        (-1.95, "steady", ("falling",)),
        (1.5, "steady", ()),
        (3.0, "rising", ()),
    ):
        ramp = 100 + np.linspace(-percent / 2, percent / 2, 20)
        found = _facts("eda", ["uS"], [ramp], rate_hz=4.0)["eda.trend"]
        assert (found.value, found.near) == (word, near)
    # Five percent less of a deviation of 92 mg would be light.
    found = _facts("acc", ["g"] * 3, _walk(1.9, 0.092 * np.pi / 2))["acc.intensity"]
    assert (found.value, found.near) == ("moderate", ("light",))
    assert found.number == pytest.approx(0.092, rel=0.01)


@pytest.fixture(scope="module")
def blows():
    return list(_windows(SimulationConfig(scenario="spirometry", subjects=12, missing_share=0.0)))


def test_lung_volumes_are_those_of_the_simulated_blow(blows):
    for found, truth in blows:
        assert abs(found["spirogram.fev1"].value - truth.values["fev1_l"]) < 0.05
        assert abs(found["spirogram.fvc"].value - truth.values["fvc_l"]) < 0.05
        ratio = truth.values["fev1_l"] / truth.values["fvc_l"]
        assert abs(found["spirogram.fev1_fvc"].value - ratio) < 0.02
    assert np.ptp([truth.values["fev1_l"] for _, truth in blows]) > 0.5


def _blow(volume, rate_hz=10.0, name="volume", unit="L", axis="time"):
    values = np.stack([np.asarray(volume, np.float32), np.zeros(len(volume), np.float32)])
    channels = (Channel(name=name, unit=unit), Channel(name="flow", unit="L/s"))
    rate_hz = rate_hz if axis == "time" else None
    blow = Modality(name="blow", channels=channels, steps=len(volume), axis=axis, rate_hz=rate_hz)
    found = extract_facts(Window(signals={"blow": values}), SignalSpec(modalities=(blow,)))
    return {key.removeprefix("blow."): fact for key, fact in found.items()}


def test_fev1_is_the_volume_after_a_second_and_fvc_that_at_the_end():
    volume = np.linspace(0, 4, 41)  # 0.1 L each 0.1 s, over 4 s.
    found = _blow(volume)
    assert found["fev1"].value == pytest.approx(1.0)
    assert found["fvc"].value == pytest.approx(4.0)
    assert found["fev1_fvc"].value == pytest.approx(0.25)
    assert [found[name].text for name in ("fev1", "fvc", "fev1_fvc")] == [
        "blow: FEV1 1.00 L", "blow: FVC 4.00 L", "blow: FEV1/FVC 0.25"
    ]  # fmt: skip
    assert [found[name].unit for name in ("fev1", "fvc", "fev1_fvc")] == ["L", "L", "1"]
    # 1 s lies between two samples of 0.4 s.
    assert _blow(volume, rate_hz=2.5)["fev1"].value == pytest.approx(0.25)


def test_only_a_second_of_breathed_out_litres_tells_of_the_lungs():
    volume = np.linspace(0, 4, 41)
    assert _blow(volume[:11])["fev1"].value == pytest.approx(1.0)
    for found in (
        _blow(volume[:10]),
        _blow(-volume),
        _blow(volume, name="vol"),
        _blow(volume, unit="mL"),
        _blow(volume, axis="event"),
    ):
        assert not {"fev1", "fvc", "fev1_fvc"} & set(found)


def test_mean_and_spread_are_per_channel():
    found = _facts("eda", ["uS", "degC"], [[1, 3], [30, 30]], rate_hz=4.0)
    assert found["eda.mean"].value == (2.0, 30.0)
    assert found["eda.spread"].value == (1.0, 0.0)
    assert found["eda.mean"].text == "eda: mean c0 2 uS, c1 30 degC"


def test_rows_of_values_are_told_as_they_are():
    found = _facts("body", ["years", "m"], [[54], [1.7]], axis="none")
    assert found["body.value"].text == "body: c0 54 years, c1 1.7 m"


def test_missing_modalities_are_named():
    spec = simulated_spec(SimulationConfig())
    window = Window(signals={"heart_rate": np.full((1, 5), 72, np.float32)})
    found = extract_facts(window, spec)
    assert found["missing"].value == ("wrist_acc", "wrist_gyro", "ankle_acc")
    assert found["heart_rate.heart_rate"].text == "heart_rate: heart rate 72 bpm"
    assert set(f.modality for f in found.values()) == {"heart_rate", ""}


def test_gaps_are_bridged_and_a_channel_without_values_counts_as_missing():
    values = _walk(1.9)
    values[:, 100:103] = np.nan
    assert _facts("acc", ["g"] * 3, values)["acc.step_rate"].value == pytest.approx(1.9, abs=0.05)
    values[1] = np.nan
    assert _facts("acc", ["g"] * 3, values)["missing"].value == ("acc",)


def test_keys_are_those_of_the_facts(moving):
    found, _ = moving[0]
    assert all(key == fact.key for key, fact in found.items())
    assert all(fact.text for fact in found.values())


def test_other_channels_than_the_spec_says_are_refused():
    window = Window(signals={"acc": np.zeros((2, 250), np.float32)})
    with pytest.raises(SpecError, match=r"acc has shape \(2, 250\); the spec says \(3, 250\)"):
        extract_facts(window, _spec("acc", ["g"] * 3))
