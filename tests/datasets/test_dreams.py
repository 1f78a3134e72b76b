import sys
from collections import Counter
from pathlib import Path

import edfio
import numpy as np
import pytest

from sensor2llm.datasets.sleep import dreams
from sensor2llm.errors import ConfigError, DataError
from sensor2llm.signals.reader_options import SourceOptions

OPTIONS = SourceOptions()
NAMES = ("O1-A1", "FP1-A1", "CZ-A1", "P8-A1", "P18-A1", "EMG1", "ECG")
# Stages of 5 s in order: 8 of S2, 12 of S4 and S3, 2 of movement, 6 of REM, 1 unknown, 6 awake.
HYPNOGRAM = [2] * 8 + [0] * 4 + [1] * 8 + [-1] * 2 + [4] * 6 + [-2] + [5] * 6


def write_excerpt(folder: Path, number=1, names=NAMES, rate_hz=200, unit="UV", stages=HYPNOGRAM):
    """Write an excerpt as published, in data records of 1 s: a sine of k + 1 Hz in signal k."""
    folder.mkdir(parents=True, exist_ok=True)
    times = np.arange(round(len(stages) * 5 * rate_hz)) / rate_hz
    signals = [
        edfio.EdfSignal(
            50 * np.sin(2 * np.pi * (k + 1) * times),
            rate_hz,
            label=name,
            physical_dimension=unit,
            physical_range=(-200, 200),
        )
        for k, name in enumerate(names)
    ]
    edfio.Edf(signals, data_record_duration=1).write(folder / f"excerpt{number}.edf")
    text = "".join(f"{stage}\n" for stage in ("[Hypnogram]", *stages))
    (folder / f"Hypnogram_excerpt{number}.txt").write_text(text)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    write_excerpt(tmp_path / "DatabaseSpindles", 2)
    write_excerpt(tmp_path / "DatabaseSpindles", 10, rate_hz=50, stages=[3] * 6)
    return tmp_path


def test_six_equal_stages_are_a_window(small: Path):
    reading = dreams.read(small, OPTIONS)
    windows = list(reading.windows)
    assert [(w.subject, w.label, w.start_s) for w in windows] == [
        ("excerpt2", "N2", 0),
        ("excerpt2", "N3", 40),
        ("excerpt2", "N3", 70),
        ("excerpt2", "REM", 110),
        ("excerpt2", "wake", 145),
        ("excerpt10", "N1", 0),
    ]
    for window in windows:
        reading.spec.check(window)


def test_what_is_dropped_is_counted(small: Path):
    reading = dreams.read(small, OPTIONS)
    list(reading.windows)
    # Epochs of 5 s; two of the first eight of N2 are over.
    assert reading.ledger["epochs"].read == len(HYPNOGRAM) + 6
    assert reading.ledger["epochs"].kept == 6 * 6
    assert reading.ledger["epochs"].dropped == {
        "of movement": 2,
        "of an unknown stage": 1,
        "left over at the end of a stage": 2,
    }
    assert reading.ledger.unbalanced() == {}


def test_signals_of_either_name_come_in_one_order_at_100_hz(small: Path):
    windows = list(dreams.read(small, OPTIONS).windows)
    # Signal k of the file is a sine of k + 1 Hz: central, frontal, occipital are 3, 2 and 1 Hz.
    for window in (windows[1], windows[-1]):
        times = window.start_s + np.arange(3000) / 100
        for name, rates_hz in {"eeg": (3, 2, 1), "eog": (4, 5), "emg": (6,)}.items():
            expected = 50 * np.sin(2 * np.pi * np.array(rates_hz)[:, None] * times)
            inside = slice(200, -200)  # the end of an excerpt is an edge of the filter
            np.testing.assert_allclose(
                window.signals[name][:, inside], expected[:, inside], atol=0.5
            )


def test_a_modality_without_all_its_channels_is_absent(tmp_path: Path):
    write_excerpt(tmp_path, names=("C3-A1", "FP1-A1", "O1-A1", "EOG1", "EMG1"))
    reading = dreams.read(tmp_path, OPTIONS)
    assert set(next(reading.windows).signals) == {"eeg", "emg"}
    assert reading.ledger["recordings"].changed == {"without all of eog": 1}


def test_the_real_excerpt_is_read_with_its_stages(shared: Path):
    folder = shared / "data" / "dreams_spindles" / "raw"
    reading = dreams.read(folder, OPTIONS)
    windows = list(reading.windows)
    # Runs of stages, restated: whole windows of six in each.
    stages = [int(v) for v in (folder / "Hypnogram_excerpt3.txt").read_text().split()[1:]]
    names = {5: "wake", 4: "REM", 3: "N1", 2: "N2", 1: "N3", 0: "N3"}
    expected: Counter[str] = Counter()
    run = 0
    for stage, following in zip(stages, [*stages[1:], None], strict=True):
        run += 1
        if names.get(following) != names[stage]:
            expected[names[stage]] += run // 6
            run = 0
    assert Counter(w.label for w in windows) == +expected
    # Twice the published rate: every other sample is the published one, but for the filter.
    raw = edfio.read_edf(folder / "excerpt3.edf").get_signal("C3-A1").data
    window = windows[10]
    first = round(window.start_s * 50)
    ours = window.signals["eeg"][0, ::2]
    assert np.corrcoef(ours, raw[first : first + 1500])[0, 1] > 0.99
    assert 5 < ours.std() < 100


def test_windows_follow_the_stages_so_there_is_no_option(small: Path):
    with pytest.raises(ConfigError, match="dreams has no option --overlap"):
        dreams.read(small, SourceOptions(overlap=0.5))


def test_without_edfio_the_extra_is_named(small: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "edfio", None)
    with pytest.raises(DataError, match=r"pip install 'sensor2llm\[edf\]'"):
        next(dreams.read(small, OPTIONS).windows)


def test_a_folder_without_excerpts_says_where_to_download_them(tmp_path: Path):
    with pytest.raises(DataError, match=r"zenodo\.org/records/2650142"):
        dreams.read(tmp_path, OPTIONS)


def test_an_excerpt_needs_its_hypnogram(small: Path):
    (small / "DatabaseSpindles" / "Hypnogram_excerpt10.txt").unlink()
    with pytest.raises(DataError, match=r"excerpt10\.edf has no Hypnogram_excerpt10\.txt"):
        dreams.read(small, OPTIONS)


@pytest.mark.parametrize("line", ["N2", "7", "2 3"])
def test_a_line_that_is_no_stage_is_named(tmp_path: Path, line):
    write_excerpt(tmp_path, stages=[2, line, 2])
    with pytest.raises(DataError, match=f"line 3: '{line}' is no stage"):
        dreams.read(tmp_path, OPTIONS)


def test_a_signal_in_another_unit_is_refused(tmp_path: Path):
    write_excerpt(tmp_path, unit="MV")
    with pytest.raises(DataError, match="'CZ-A1' is in 'MV', expected uV"):
        next(dreams.read(tmp_path, OPTIONS).windows)


def test_an_excerpt_without_any_of_the_signals_is_refused(tmp_path: Path):
    write_excerpt(tmp_path, names=("ECG", "POS"))
    with pytest.raises(DataError, match=r"neither EEG nor EOG nor EMG .*; it has ECG, POS"):
        next(dreams.read(tmp_path, OPTIONS).windows)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["2", "2"], "line 1 is '2', expected a header"),
        (["[h]", "2", "", "2"], "line 3: '' is no stage"),
        (["[h]", *["2"] * 20_000], "has 20000 stages, expected those of half an hour"),
    ],
)
def test_a_hypnogram_that_cannot_be_is_refused(tmp_path: Path, lines, message):
    write_excerpt(tmp_path)
    (tmp_path / "Hypnogram_excerpt1.txt").write_text("\n".join(lines))
    with pytest.raises(DataError, match=message):
        dreams.read(tmp_path, OPTIONS)


def test_stages_after_the_end_of_the_excerpt_are_counted(tmp_path: Path):
    write_excerpt(tmp_path, stages=[2] * 12)
    path = tmp_path / "Hypnogram_excerpt1.txt"
    path.write_text(path.read_text() + "2\n" * 6)
    reading = dreams.read(tmp_path, OPTIONS)
    assert len(list(reading.windows)) == 2
    assert reading.ledger["epochs"].dropped == {"after the recording's end": 6}
    assert reading.ledger.unbalanced() == {}


def test_signals_at_a_rate_far_below_the_published_ones_are_refused(tmp_path: Path):
    write_excerpt(tmp_path, rate_hz=10)
    with pytest.raises(DataError, match="'CZ-A1' is at 10 Hz, expected 50 to 200 Hz"):
        list(dreams.read(tmp_path, OPTIONS).windows)
