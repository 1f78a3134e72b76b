"""Simulated recordings: their truth is in the signals, their people differ, their seed decides."""

import time
from dataclasses import replace

import numpy as np
import pytest

from sensor2llm.adapter.adapter import SensorAdapter
from sensor2llm.datasets.simulation import daily
from sensor2llm.datasets.simulation.simulate import (
    SCENARIOS,
    SimulationConfig,
    simulate,
    simulate_store,
    simulate_with_truth,
    simulated_labels,
    simulated_spec,
)
from sensor2llm.datasets.simulation.spirometry import draw_patient, expiration, predicted_l
from sensor2llm.errors import ConfigError

SMALL = SimulationConfig(subjects=2, sessions=1, missing_share=0.0)


def _of(scenario, **options):
    return replace(SMALL, scenario=scenario, **options)


def _power(values, rate_hz, low_hz, high_hz):
    frequencies = np.fft.rfftfreq(len(values), 1 / rate_hz)
    power = np.abs(np.fft.rfft(values - values.mean())) ** 2
    return power[(frequencies >= low_hz) & (frequencies < high_hz)].sum() / power.sum()


def _cut(simulated, name, truth, rate_hz):
    start, stop = round(truth.start_s * rate_hz), round(truth.stop_s * rate_hz)
    return simulated.recording.tracks[name].values[:, start:stop]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_recordings_fit_the_spec_and_carry_every_label(scenario):
    config = _of(scenario, subjects=4, sessions=2)
    spec, seen = simulated_spec(config), set()
    for recording in simulate(config):
        seen |= {note.label for note in recording.annotations}
        assert set(recording.tracks) == set(spec.names)
        for name, track in recording.tracks.items():
            assert track.modality == spec[name]
            assert track.values.dtype == np.float32
            assert np.isfinite(track.values).all()
    assert seen == set(simulated_labels(config))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_seed_decides_everything(scenario):
    first, again = list(simulate(_of(scenario))), list(simulate(_of(scenario)))
    other = list(simulate(_of(scenario, seed=1)))
    name = next(iter(first[0].tracks))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a.tracks[name].values, b.tracks[name].values)
    assert first[0].tracks[name].values.tolist() != other[0].tracks[name].values.tolist()


def test_a_person_is_the_same_whatever_the_number_of_others():
    alone = next(simulate(replace(SMALL, subjects=1)))
    among = next(simulate(replace(SMALL, subjects=5)))
    np.testing.assert_array_equal(
        alone.tracks["wrist_acc"].values, among.tracks["wrist_acc"].values
    )


def test_missing_modalities_follow_the_share_and_one_always_stays():
    config = _of("daily", subjects=40, missing_share=0.4)
    counts = [len(recording.tracks) for recording in simulate(config)]
    assert min(counts) >= 1
    # One of four always stays, so 0.4 of three quarters is lost.
    assert 1 - np.mean(counts) / 4 == pytest.approx(0.4 * 0.75, abs=0.05)


def test_missing_modalities_change_nothing_for_the_others():
    whole = next(simulate(SMALL))
    for recording in simulate(replace(SMALL, missing_share=0.6, subjects=1)):
        for name, track in recording.tracks.items():
            np.testing.assert_array_equal(track.values, whole.tracks[name].values)


def test_gait_shows_at_the_wrist_and_strides_at_the_ankle():
    for simulated in simulate_with_truth(SMALL):
        for truth in simulated.truths:
            if "step_rate_hz" not in truth.values:
                continue
            stride_hz = truth.values["step_rate_hz"] / 2
            band = (stride_hz * 0.9, stride_hz * 1.1)
            wrist = _cut(simulated, "wrist_gyro", truth, 50.0)
            ankle = np.linalg.norm(_cut(simulated, "ankle_acc", truth, 50.0), axis=0)
            assert max(_power(row, 50.0, *band) for row in wrist) > 0.5
            assert _power(ankle, 50.0, *band) > 0.1


def test_rest_is_gravity_and_running_is_vigorous():
    bounds = {"lying": (0, 0.0167), "sitting": (0, 0.0167), "running": (0.3, 3.0)}
    for simulated in simulate_with_truth(SMALL):
        for truth in simulated.truths:
            norm = np.linalg.norm(_cut(simulated, "wrist_acc", truth, 50.0), axis=0)
            low, high = bounds.get(truth.label, (0, 3))
            assert low <= np.abs(norm - norm.mean()).mean() <= high
            if high < 0.1:
                assert norm.mean() == pytest.approx(1.0, abs=0.02)


def test_a_phone_has_the_sensors_that_the_released_adapter_hears():
    adapter = SensorAdapter.load("uci-har-bundled")
    assert simulated_spec(_of("phone", rate_hz=100.0, window_s=5.0)) == adapter.spec
    assert set(simulated_labels(_of("phone"))) < set(adapter.label_names)


def test_a_phones_body_acceleration_is_what_is_left_of_the_total_without_gravity():
    for simulated in simulate_with_truth(_of("phone")):
        total, body = (simulated.recording.tracks[n].values for n in ("total_acc", "body_acc"))
        gravity = np.linalg.norm(total - body, axis=0)
        assert gravity.mean() == pytest.approx(1.0, abs=0.02)
        assert np.abs(body.mean(1)).max() < 0.01
        for truth in simulated.truths:
            moves = bool(_cut(simulated, "body_acc", truth, 50.0).std(1).max() > 0.1)
            assert moves is (truth.label == "walking")
            up = _cut(simulated, "total_acc", truth, 50.0)[0]
            if truth.label == "walking":
                hz = truth.values["step_rate_hz"]
                assert _power(up, 50.0, hz * 0.9, hz * 1.1) > 0.5
            else:
                assert bool(up.mean() < 0.5) is (truth.label == "lying")


def test_heart_rate_follows_effort_with_a_lag():
    config = replace(SMALL, bout_s=120.0, subjects=6)
    changes = {"running": [], "lying": []}
    for simulated in simulate_with_truth(config):
        for truth in simulated.truths[1:]:
            heart = _cut(simulated, "heart_rate", truth, 1.0)[0]
            if truth.label in changes:
                changes[truth.label].append(heart[-30:].mean() - heart[:10].mean())
            assert truth.values["heart_rate_bpm"] == pytest.approx(heart.mean(), abs=0.01)
    assert min(changes["running"]) > 20
    assert np.mean(changes["lying"]) < -5


def test_people_differ_in_cadence_and_in_how_the_watch_sits():
    config = replace(SMALL, subjects=10)
    cadences, axes = [], []
    for simulated in simulate_with_truth(config):
        for truth in simulated.truths:
            if truth.label == "walking":
                cadences.append(truth.values["step_rate_hz"])
            if truth.label == "standing":
                axes.append(_cut(simulated, "wrist_acc", truth, 50.0).mean(axis=1))
    assert 0.03 < np.std(cadences) < 0.2
    assert np.linalg.norm(np.std(axes, axis=0)) > 0.1


def test_fibrillation_is_irregular_and_sinus_rhythm_breathes():
    for simulated in simulate_with_truth(_of("rhythm", subjects=8)):
        intervals = simulated.recording.tracks["ibi"].values[0].astype(float)
        variation = intervals.std() / intervals.mean()
        neighbours = np.corrcoef(intervals[1:], intervals[:-1])[0, 1]
        [truth] = simulated.truths
        rmssd = np.sqrt(np.mean(np.diff(intervals) ** 2))
        assert truth.values["rmssd_ms"] == pytest.approx(rmssd, rel=1e-3)
        if truth.label == "atrial fibrillation":
            assert variation == pytest.approx(0.24, abs=0.06)
            assert abs(neighbours) < 0.25
        else:
            assert variation < 0.14
            assert rmssd / intervals.mean() < 0.16


def test_sleep_stages_have_their_spectra():
    for simulated in simulate_with_truth(_of("sleep")):
        by_stage = {truth.label: truth for truth in simulated.truths}
        eeg = {s: _cut(simulated, "eeg", t, 100.0)[0] for s, t in by_stage.items()}
        emg = {s: _cut(simulated, "emg", t, 100.0)[0].std() for s, t in by_stage.items()}
        assert _power(eeg["W"], 100.0, 8, 13) > 0.4
        assert _power(eeg["N1"], 100.0, 4, 7) > _power(eeg["N1"], 100.0, 8, 13)
        assert _power(eeg["N2"], 100.0, 11, 16) > 1.5 * _power(eeg["REM"], 100.0, 11, 16)
        assert _power(eeg["N3"], 100.0, 0.3, 2.5) > 0.7
        assert min(emg, key=emg.get) == "REM"
        assert max(emg, key=emg.get) == "W"


def test_fev1_and_fvc_can_be_read_off_the_spirogram():
    ratios = {"healthy": [], "asthma": []}
    for simulated in simulate_with_truth(_of("spirometry", subjects=30)):
        [truth] = simulated.truths
        volume, flow = simulated.recording.tracks["spirogram"].values.astype(float)
        assert volume[50] == pytest.approx(truth.values["fev1_l"], abs=0.03)
        assert volume[-1] == pytest.approx(truth.values["fvc_l"], abs=0.03)
        assert flow[:50].sum() / 50 == pytest.approx(truth.values["fev1_l"], abs=0.15)
        assert flow.argmax() < 15
        ratios[truth.label].append(truth.values["fev1_l"] / truth.values["fvc_l"])
    assert np.mean(ratios["healthy"]) > 0.74
    assert np.mean(ratios["asthma"]) < 0.68


def test_a_blow_tells_the_obstruction_and_nothing_else_of_the_label():
    for seed in range(5):
        patient = draw_patient(np.random.default_rng(seed))
        one, other = (
            expiration(replace(patient, asthma=ill), np.random.default_rng(1))
            for ill in (False, True)
        )
        np.testing.assert_array_equal(one, other)
        tighter = replace(patient, ratio=patient.ratio - 0.1)
        flow, slowed = (expiration(p, np.random.default_rng(1))[1] for p in (patient, tighter))
        assert slowed[5:25].mean() < flow[5:25].mean()


def test_people_are_within_the_bounds_of_their_row():
    spec = simulated_spec(_of("spirometry"))
    assert spec["body"].channels[0].bounds == (20, 80)
    for recording in simulate(_of("spirometry", subjects=100)):
        spec["body"].check_values(recording.tracks["body"].values)


def test_predicted_volumes_are_those_of_the_reference():
    # A man of 40 years and 180 cm, then a woman of 40 years and 165 cm.
    assert predicted_l("fev1", 40, True, 1.80) == pytest.approx(4.33, abs=0.03)
    assert predicted_l("fvc", 40, True, 1.80) == pytest.approx(5.44, abs=0.03)
    assert predicted_l("fev1", 40, False, 1.65) == pytest.approx(3.11, abs=0.03)
    assert predicted_l("fvc", 40, False, 1.65) == pytest.approx(3.81, abs=0.03)


def test_stress_shapes_the_day():
    scores, hearts, moods, sleeps = [], [], [], []
    for simulated in simulate_with_truth(_of("daily", subjects=60, sessions=4)):
        tracks, [truth] = simulated.recording.tracks, simulated.truths
        scores.append(truth.values["stress_score"])
        hearts.append(tracks["heart"].values[0, 0])
        moods.append(tracks["mood"].values[0, 0])
        sleeps.append(tracks["sleep"].values[0, 0])
        assert (truth.label == "stressed") == (scores[-1] >= 6)
    assert np.corrcoef(scores, hearts)[0, 1] > 0.1
    assert np.corrcoef(scores, moods)[0, 1] < -0.4
    assert np.corrcoef(scores, sleeps)[0, 1] < -0.15


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_store_holds_the_windows_of_all_people(scenario, tmp_path):
    config = _of(scenario, subjects=3, missing_share=0.3)
    store = simulate_store(tmp_path / "store", config)
    assert store.ledger["windows"].kept == len(store)
    assert store.ledger.unbalanced() == {}
    assert store.spec == simulated_spec(config)
    assert store.label_names == simulated_labels(config)
    assert set(store.subjects) == {"S01", "S02", "S03"}
    assert store.published == {}
    assert store.labels.min() >= 0
    assert store.present.any(axis=1).all()


def test_the_default_store_is_made_in_seconds_and_balanced(tmp_path):
    start = time.process_time()
    store = simulate_store(tmp_path / "store", SimulationConfig())
    assert time.process_time() - start < 10
    counts = np.bincount(store.labels)
    assert len(store) > 1000
    assert counts.min() == counts.max()
    assert not store.present.all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scenario": "flying"}, "unknown scenario 'flying'; choose from activity, rhythm"),
        ({"subjects": 0}, "subjects must be positive, got 0"),
        ({"bout_s": -1.0}, "bout_s must be positive"),
        ({"missing_share": 1.0}, "missing_share must be"),
        ({"rate_hz": 5.0}, "rate_hz must be at least 10"),
        ({"seed": -1}, "seed must not be negative"),
    ],
)
def test_what_cannot_be_simulated_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        SimulationConfig(**options)


def test_daily_stress_has_five_levels_of_about_a_fifth_each(tmp_path):
    config = SimulationConfig(scenario="daily", subjects=60, sessions=4, levels=5)
    store = simulate_store(tmp_path / "daily", config)
    assert store.label_names == ("1", "2", "3", "4", "5")
    shares = np.bincount(np.asarray(store.labels)) / len(store)
    assert shares == pytest.approx(0.2, abs=0.05)


def test_the_level_rises_with_the_score():
    levels = [daily.label_of(score, 5) for score in (0.0, 3.1, 5.0, 6.8, 10.0)]
    assert levels == ["1", "2", "3", "4", "5"]
    assert [daily.label_of(score, 2) for score in (5.9, 6.0)] == ["calm", "stressed"]


@pytest.mark.parametrize(("scenario", "levels"), [("daily", 3), ("activity", 5)])
def test_other_numbers_of_levels_are_refused(scenario, levels: int):
    message = rf"levels must be 2 \(daily: 2 or 5\), got {levels} in {scenario}"
    with pytest.raises(ConfigError, match=message):
        SimulationConfig(scenario=scenario, levels=levels)
