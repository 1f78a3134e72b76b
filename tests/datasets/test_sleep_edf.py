import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import edfio
import numpy as np
import pytest

from sensor2llm.datasets.formats.edf_files import open_edf
from sensor2llm.datasets.sleep import sleep_edf
from sensor2llm.datasets.sleep.sleep_stages import LABELS, count_epochs, trim_wake
from sensor2llm.errors import ConfigError, DataError
from sensor2llm.signals.reader_options import SourceOptions

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
    assert reading.ledger["epochs"].read == 3 * (EPOCHS + 4)
    assert reading.ledger["epochs"].kept == 390
    assert reading.ledger["epochs"].dropped == {
        "of 'Sleep stage ?'": 3 * 5,
        "of 'Movement time'": 3 * 1,
        "of wake over 30 min from sleep": 3 * (2 + 1),
    }
    assert reading.ledger.unbalanced() == {}


def test_stages_after_the_end_of_the_signals_are_counted(tmp_path: Path):
    write_night(tmp_path, epochs=EPOCHS - 11)
    reading = sleep_edf.read(tmp_path, OPTIONS)
    assert len(list(reading.windows)) == reading.total == 120
    assert reading.ledger["epochs"].dropped["after the recording's end"] == 10
    assert reading.ledger.unbalanced() == {}


def test_telemetry_has_its_emg_at_100_hz(tmp_path: Path):
    write_night(tmp_path / "sleep-telemetry", "ST7011", "JP", signals=TELEMETRY)
    reading = sleep_edf.read(tmp_path, OPTIONS)
    window = next(reading.windows)
    assert (window.subject, window.signals["emg"].shape) == ("ST701", (1, 3000))


def test_a_recording_without_a_signal_gives_windows_without_it(tmp_path: Path):
    write_night(tmp_path, signals={k: v for k, v in CASSETTE.items() if not k.startswith("EMG")})
    reading = sleep_edf.read(tmp_path, OPTIONS)
    assert set(next(reading.windows).signals) == {"eeg_fpz_cz", "eeg_pz_oz", "eog"}
    assert reading.ledger["recordings"].changed == {"without 'EMG submental'": 1}


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


def named(scored):
    """Give the stages that are kept, under our names."""
    names = sleep_edf.STAGES
    return [replace(s, label=names[s.label]) for s in scored if s.label in names]


def test_real_hypnograms_have_the_counts_of_the_literature(shared: Path):
    folder = shared / "data" / "sleep_edf_partial" / "hypnograms"
    scored = sleep_edf.read_stages(open_edf(folder / "SC4001EC-Hypnogram.edf"))
    stages = named(scored)
    counts = {label: count_epochs(s for s in stages if s.label == label) for label in LABELS}
    assert counts == {"wake": 1997, "N1": 58, "N2": 250, "N3": 220, "REM": 125}
    # The scored 79,500 s and what is not scored fill 24 h.
    assert count_epochs(scored) == 2880
    # The field's count of this night once its wake is trimmed [DeepSleepNet's prepared data].
    assert count_epochs(trim_wake(stages)) == 841


def test_every_real_hypnogram_is_read_and_trimmed(shared: Path):
    folder = shared / "data" / "sleep_edf_partial" / "hypnograms"
    paths = sorted(folder.glob("*-Hypnogram.edf"))
    assert len(paths) == 20
    for path in paths:
        stages = named(sleep_edf.read_stages(open_edf(path)))
        kept = trim_wake(stages)
        asleep = [s for s in kept if s.label != "wake"]
        assert {s.label for s in kept} == set(LABELS)
        assert asleep == [s for s in stages if s.label != "wake"]
        assert kept[0].start_s == asleep[0].start_s - 1800
        assert kept[-1].stop_s == min(asleep[-1].stop_s + 1800, stages[-1].stop_s)


def test_no_option_fits_scored_epochs(cassette: Path):
    with pytest.raises(ConfigError, match="sleep_edf has no option --window-s"):
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
    [
        (100, "is no whole EDF file"),
        (1000, "its header of 7 signals is not whole"),
        (400_000, r"has \d+ of 135 data records"),
    ],
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


def patch(path: Path, place: int, text: bytes) -> None:
    raw = bytearray(path.read_bytes())
    raw[place : place + len(text)] = text
    path.write_bytes(raw)


def write_paused_night(folder: Path, onsets_s: list[int]) -> None:
    """Write EDF+D: a data record of 30 s at each of these seconds, holding its own number."""
    number = np.repeat(np.arange(len(onsets_s), dtype=float), 3000)
    signal = edfio.EdfSignal(
        number, 100, label="EEG Fpz-Cz", physical_dimension="uV", physical_range=(-200, 200)
    )
    path = folder / "SC4001E0-PSG.edf"
    notes = [edfio.EdfAnnotation(0, None, "a text long enough for any onset")]
    edfio.Edf([signal], data_record_duration=30, annotations=notes).write(path)
    patch(path, 192, b"EDF+D")
    header, size = 256 * 3, 6000
    record = (path.stat().st_size - header) // len(onsets_s)
    for i, onset in enumerate(onsets_s):
        text = f"+{onset}\x14\x14\x00".encode()
        patch(path, header + i * record + size, text.ljust(record - size, b"\x00"))


STAGES = (("Sleep stage 1", 4), ("Sleep stage 2", 20), ("Sleep stage R", 4))


def test_stages_stay_with_their_signals_where_a_recording_pauses(tmp_path: Path):
    onsets = [*range(0, 300, 30), *range(450, 840, 30)]
    write_paused_night(tmp_path, onsets)
    write_hypnogram(tmp_path / "SC4001EC-Hypnogram.edf", STAGES)
    reading = sleep_edf.read(tmp_path, OPTIONS)
    windows = list(reading.windows)
    assert [w.start_s for w in windows] == onsets
    assert [w.label for w in windows] == ["N1"] * 4 + ["N2"] * 15 + ["REM"] * 4
    for number, window in enumerate(windows):
        np.testing.assert_allclose(window.signals["eeg_fpz_cz"], number, atol=0.05)
    assert reading.ledger["epochs"].dropped == {"in a pause of the recording": 5}
    assert reading.ledger.unbalanced() == {}


def test_a_window_after_a_pause_begins_with_it(tmp_path: Path):
    # The pause ends 10 s into an epoch: N2 goes on from there in windows of its own.
    write_paused_night(tmp_path, [*range(0, 300, 30), *range(310, 850, 30)])
    write_hypnogram(tmp_path / "SC4001EC-Hypnogram.edf", STAGES)
    reading = sleep_edf.read(tmp_path, OPTIONS)
    windows = list(reading.windows)
    assert [w.start_s for w in windows if w.label == "N2"][5:8] == [270, 310, 340]
    for window in windows:
        values = window.signals["eeg_fpz_cz"]
        assert values.max() - values.min() < 1 or window.label == "REM"
    assert reading.ledger.unbalanced() == {}


@pytest.mark.parametrize(
    ("onsets", "message"),
    [
        ([0, 30, 20], "data record 3 starts before the one above it ends"),
        ([0, 30, 30], "data record 3 starts before the one above it ends"),
    ],
)
def test_records_that_overlap_are_refused(tmp_path: Path, onsets, message):
    write_paused_night(tmp_path, onsets)
    write_hypnogram(tmp_path / "SC4001EC-Hypnogram.edf", STAGES)
    with pytest.raises(DataError, match=message):
        sleep_edf.read(tmp_path, OPTIONS)


def test_a_record_that_does_not_say_when_it_is_is_refused(tmp_path: Path):
    write_paused_night(tmp_path, [0, 30])
    path = tmp_path / "SC4001E0-PSG.edf"
    patch(path, 256 * 3 + 6000, b"no time")
    write_hypnogram(tmp_path / "SC4001EC-Hypnogram.edf", STAGES)
    with pytest.raises(DataError, match="data record 1 does not say when it starts"):
        sleep_edf.read(tmp_path, OPTIONS)


@pytest.mark.parametrize("minutes", [10, -10])
def test_a_hypnogram_of_another_start_is_moved_to_its_signals(tmp_path: Path, minutes):
    write_night(tmp_path)
    late = tmp_path / ("SC4001EC-Hypnogram.edf" if minutes > 0 else "SC4001E0-PSG.edf")
    patch(late, 168, b"01.01.8500.10.00")
    reading = sleep_edf.read(tmp_path, OPTIONS)
    windows = list(reading.windows)
    # The first sleep is epoch 62 of the hypnogram, 20 epochs later or earlier in the signals.
    first = next(w for w in windows if w.label == "N1")
    assert first.start_s == (62 + 2 * minutes) * 30
    np.testing.assert_allclose(first.signals["eeg_pz_oz"], 62 + 2 * minutes, atol=0.05)
    [reason] = reading.ledger["recordings"].changed
    assert reason.startswith(f"with stages moved by {60 * minutes} s")
    assert reading.ledger.unbalanced() == {}


@pytest.mark.parametrize(
    ("file", "place", "text", "message"),
    [
        ("EC-Hypnogram", 168, b"02.01.8500.00.00", "are not of one night"),
        ("EC-Hypnogram", 168, b"xx.xx.xxyy.yy.yy", "names no date and time"),
        ("E0-PSG", 252, b"9999", "its header names 9999 signals"),
        ("E0-PSG", 252, b"0   ", "its header names 0 signals"),
        ("E0-PSG", 252, b"8   ", "its header of 8 signals is not whole"),
        ("E0-PSG", 244, b"0       ", "a data record of '0' s"),
        ("E0-PSG", 244, b"1e9     ", "a data record of '1e9' s"),
        ("E0-PSG", 236, b"99999999", "has 135 of 99999999 data records"),
        ("E0-PSG", 236, b"100     ", "has 135 of 100 data records"),
        ("E0-PSG", 256 + 216 * 7, b"99999999", "has 0 of 135 data records"),
        ("E0-PSG", 256 + 216 * 7, b"-1      ", "its header of 7 signals is not whole"),
        # Physical and digital limits of the first signal, of seven.
        ("E0-PSG", 256 + 104 * 7, b"-32768  ", None),
        ("E0-PSG", 256 + 120 * 7, b"32767   ", "'EEG Fpz-Cz' has no physical range"),
        ("E0-PSG", 256 + 120 * 7, b"abc     ", "'EEG Fpz-Cz' has no physical range"),
        ("E0-PSG", 256 + 104 * 7, b"inf     ", "'EEG Fpz-Cz' has no physical range"),
        ("E0-PSG", 256 + 104 * 7, b"192     ", "'EEG Fpz-Cz' has no physical range"),
        ("E0-PSG", 256 + 16, b"EEG Fpz-Cz      ", "has the signal 'EEG Fpz-Cz' twice"),
    ],
)
def test_a_header_that_cannot_be_is_refused(tmp_path: Path, file, place, text, message):
    write_night(tmp_path)
    patch(tmp_path / f"SC4001{file}.edf", place, text)
    if place == 256 + 120 * 7:
        # Nothing but the other limit says that these are counts.
        patch(tmp_path / f"SC4001{file}.edf", 256 + 128 * 7, text)
        patch(tmp_path / f"SC4001{file}.edf", 256 + 112 * 7, b"32767   ")
        patch(tmp_path / f"SC4001{file}.edf", 256 + 104 * 7, b"-32768  ")
    if message is None:
        assert list(sleep_edf.read(tmp_path, OPTIONS).windows)
        return
    with pytest.raises(DataError, match=message):
        list(sleep_edf.read(tmp_path, OPTIONS).windows)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([(0, 60, "1"), (30, 60, "2")], "at 30 s begins before 60 s"),
        ([(0, 200_000, "1")], "stages up to 200000 s, expected a night"),
    ],
)
def test_stages_that_cannot_be_are_refused(tmp_path: Path, rows, message):
    write_night(tmp_path)
    notes = [edfio.EdfAnnotation(a, d, f"Sleep stage {text}") for a, d, text in rows]
    edfio.Edf([], annotations=notes).write(tmp_path / "SC4001EC-Hypnogram.edf")
    with pytest.raises(DataError, match=message):
        sleep_edf.read(tmp_path, OPTIONS)


def test_annotations_that_cannot_be_read_are_refused(tmp_path: Path):
    write_night(tmp_path)
    path = tmp_path / "SC4001EC-Hypnogram.edf"
    patch(path, 530, b"\xff\xfe\xff")
    with pytest.raises(DataError, match=r"Hypnogram\.edf: its annotations cannot be read"):
        sleep_edf.read(tmp_path, OPTIONS)
    path.write_bytes(path.read_bytes()[:512] + bytes(2_000_000))
    patch(path, 256 + 216, b"1000000 ")
    with pytest.raises(DataError, match="over 1000000 bytes of annotations"):
        sleep_edf.read(tmp_path, OPTIONS)


def test_two_hypnograms_of_a_night_are_refused(tmp_path: Path):
    write_night(tmp_path)
    write_hypnogram(tmp_path / "SC4001EH-Hypnogram.edf")
    with pytest.raises(DataError, match="has 2 SC4001…-Hypnogram"):
        sleep_edf.read(tmp_path, OPTIONS)


def test_a_signal_at_a_rate_far_below_the_published_one_is_refused(tmp_path: Path):
    write_night(tmp_path, signals=CASSETTE | {"EEG Pz-Oz": (1, "uV", 200)})
    with pytest.raises(DataError, match="'EEG Pz-Oz' is at 1 Hz, expected 100 Hz"):
        list(sleep_edf.read(tmp_path, OPTIONS).windows)


def test_a_night_that_is_there_twice_is_refused(tmp_path: Path):
    for folder in (tmp_path, tmp_path / "sleep-cassette"):
        folder.mkdir(exist_ok=True)
        (folder / "SC4001E0-PSG.edf").touch()
    with pytest.raises(DataError, match="are one night of one person; keep one of them"):
        sleep_edf.find_recordings(tmp_path)
