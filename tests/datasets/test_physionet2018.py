import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from sensor2llm.datasets.formats.wfdb_notes import read_notes
from sensor2llm.datasets.sleep import physionet2018
from sensor2llm.errors import ConfigError, DataError
from sensor2llm.signals.reader_options import SourceOptions
from tests.datasets.wfdb_files import write_notes

OPTIONS = SourceOptions()
RATE_HZ = 200
# The published order, with the units and gains of the published headers.
SIGNALS = {
    **{name: "1/uV" for name in ("F3-M2", "F4-M1", "C3-M2", "C4-M1", "O1-M2", "O2-M1", "E1-M2")},
    **{name: "1/uV" for name in ("Chin1-Chin2", "ABD", "CHEST", "AIRFLOW")},
    "SaO2": "655.35(-32768)/%",
    "ECG": "1000/mV",
}
# Seconds and text of annotations, in the published mixture.
NOTES = (
    (30, "W"),
    (95, "N1"),
    (100, "(resp_hypopnea"),
    (118, "resp_hypopnea)"),
    (125, "N2"),
    (150, "(arousal_rera"),
    (152, "arousal_rera)"),
    (185, "N3"),
    (215, "R"),
)
SECONDS = 250


def sine(rate_hz: float, seconds: float = SECONDS) -> np.ndarray:
    return np.sin(2 * np.pi * rate_hz * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)


def write_record(folder: Path, name="tr03-0005", signals=SIGNALS, notes=NOTES) -> Path:
    """Write a record as published: MATLAB v4 with a header of 24 bytes before the samples.

    Signal k is a sine of k + 1 tenths Hz, of 100 uV or 1 mV.
    """
    path = folder / "training" / name
    path.mkdir(parents=True)
    digital = np.stack([np.rint(100 * sine((k + 1) / 10)) for k in range(len(signals))])
    digital[[n == "ECG" for n in signals]] *= 10
    scipy.io.savemat(path / f"{name}.mat", {"val": digital.astype(np.int16)}, format="4")
    lines = [f"{name} {len(signals)} {RATE_HZ} {digital.shape[1]}"]
    lines += [f"{name}.mat 16+24 {gain} 16 0 0 0 0 {signal}" for signal, gain in signals.items()]
    (path / f"{name}.hea").write_text("\n".join(lines) + "\n")
    write_stages(path / name, notes)
    return path / name


def write_stages(record: Path, notes) -> None:
    samples, texts = zip(*((round(second * RATE_HZ), text) for second, text in notes), strict=True)
    write_notes(record, "arousal", samples, list(texts))


@pytest.fixture
def small(tmp_path: Path) -> Path:
    write_record(tmp_path)
    return tmp_path


def test_a_stage_holds_until_the_next_and_is_cut_into_30_s_from_its_start(small: Path):
    reading = physionet2018.read(small, OPTIONS)
    windows = list(reading.windows)
    assert [(w.subject, w.label, w.start_s) for w in windows] == [
        ("tr03-0005", "wake", 30),
        ("tr03-0005", "wake", 60),
        ("tr03-0005", "N1", 95),
        ("tr03-0005", "N2", 125),
        ("tr03-0005", "N2", 155),
        ("tr03-0005", "N3", 185),
        ("tr03-0005", "REM", 215),
    ]
    for window in windows:
        reading.spec.check(window)
    # 30 s before the first stage, and two epochs of 5 s and 5 s after whole ones.
    assert reading.ledger["epochs"].read == 10
    assert reading.ledger["epochs"].kept == 7
    assert reading.ledger["epochs"].dropped == {
        "before the record's first stage": 1,
        "left over at the end of a stage": 2,
    }
    assert reading.ledger.unbalanced() == {}


def test_units_rates_and_shapes_are_the_documented_ones(small: Path):
    spec = physionet2018.SPEC
    assert {m.name: (set(m.units), m.rate_hz) for m in spec.modalities} == {
        "eeg": ({"uV"}, 100.0),
        "eog": ({"uV"}, 100.0),
        "emg": ({"uV"}, 100.0),
        "ecg": ({"mV"}, 100.0),
        "resp": ({"uV"}, 10.0),
    }
    window = next(physionet2018.read(small, OPTIONS).windows)
    assert {name: values.shape for name, values in window.signals.items()} == {
        "eeg": (6, 3000),
        "eog": (1, 3000),
        "emg": (1, 3000),
        "ecg": (1, 3000),
        "resp": (3, 300),
    }


def test_values_are_physical_and_keep_their_time_at_the_lower_rate(small: Path):
    window = list(physionet2018.read(small, OPTIONS).windows)[3]
    for modality in physionet2018.SPEC.modalities:
        rate_hz = modality.rate_hz
        times = window.start_s + np.arange(30 * rate_hz) / rate_hz
        signals = modality.channel_names
        for values, signal in zip(window.signals[modality.name], signals, strict=True):
            amplitude = 1 if signal == "ECG" else 100
            tenths = list(SIGNALS).index(signal) + 1
            expected = amplitude * np.sin(2 * np.pi * tenths / 10 * times)
            np.testing.assert_allclose(values, expected, atol=0.02 * amplitude)


def test_samples_that_were_not_measured_cost_the_modality_in_those_windows(small: Path):
    path = small / "training" / "tr03-0005" / "tr03-0005.mat"
    digital = scipy.io.loadmat(path)["val"]
    digital[1, 60 * RATE_HZ : 90 * RATE_HZ] = -32768
    scipy.io.savemat(path, {"val": digital}, format="4")
    windows = {w.start_s: w for w in physionet2018.read(small, OPTIONS).windows}
    assert set(windows[60].signals) == {"eog", "emg", "ecg", "resp"}
    assert all("eeg" in w.signals for start_s, w in windows.items() if start_s != 60)


def test_a_record_that_lacks_a_signal_has_no_such_modality(tmp_path: Path):
    without = {name: gain for name, gain in SIGNALS.items() if name != "CHEST"}
    write_record(tmp_path, signals=without)
    reading = physionet2018.read(tmp_path, OPTIONS)
    assert "resp" not in next(reading.windows).signals
    assert reading.ledger["recordings"].changed == {"without all of resp": 1}


def test_records_come_one_after_another(tmp_path: Path):
    for name in ("tr12-0003", "tr03-0029"):
        write_record(tmp_path, name)
    windows = physionet2018.read(tmp_path / "training", OPTIONS).windows
    assert Counter(w.subject for w in windows) == {"tr03-0029": 7, "tr12-0003": 7}


def test_windows_are_the_scored_ones_so_there_is_no_option(small: Path):
    with pytest.raises(ConfigError, match="physionet2018 has no option --overlap"):
        physionet2018.read(small, SourceOptions(overlap=0.5))


def test_without_wfdb_the_extra_is_named(small: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "wfdb", None)
    with pytest.raises(DataError, match=r"needs wfdb: pip install 'sensor2llm\[ecg\]'"):
        next(physionet2018.read(small, OPTIONS).windows)


def test_a_folder_without_records_says_where_to_download_them(tmp_path: Path):
    with pytest.raises(DataError, match=r"physionet\.org/content/challenge-2018"):
        physionet2018.read(tmp_path, OPTIONS)


@pytest.mark.parametrize("suffix", [".mat", ".arousal"])
def test_a_missing_file_is_named(small: Path, suffix):
    (small / "training" / "tr03-0005" / f"tr03-0005{suffix}").unlink()
    with pytest.raises(DataError, match=rf"tr03-0005\{suffix} is missing"):
        next(physionet2018.read(small, OPTIONS).windows)


@pytest.mark.parametrize(
    ("suffix", "keep", "message"),
    [
        (".mat", 5000, r"tr03-0005\.mat has 5000 bytes where its header says 1300024"),
        (".hea", 4, r"tr03-0005\.hea: 'tr03' and 0 signals; expected a first line"),
        (".hea", 300, r"tr03-0005\.hea: 'tr03-0005 13 200 50000' and \d signals"),
        (".arousal", 40, r"tr03-0005\.arousal is no whole WFDB annotation file"),
        (".arousal", 41, r"tr03-0005\.arousal has 41 bytes"),
    ],
)
def test_a_file_that_was_cut_short_is_refused(small: Path, suffix, keep, message):
    path = small / "training" / "tr03-0005" / f"tr03-0005{suffix}"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=message):
        next(physionet2018.read(small, OPTIONS).windows)


def test_a_record_without_stages_is_refused(small: Path):
    write_stages(small / "training" / "tr03-0005" / "tr03-0005", [(100, "(arousal_rera")])
    with pytest.raises(DataError, match=r"tr03-0005\.arousal has no sleep stage"):
        next(physionet2018.read(small, OPTIONS).windows)


def test_a_signal_in_another_unit_is_refused(tmp_path: Path):
    write_record(tmp_path, signals=SIGNALS | {"ECG": "1000/uV"})
    with pytest.raises(DataError, match="'ECG' is in 'uV', expected mV"):
        next(physionet2018.read(tmp_path, OPTIONS).windows)


def test_a_record_without_any_of_the_signals_is_refused(tmp_path: Path):
    write_record(tmp_path, signals={"SaO2": SIGNALS["SaO2"]})
    with pytest.raises(DataError, match=r"none of F3-M2, .*; its signals: SaO2"):
        next(physionet2018.read(tmp_path, OPTIONS).windows)


def test_real_annotations_are_read(shared: Path):
    notes = read_notes(shared / "data" / "wfdb_samples" / "100", "atr")
    assert (notes.texts[0], notes.rate_hz) == ("(N", 360.0)
    assert (np.diff(notes.samples) > 0).all()
