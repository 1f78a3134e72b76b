"""Hand-made features against restatements of their definitions."""

from itertools import combinations, pairwise

import numpy as np
import pytest

from sensor2llm.errors import DataError
from sensor2llm.evaluation.handcrafted_features import (
    FEWEST_BEATS,
    acceleration_features,
    handmade_features,
    interval_features,
    level_features,
    pulse_features,
    pulse_intervals,
    sample_entropy,
    shannon_entropy,
    skin_conductance_features,
    teller,
    turning_points,
)
from sensor2llm.signals.spec import Channel, Modality, SignalSpec
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.window import Window


def one(name: str, unit: str, steps: int, **axis) -> Modality:
    return Modality(name=name, channels=(Channel(name=name, unit=unit),), steps=steps, **axis)


SPEC = SignalSpec(
    modalities=(
        one("rr", "ms", 60, axis="event"),
        one("wrist_bvp", "1", 640, rate_hz=64.0),
        Modality(
            name="acc",
            channels=tuple(Channel(name=axis, unit="g") for axis in "xyz"),
            steps=320,
            rate_hz=32.0,
        ),
        one("eda", "uS", 40, rate_hz=4.0),
        one("temp", "degC", 40, rate_hz=4.0),
    ),
    window_s=10.0,
)


def noise(seed: int = 0, count: int = 60) -> np.ndarray:
    return np.random.default_rng(seed).normal(800, 60, count)


def test_interval_features_are_what_their_names_say():
    x = noise()
    found = interval_features(x)
    steps = [b - a for a, b in pairwise(x)]
    rmssd = (sum(s * s for s in steps) / len(steps)) ** 0.5
    assert found["rmssd_ms"] == pytest.approx(rmssd)
    assert found["rmssd_share"] == pytest.approx(rmssd / x.mean())
    assert found["pnn50"] == sum(abs(s) > 50 for s in steps) / len(steps)
    assert found["median_step_share"] == pytest.approx(np.median(np.abs(steps)) / x.mean())
    assert found["neighbour_correlation"] == pytest.approx(np.corrcoef(x[:-1], x[1:])[0, 1])
    assert (found["least_ms"], found["greatest_ms"]) == (x.min(), x.max())
    # Poincaré: the cloud of (x[i], x[i+1]), across and along the diagonal.
    across = (x[1:] - x[:-1]) / 2**0.5
    long = (2 * x.var() - across.var()) ** 0.5
    assert found["poincare_ratio"] == pytest.approx(across.std() / long)


@pytest.mark.parametrize(("m", "tolerance"), [(1, 30.0), (2, 12.0)])
def test_sample_entropy_counts_pairs_of_runs(m: int, tolerance: float):
    x = noise(1)

    def alike(length: int) -> int:
        runs = range(len(x) - m)
        return sum(
            all(abs(x[i + k] - x[j + k]) <= tolerance for k in range(length))
            for i, j in combinations(runs, 2)
        )

    assert alike(m + 1) > 0
    assert sample_entropy(x, m, tolerance) == pytest.approx(np.log(alike(m) / alike(m + 1)))


def test_sample_entropy_stays_finite_where_no_run_repeats():
    distinct = np.arange(20.0) ** 2
    assert sample_entropy(distinct, 1, 0.1) == 0.0
    pairs = np.array([0.0, 10.0, 0.0, 30.0, 70.0, 150.0])
    assert sample_entropy(pairs, 1, 0.1) == pytest.approx(np.log(1 / 0.5))


def test_the_coefficient_of_sample_entropy_corrects_for_tolerance_and_rate():
    x = noise(2)
    found = interval_features(x)["coefficient_of_sample_entropy"]
    assert found == pytest.approx(sample_entropy(x, 1, 30.0) - np.log(x.mean() / 60.0))


def test_turning_points_of_noise_are_two_thirds_and_of_a_slope_none():
    assert turning_points(noise(3, 20_000)) == pytest.approx(2 / 3, abs=0.01)
    assert turning_points(np.arange(60.0)) == 0.0
    assert turning_points(np.array([1.0, 2, 1, 2, 1])) == 1.0


def test_shannon_entropy_is_one_for_even_use_and_leaves_outliers_out():
    even = np.repeat(np.arange(16.0), 4)
    outliers = np.concatenate([[-1e4] * 4, even, [1e4] * 4])
    assert shannon_entropy(outliers) == pytest.approx(1.0)
    assert shannon_entropy(np.full(60, 800.0)) == 0.0


def test_irregular_intervals_differ_from_regular_ones_in_every_measure_of_irregularity():
    regular, irregular = interval_features(noise(4) / 10 + 720), interval_features(noise(4))
    for name in ("rmssd_share", "pnn50", "median_step_share", "coefficient_of_sample_entropy"):
        assert irregular[name] > regular[name]


def test_constant_intervals_are_finite_and_too_few_are_nan():
    assert np.isfinite(list(interval_features(np.full(60, 800.0)).values())).all()
    few = interval_features(noise(5, FEWEST_BEATS - 1))
    assert np.isnan(list(few.values())).all()
    assert list(few) == list(interval_features(noise()))


def test_the_pulse_gives_the_rate_of_its_beats():
    time = np.arange(30 * 64) / 64
    wave = np.sin(2 * np.pi * 1.2 * time) + 0.3 * np.sin(2 * np.pi * 2.4 * time) + 5
    found = pulse_features(wave, 64.0)
    assert found["heart_rate_bpm"] == pytest.approx(72, abs=0.5)
    assert found["heart_rate_sd_bpm"] < 2
    assert pulse_intervals(wave, 64.0).mean() == pytest.approx(1000 / 1.2, abs=5)
    assert np.isnan(pulse_features(np.ones(640), 64.0)["heart_rate_bpm"])


def test_skin_conductance_counts_responses_and_their_size():
    time = np.arange(120) / 4
    bumps = sum(0.5 * np.exp(-0.5 * ((time - at) / 0.7) ** 2) for at in (8.0, 20.0))
    found = skin_conductance_features(2 + bumps, 4.0)
    assert found["responses_per_minute"] == pytest.approx(2 / 0.5)
    assert found["response_sum"] == pytest.approx(1.0, abs=0.2)
    slope = skin_conductance_features(2 + 0.03 * time, 4.0)
    assert slope["slope_per_s"] == pytest.approx(0.03)
    assert slope["tonic_trend"] == pytest.approx(1.0, abs=0.01)
    assert slope["responses_per_minute"] == 0


def test_acceleration_gives_axes_norm_and_peak_frequency():
    time = np.arange(320) / 32
    values = np.stack([0.1 * np.sin(2 * np.pi * 2 * time), 0 * time, 1 + 0 * time])
    found = acceleration_features(values, 32.0)
    assert found["x_peak_hz"] == pytest.approx(2.0, abs=0.05)
    assert found["z_mean"] == 1.0
    assert found["z_absolute_integral"] == pytest.approx(10.0)
    assert found["y_peak_hz"] == 0.0
    assert found["norm_mean"] == pytest.approx(np.linalg.norm(values, axis=0).mean())


def test_levels_name_channels_where_there_are_several():
    values = np.array([[1.0, 2.0, 3.0], [4.0, 4.0, 4.0]])
    found = level_features(values, ("a", "b"), 2.0)
    assert (found["a_mean"], found["b_sd"], found["a_range"]) == (2.0, 0.0, 2.0)
    assert found["a_slope_per_s"] == pytest.approx(2.0)
    assert set(level_features(values[:1], ("a",), 2.0)) == {
        "mean", "sd", "least", "greatest", "range", "slope_per_s",
    }  # fmt: skip


def test_intervals_in_seconds_and_in_ms_have_the_same_features():
    x = noise()
    in_s = teller(one("ibi", "s", 60, axis="event"))((x / 1000)[None])
    in_ms = teller(one("ibi", "ms", 60, axis="event"))(x[None])
    assert list(in_s.values()) == pytest.approx(list(in_ms.values()))


def windows(count: int = 5) -> list[Window]:
    rng = np.random.default_rng(0)
    return [
        Window(
            {m.name: rng.normal(800 if m.name == "rr" else 1, 0.5, m.shape)
             for m in SPEC.modalities if not (i == 1 and m.name == "eda")},
            subject=f"p{i}", label="rest",
        )
        for i in range(count)
    ]  # fmt: skip


def test_a_table_has_each_windows_features_in_the_order_of_the_rows(tmp_path):
    store = WindowStore.write(tmp_path / "store", SPEC, windows())
    found = handmade_features(store, [3, 1, 0])
    again = handmade_features(store, [0])
    assert np.array_equal(found.values[2], again.values[0], equal_nan=True)
    assert len(found.names) == len(set(found.names)) == found.values.shape[1]
    prefixes = list(dict.fromkeys(name.split(".")[0] for name in found.names))
    assert prefixes == list(SPEC.names)
    missing = np.isnan(found.values).all(axis=0)
    assert not missing.any()
    eda = [name.startswith("eda.") for name in found.names]
    assert np.isnan(found.values[1, eda]).all()
    assert np.isfinite(found.values[0, eda]).all()


def test_no_window_is_an_error(tmp_path):
    store = WindowStore.write(tmp_path / "store", SPEC, windows(1))
    with pytest.raises(DataError, match="at least one window"):
        handmade_features(store, [])
