import sys
from collections import Counter
from pathlib import Path

import edfio
import numpy as np
import pytest

from sensor2llm.errors import ConfigError, DataError
from sensor2llm.signals.sources import sleep_edf
from sensor2llm.signals.sources.config import SourceOptions
from sensor2llm.signals.sources.edf_files import open_edf
from sensor2llm.signals.sources.sleep_stages import LABELS, count_epochs, trim_wake

OPTIONS = SourceOptions()
# Epochs of 30 s, in order; the last ones lie after the end of the signals.
HYPNOGRAM = (
    ("Sleep stage W", 62),
    ("Sleep stage 1", 2),
    ("Sleep stage ?", 1),
    ("Sleep stage 2", 3),
    ("Sleep stage 3", 2),
    ("Sleep stage 4", 1),
    ("Movement time", 1),
    ("Sleep stage R", 2),
    ("Sleep stage W", 61),
    ("Sleep stage ?", 4),
)
EPOCHS = sum(count for _, count in HYPNOGRAM) - 4
CASSETTE = {
    "EEG Fpz-Cz": (100, "uV", 192),
    "EEG Pz-Oz": (100, "uV", 197),
    "EOG horizontal": (100, "uV", 1009),
    "Resp oro-nasal": (1, "", 2048),
    "EMG submental": (1, "uV", 192),
    "Temp rectal": (1, "DegC", 192),
    "Event marker": (1, "", 2047),
}
TELEMETRY = {name: (100, "uV", 200) for name in [*list(CASSETTE)[:3], "EMG submental"]}


def write_hypnogram(path: Path, hypnogram=HYPNOGRAM) -> None:
    """Write EDF+ annotations without a signal, as published."""
    bounds = np.cumsum([0] + [count for _, count in hypnogram]) * 30.0
    notes = [
        edfio.EdfAnnotation(start, count * 30.0, text)
        for start, (text, count) in zip(bounds, hypnogram, strict=False)
    ]
    edfio.Edf([], annotations=notes).write(path)


def write_recording(path: Path, signals=CASSETTE, epochs=EPOCHS) -> None:
    """Write data records of 30 s; every signal holds the number of its epoch."""
    rows = [
        edfio.EdfSignal(
            np.repeat(np.arange(epochs, dtype=float), 30 * rate_hz),
            rate_hz,
            label=label,
            physical_dimension=unit,
            physical_range=(-limit, limit),
        )
        for label, (rate_hz, unit, limit) in signals.items()
    ]
    edfio.Edf(rows, data_record_duration=30).write(path)


def write_night(folder: Path, person="SC4001", scorer="EC", **options) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_recording(folder / f"{person}{scorer[0]}0-PSG.edf", **options)
    write_hypnogram(folder / f"{person}{scorer}-Hypnogram.edf")


@pytest.fixture(scope="module")
def cassette(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with both nights of one person and a night of another."""
    folder = tmp_path_factory.mktemp("sleep-edfx")
    for person in ("SC4001", "SC4002", "SC4011"):
        write_night(folder / "sleep-cassette", person)
    return folder


def test_windows_hold_30_s_of_one_stage_with_wake_trimmed_to_30_minutes(cassette: Path):
    reading = sleep_edf.read(cassette / "sleep-cassette", OPTIONS)
    windows = [w for w in reading.windows if w.subject == "SC401"]
    # An independent walk over the epochs: which are kept, and under which name.
    scored = [text for text, count in HYPNOGRAM for _ in range(count)][:EPOCHS]
    names = {"W": "wake", "1": "N1", "2": "N2", "3": "N3", "4": "N3", "R": "REM"}
    expected = {i: names[t[-1]] for i, t in enumerate(scored) if t[-1] in names}
    asleep = [i for i, label in expected.items() if label != "wake"]
    expected = {i: v for i, v in expected.items() if asleep[0] - 60 <= i <= asleep[-1] + 60}
    assert {round(w.start_s / 30): w.label for w in windows} == expected
    for window in windows:
        reading.spec.check(window)
        for values in window.signals.values():
            np.testing.assert_allclose(values, window.start_s / 30, atol=0.05)


def test_signals_keep_their_units_and_their_own_rates(cassette: Path):
    reading = sleep_edf.read(cassette, OPTIONS)
    found = {m.name: (m.units, m.rate_hz, m.steps) for m in reading.spec.modalities}
    eeg = (("uV",), 100.0, 3000)
    assert found == {
        "eeg_fpz_cz": eeg,
        "eeg_pz_oz": eeg,
        "eog": eeg,
        "emg": (("uV",), 1.0, 30),
    }


def test_both_nights_of_a_person_are_one_subject_a_day_apart(cassette: Path):
    reading = sleep_edf.read(cassette, OPTIONS)
    windows = list(reading.windows)
    assert Counter(w.subject for w in windows) == {"SC400": 260, "SC401": 130}
    assert reading.total == len(windows)
    starts = np.array([w.start_s for w in windows if w.subject == "SC400"])
    np.testing.assert_allclose(starts[130:] - starts[:130], 86_400)


def test_what_is_dropped_is_counted(cassette: Path):
    reading = sleep_edf.read(cassette, OPTIONS)
    assert len(list(reading.windows)) == 390
    assert +reading.notes == {
        "30 s epochs of 'Sleep stage ?'": 3 * 5,
        "30 s epochs of 'Movement time'": 3 * 1,
        "30 s epochs of wake over 30 min from sleep": 3 * (2 + 1),
    }


def test_stages_after_the_end_of_the_signals_are_counted(tmp_path: Path):
    write_night(tmp_path, epochs=EPOCHS - 11)
    reading = sleep_edf.read(tmp_path, OPTIONS)
    assert len(list(reading.windows)) == reading.total == 120
    assert reading.notes["30 s epochs after the recording's end"] == 10


def test_telemetry_has_its_emg_at_100_hz(tmp_path: Path):
    write_night(tmp_path / "sleep-telemetry", "ST7011", "JP", signals=TELEMETRY)
    reading = sleep_edf.read(tmp_path, OPTIONS)
    window = next(reading.windows)
    assert (window.subject, window.signals["emg"].shape) == ("ST701", (1, 3000))


def test_a_recording_without_a_signal_gives_windows_without_it(tmp_path: Path):
    write_night(tmp_path, signals={k: v for k, v in CASSETTE.items() if not k.startswith("EMG")})
    reading = sleep_edf.read(tmp_path, OPTIONS)
    assert set(next(reading.windows).signals) == {"eeg_fpz_cz", "eeg_pz_oz", "eog"}
    assert reading.notes["recordings without 'EMG submental'"] == 1


def test_a_night_without_sleep_gives_nothing(tmp_path: Path):
    write_night(tmp_path)
    write_hypnogram(tmp_path / "SC4001EC-Hypnogram.edf", (("Sleep stage W", 60),))
    reading = sleep_edf.read(tmp_path, OPTIONS)
    assert (list(reading.windows), reading.total) == ([], 0)


def file_split(files: list[str]) -> dict[str, list[str]]:
    """Restate the released split of sorted files."""
    files = sorted(files)
    return {"train": files[:-15], "validation": files[-15:-8], "test": files[-8:]}


def test_with_the_first_20_people_the_split_by_files_is_one_by_people():
    # Person 13 has one night.
    files = [f"SC4{p:02}{n}" for p in range(20) for n in (1, 2) if (p, n) != (13, 2)]
    split = sleep_edf.split_by_files([name[:5] for name in files])
    assert split == {
        part: sorted({name[:5] for name in names}) for part, names in file_split(files).items()
    }
    assert split["test"] == ["SC416", "SC417", "SC418", "SC419"]


def test_a_person_on_a_border_belongs_to_the_held_out_part():
    people = [f"SC4{p:02}" for p in range(30) for _ in (1, 2)]
    split = sleep_edf.split_by_files(people)
    assert split["validation"] == ["SC422", "SC423", "SC424", "SC425"]
    assert "SC422" not in split["train"]
    assert sorted(p for part in split.values() for p in part) == sorted(set(people))


def test_few_files_have_no_published_split(cassette: Path):
    assert sleep_edf.read(cassette, OPTIONS).published is None


def test_real_hypnograms_have_the_counts_of_the_literature(shared: Path):
    folder = shared / "data" / "sleep_edf_partial" / "hypnograms"
    notes: Counter[str] = Counter()
    stages = sleep_edf.read_stages(folder / "SC4001EC-Hypnogram.edf", notes)
    counts = {label: count_epochs(s for s in stages if s.label == label) for label in LABELS}
    assert counts == {"wake": 1997, "N1": 58, "N2": 250, "N3": 220, "REM": 125}
    # The scored 79,500 s and what is not scored fill 24 h.
    assert sum(counts.values()) + notes["30 s epochs of 'Sleep stage ?'"] == 2880
    # The field's count of this night once its wake is trimmed [DeepSleepNet's prepared data].
    assert count_epochs(trim_wake(stages)) == 841


def test_every_real_hypnogram_is_read_and_trimmed(shared: Path):
    folder = shared / "data" / "sleep_edf_partial" / "hypnograms"
    paths = sorted(folder.glob("*-Hypnogram.edf"))
    assert len(paths) == 20
    for path in paths:
        stages = sleep_edf.read_stages(path, Counter())
        kept = trim_wake(stages)
        asleep = [s for s in kept if s.label != "wake"]
        assert {s.label for s in kept} == set(LABELS)
        assert asleep == [s for s in stages if s.label != "wake"]
        assert kept[0].start_s == asleep[0].start_s - 1800
        assert kept[-1].stop_s == min(asleep[-1].stop_s + 1800, stages[-1].stop_s)


def test_no_option_fits_scored_epochs(cassette: Path):
    with pytest.raises(ConfigError, match="sleep_edf has no option --window_s"):
        sleep_edf.read(cassette, SourceOptions(window_s=10))


def test_without_edfio_the_extra_is_named(cassette: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "edfio", None)
    with pytest.raises(DataError, match=r"needs edfio: pip install 'sensor2llm\[edf\]'"):
        sleep_edf.read(cassette, OPTIONS)


def test_a_folder_without_recordings_says_where_to_download_them(tmp_path: Path):
    with pytest.raises(DataError, match=r"physionet\.org/content/sleep-edfx"):
        sleep_edf.read(tmp_path, OPTIONS)


def test_both_sets_are_not_read_at_once(tmp_path: Path):
    for name in ("sleep-cassette/SC4001E0", "sleep-telemetry/ST7011J0"):
        path = tmp_path / f"{name}-PSG.edf"
        path.parent.mkdir()
        path.touch()
    with pytest.raises(DataError, match="name the folder of one of them"):
        sleep_edf.read(tmp_path, OPTIONS)


def test_a_recording_needs_its_hypnogram(tmp_path: Path):
    write_night(tmp_path)
    (tmp_path / "SC4001EC-Hypnogram.edf").unlink()
    with pytest.raises(DataError, match=r"SC4001E0-PSG\.edf has no SC4001…-Hypnogram\.edf"):
        sleep_edf.read(tmp_path, OPTIONS)


def test_an_unknown_stage_is_named(tmp_path: Path):
    write_night(tmp_path)
    write_hypnogram(tmp_path / "SC4001EC-Hypnogram.edf", (("Sleep stage 5", 1),))
    with pytest.raises(DataError, match="unknown stage 'Sleep stage 5' at 0 s"):
        sleep_edf.read(tmp_path, OPTIONS)


def test_a_signal_in_another_unit_is_refused(tmp_path: Path):
    write_night(tmp_path, signals=CASSETTE | {"EEG Pz-Oz": (100, "mV", 200)})
    with pytest.raises(DataError, match="'EEG Pz-Oz' is in 'mV', expected uV"):
        list(sleep_edf.read(tmp_path, OPTIONS).windows)


def test_a_recording_without_any_of_the_signals_is_refused(tmp_path: Path):
    write_night(tmp_path, signals={"Temp rectal": CASSETTE["Temp rectal"]})
    with pytest.raises(DataError, match=r"none of EEG Fpz-Cz, .*; it has Temp rectal"):
        list(sleep_edf.read(tmp_path, OPTIONS).windows)


@pytest.mark.parametrize(
    ("keep", "message"),
    [(100, "is no whole EDF file"), (400_000, r"has \d+ of 135 data records")],
)
def test_a_file_that_was_cut_short_is_refused(tmp_path: Path, keep, message):
    write_night(tmp_path)
    path = tmp_path / "SC4001E0-PSG.edf"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=message):
        sleep_edf.read(tmp_path, OPTIONS)


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(DataError, match=r"SC4001E0-PSG\.edf is missing"):
        open_edf(tmp_path / "SC4001E0-PSG.edf")
