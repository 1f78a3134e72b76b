import os
import pickle
import struct
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from sensor2llm.datasets.formats.array_pickle import load
from sensor2llm.datasets.stress import wesad
from sensor2llm.datasets.stress.wesad_pickle import CODES
from sensor2llm.datasets.stress.wesad_wrist import FILES, read_e4
from sensor2llm.errors import ConfigError, DataError
from sensor2llm.signals.reader_options import SourceOptions
from sensor2llm.signals.segment import UNLABELLED

TEN = SourceOptions(window_s=10.0)
RATES = {"ACC": 32, "BVP": 64, "EDA": 4, "TEMP": 4}
WRIST = ("wrist_bvp", "wrist_acc", "wrist_eda", "wrist_temp")
CHEST = ("chest_ecg", "chest_emg", "chest_eda", "chest_temp", "chest_resp", "chest_acc")
CONDITIONS = "start_s,condition\n0,none\n20,baseline\n60,none\n75,stress\n100,none\n"
START = 1495437325


def write_e4(folder: Path, name: str, values: np.ndarray, start: float = START) -> Path:
    """Write values (sample, column) as the wrist device does."""
    folder.mkdir(parents=True, exist_ok=True)
    heads = ([start] * values.shape[1], [float(RATES[name])] * values.shape[1])
    lines = [", ".join(f"{value:.6f}" for value in head) for head in heads]
    lines += [",".join(f"{value:.6g}" for value in row) for row in values]
    (folder / f"{name}.csv").write_text("".join(f"{line}\n" for line in lines))
    return folder / f"{name}.csv"


def write_person(
    root: Path, name: str, labels: str = CONDITIONS, seconds: int = 120, later: dict | None = None
) -> Path:
    """Write a person whose every sample is the time since START, in a unit that fits the file."""
    folder = root / "WESAD" / name
    for sensor, columns in FILES.values():
        wait = (later or {}).get(sensor, 0)
        time = wait + np.arange((seconds - wait) * RATES[sensor]) / RATES[sensor]
        scale = {"ACC": 64.0, "TEMP": 0.1}.get(sensor, 1.0)
        rows = np.repeat(scale * time[:, None], columns, axis=1)
        write_e4(folder / f"{name}_E4_Data", sensor, rows, START + wait)
    (folder / f"{name}_labels_estimated.csv").write_text(labels)
    return folder


@pytest.fixture
def small(tmp_path: Path) -> Path:
    for name in ("S2", "S10", "S3"):
        write_person(tmp_path, name)
    return tmp_path


def read(root: Path, options: SourceOptions = TEN) -> list:
    return list(wesad.read(root, options).windows)


def person(root: Path) -> Path:
    return root / "WESAD" / "S2"


# Wrist: the device's CSV files.


def test_windows_lie_wholly_within_a_condition_and_the_others_are_counted(small: Path):
    reading = wesad.read(small, TEN)
    windows = list(reading.windows)
    starts = np.arange(0, 111, 5)
    expected = [
        (label, start)
        for start in starts
        for label, first, stop in (("baseline", 20, 60), ("stress", 75, 100))
        if first <= start and start + 10 <= stop
    ]
    assert [(w.label, w.start_s) for w in windows if w.subject == "S3"] == expected
    assert list(dict.fromkeys(w.subject for w in windows)) == ["S2", "S3", "S10"]
    outside = 3 * (len(starts) - len(expected))
    assert reading.ledger["windows"].dropped == {UNLABELLED: outside}
    # 20 to 60 s and 75 to 100 s are in windows, of 120 s at 64, 32, 4 and 4 Hz.
    assert reading.ledger["samples"].read == 3 * 120 * 104
    assert reading.ledger["samples"].kept == 3 * (40 + 25) * 104
    assert reading.ledger.unbalanced() == {}


def test_modalities_units_and_rates_are_the_wrist_devices(small: Path):
    reading = wesad.read(small, SourceOptions())
    assert reading.spec.names == WRIST
    assert [(m.rate_hz, m.units, m.steps) for m in reading.spec.modalities] == [
        (64.0, ("1",), 1920),
        (32.0, ("g", "g", "g"), 960),
        (4.0, ("uS",), 120),
        (4.0, ("degC",), 120),
    ]
    assert reading.label_names == ("baseline", "stress", "amusement", "meditation")
    for window in reading.windows:
        reading.spec.check(window)


def test_samples_keep_their_time_and_acceleration_is_in_g(small: Path):
    for window in read(small, SourceOptions(window_s=10.0, overlap=0.0)):
        for name, scale in zip(WRIST, (1, 1, 1, 0.1), strict=True):
            steps = window.signals[name].shape[1]
            time = window.start_s + np.arange(steps) * 10.0 / steps
            np.testing.assert_allclose(window.signals[name][0], scale * time, rtol=1e-4)


def test_sensors_that_start_later_are_aligned_by_their_starts(tmp_path: Path):
    write_person(tmp_path, "S2", "start_s,condition\n0,meditation\n", 60, {"ACC": 12, "BVP": 3})
    windows = read(tmp_path)
    assert [set(WRIST) - set(w.signals) for w in windows[:4]] == [
        {"wrist_bvp", "wrist_acc"},
        {"wrist_acc"},
        {"wrist_acc"},
        set(),
    ]
    for window in windows[3:]:
        assert {
            round(float(v[0, 0]), 3) for n, v in window.signals.items() if n != "wrist_temp"
        } == {window.start_s}


def test_stress_against_the_rest_has_two_classes(tmp_path: Path):
    names = ["baseline", "stress", "Amusement", "MEDITATION"]
    rows = "".join(f"{20 * i},{name}\n" for i, name in enumerate(names))
    write_person(tmp_path, "S2", "start_s,condition\n" + rows, 80)
    reading = wesad.read(tmp_path, SourceOptions(window_s=10.0, classes="stress"))
    assert reading.label_names == ("no stress", "stress")
    labels = [(w.start_s, w.label) for w in reading.windows]
    # 15 and 35 lie across a border; 55 lies across two conditions of one class.
    assert labels == [
        *[(start, "no stress") for start in (0, 5, 10)],
        *[(start, "stress") for start in (20, 25, 30)],
        *[(start, "no stress") for start in (40, 45, 50, 55, 60, 65, 70)],
    ]


def test_a_temperature_that_is_no_skins_is_missing(small: Path):
    path = person(small) / "S2_E4_Data" / "TEMP.csv"
    lines = path.read_text().split("\n")
    lines[2 : 2 + 4 * 28] = ["382.18"] * (4 * 28)
    path.write_text("\n".join(lines))
    reading = wesad.read(small, TEN)
    windows = [w for w in reading.windows if w.subject == "S2"]
    absent = [w.start_s for w in windows if "wrist_temp" not in w.signals]
    assert absent == [20, 25]
    masked = "with a temperature outside 0 to 50 degC, taken as missing"
    assert reading.ledger["samples"].changed[masked] == 4 * 28


def test_the_source_says_when_labels_are_estimated(small: Path):
    assert "labels ESTIMATED" in wesad.read(small, TEN).source
    for path in small.glob("WESAD/S*/*labels_estimated.csv"):
        path.rename(path.with_name("my_labels.csv"))
    source = wesad.read(small, TEN).source
    assert source.endswith("; labels from CSV files beside the recordings")


@pytest.mark.parametrize(
    ("row", "text", "message"),
    [
        (5, "29,x,55", r"S2_E4_Data/ACC.csv: row 5: '29,x,55' is not 3 numbers"),
        (5, "29,55", r"row 5: '29,55' is not 3 numbers"),
        (5, "29,nan,55", r"row 5: '29,nan,55' is not 3 numbers"),
        (5, "29,1_0,55", r"row 5: '29,1_0,55' is not 3 numbers"),
        (2, "32.0, 32.0, 64.0", r"rows 1 and 2 are .* expected one start"),
        (2, "0, 0, 0", r"rows 1 and 2 are .* one rate above 0 Hz"),
    ],
)
def test_a_malformed_line_of_the_wrist_is_named(tmp_path: Path, row: int, text: str, message: str):
    path = write_e4(tmp_path / "S2_E4_Data", "ACC", np.ones((9, 3)))
    lines = path.read_text().split("\n")
    lines[row - 1] = text
    path.write_text("\n".join(lines))
    with pytest.raises(DataError, match=message):
        read_e4(path, 3)


def test_a_malformed_single_value_is_named(tmp_path: Path):
    path = write_e4(tmp_path, "EDA", np.ones((3, 1)))
    path.write_text(path.read_text() + "?\n")
    with pytest.raises(DataError, match=r"EDA.csv: row 6: '\?' is not a number"):
        read_e4(path, 1)


@pytest.mark.parametrize("text", ["", "1495437325.0\n4.0\n"])
def test_a_file_without_values_is_refused(tmp_path: Path, text: str):
    (tmp_path / "EDA.csv").write_text(text)
    with pytest.raises(DataError, match=r"EDA.csv has no values"):
        read_e4(tmp_path / "EDA.csv", 1)


@pytest.mark.parametrize(
    ("sensor", "columns", "rate", "start", "message"),
    [
        ("EDA", 1, 1e-9, START, r"S2/EDA\.csv is at 1e-09 Hz, expected 4 Hz"),
        ("ACC", 3, 64, START, r"S2/ACC\.csv is at 64 Hz, expected 32 Hz"),
        ("BVP", 1, 64, START + 86_400, r"S2/BVP\.csv starts 86400 s after another sensor's file"),
    ],
)
def test_a_rate_or_a_start_that_cannot_be_is_refused(
    small: Path, sensor, columns, rate, start, message
):
    rows = [[start] * columns, [rate] * columns, *[[64.0] * columns] * 99]
    text = "".join(",".join(map(str, row)) + "\n" for row in rows)
    (person(small) / "S2_E4_Data" / f"{sensor}.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read(small)


def test_a_recording_of_weeks_is_refused(small: Path):
    write_e4(person(small) / "S2_E4_Data", "EDA", np.ones((700_000, 1)))
    with pytest.raises(DataError, match=r"S2/EDA\.csv lasts 175000 s; .* up to two days"):
        read(small)


def test_an_acceleration_that_is_in_g_already_is_refused(small: Path):
    write_e4(person(small) / "S2_E4_Data", "ACC", np.full((3840, 3), 0.58))
    with pytest.raises(DataError, match=r"S2: wrist_acc has a median norm of 0\.0157 g"):
        read(small)


def test_values_that_cannot_be_are_missing_and_counted(small: Path):
    path = person(small) / "S2_E4_Data" / "EDA.csv"
    lines = path.read_text().split("\n")
    lines[2 + 4 * 30 : 2 + 4 * 31] = ["1e30", "-999", "1e308", "5"]
    path.write_text("\n".join(lines))
    reading = wesad.read(small, TEN)
    absent = [w.start_s for w in reading.windows if "wrist_eda" not in w.signals]
    assert absent == [25, 30]
    assert reading.ledger["samples"].changed == {
        "with a value that cannot be in uS taken as missing": 3
    }


@pytest.mark.parametrize("text", [b"start_s,condition\n0,\xff\n", b'"' + b"x" * 200_000])
def test_labels_that_are_no_text_are_refused(small: Path, text: bytes):
    (person(small) / "S2_labels_estimated.csv").write_bytes(text)
    with pytest.raises(DataError, match=r"S2_labels_estimated\.csv is no UTF-8 text"):
        read(small)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1 is '', expected 'start_s,condition'"),
        ("time,label\n", "S2/S2_labels_estimated.csv: line 1 is 'time,label'"),
        ("start_s,condition\n0,none\n20\n", "line 3: '20' is not 'seconds,condition'"),
        ("start_s,condition\nx,none\n", "line 2: 'x,none' is not"),
        (
            "start_s,condition\n0,none\n20,Base\n",
            "line 3: unknown condition 'Base'; choose from none, baseline, stress, amusement",
        ),
        ("start_s,condition\n9,none\n9,stress\n", "line 3: 9 s is not after 9 s"),
    ],
)
def test_a_malformed_label_file_is_named_with_its_line(small: Path, text: str, message: str):
    (person(small) / "S2_labels_estimated.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read(small)


def test_without_a_label_file_the_error_says_what_to_write(small: Path):
    (person(small) / "S2_labels_estimated.csv").unlink()
    with pytest.raises(
        DataError, match=r"S2_labels.csv there, with the header 'start_s,condition'"
    ):
        read(small)


def test_two_label_files_are_ambiguous(small: Path):
    (person(small) / "S2_labels.csv").write_text(CONDITIONS)
    with pytest.raises(DataError, match=r"has 2 label files, .*; keep one"):
        read(small)


def test_missing_files_say_what_to_unpack(small: Path, tmp_path: Path):
    folder = person(small) / "S2_E4_Data"
    (folder / "BVP.csv").rename(folder / "other.csv")
    with pytest.raises(DataError, match=r"BVP.csv is missing; unpack"):
        read(small)
    folder.rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=r"unpack S2_E4_Data.zip into a folder of that name"):
        read(small)
    with pytest.raises(DataError, match=r"archive\.ics\.uci\.edu/dataset/465"):
        read(tmp_path / "elsewhere")


def test_devices_of_other_data_sets_are_refused(small: Path):
    with pytest.raises(ConfigError, match="wesad has no device 'watch'; choose from wrist, chest"):
        read(small, SourceOptions(devices="watch"))
    with pytest.raises(ConfigError, match="wesad has no option --subjects"):
        read(small, SourceOptions(subjects="all"))


@pytest.mark.parametrize("devices", ["chest", "both"])
def test_the_chest_needs_the_pickle_of_everyone(small: Path, devices):
    write_pickle(small, "S2")
    with pytest.raises(DataError, match=r"S3.pkl is missing \(2 of 3 people\).*--devices wrist"):
        read(small, SourceOptions(devices=devices))
    # With some pickles missing the CSV files are read for all: one kind of labels a store.
    assert "ESTIMATED" in wesad.read(small, TEN).source


# Pickles: both devices and the official labels.


class Python2Pickler(pickle._Pickler):
    """Write byte and text strings as Python 2 wrote its `str`."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_string(self, text):
        content = text if isinstance(text, bytes) else text.encode("latin1")
        self.write(pickle.BINSTRING + struct.pack("<i", len(content)) + content)
        self.memoize(text)

    dispatch[bytes] = dispatch[str] = save_string


def content(seconds: float = 60.0) -> dict:
    """Make a person's pickle in the published form; ECG is 5 Hz and, thrice as strong, 300 Hz."""
    time = np.arange(round(700 * seconds)) / 700
    label = np.zeros(len(time), np.int32)
    label[700 * 5 : 700 * 25], label[700 * 30 : 700 * 50], label[700 * 50 :] = 1, 2, 6
    ecg = np.sin(2 * np.pi * 5 * time) + 3 * np.sin(2 * np.pi * 300 * time)
    chest = dict.fromkeys(("EMG", "EDA", "Resp"), time[:, None])
    chest |= {"ACC": np.tile(time[:, None], 3), "ECG": ecg[:, None]}
    chest["Temp"] = np.where(time < 12, -273.0, 30 + time / 100).astype(np.float32)[:, None]
    ticks = {name: np.arange(round(rate * seconds)) / rate for name, rate in RATES.items()}
    wrist = {name: values[:, None] for name, values in ticks.items()}
    wrist["ACC"] = np.tile(wrist["ACC"] * 64, 3)
    return {"signal": {"chest": chest, "wrist": wrist}, "label": label, "subject": "S2"}


def write_pickle(root: Path, name: str, what: object = None) -> Path:
    path = root / "WESAD" / name / f"{name}.pkl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        own = content() | {"subject": name} if what is None else what
        Python2Pickler(file, protocol=2).dump(own)
    # The place of numpy's functions when these files were written.
    path.write_bytes(path.read_bytes().replace(b"cnumpy._core.", b"cnumpy.core."))
    return path


def test_the_pickle_of_python_2_gives_both_devices_and_the_official_labels(tmp_path: Path):
    path = write_pickle(tmp_path, "S2")
    assert b"cnumpy.core.multiarray\n_reconstruct\n" in path.read_bytes()
    reading = wesad.read(tmp_path, TEN)
    windows = list(reading.windows)
    assert reading.spec.names == WRIST + CHEST
    assert reading.source.endswith("; official labels")
    assert [(w.start_s, w.label) for w in windows] == [
        *[(start, "baseline") for start in (5, 10, 15)],
        *[(start, "stress") for start in (30, 35, 40)],
    ]
    for window in windows:
        reading.spec.check(window)
        linear = ["wrist_bvp", "wrist_acc", "wrist_eda", "chest_emg", "chest_resp", "chest_acc"]
        for name in linear:
            steps = window.signals[name].shape[1]
            time = window.start_s + np.arange(steps) * 10 / steps
            np.testing.assert_allclose(window.signals[name][-1], time, atol=0.02)


def test_the_chest_is_filtered_to_its_new_rates(tmp_path: Path):
    write_pickle(tmp_path, "S2")
    reading = wesad.read(tmp_path, SourceOptions(window_s=10.0, devices="chest"))
    assert [(m.name, m.rate_hz, m.units[0]) for m in reading.spec.modalities] == [
        ("chest_ecg", 100.0, "mV"),
        ("chest_emg", 100.0, "mV"),
        ("chest_eda", 4.0, "uS"),
        ("chest_temp", 4.0, "degC"),
        ("chest_resp", 100.0, "%"),
        ("chest_acc", 100.0, "g"),
    ]
    windows = list(reading.windows)
    for window in windows:
        time = window.start_s + np.arange(1000) / 100
        expected = np.sin(2 * np.pi * 5 * time)
        np.testing.assert_allclose(window.signals["chest_ecg"][0], expected, atol=0.02)
    assert [w.start_s for w in windows if "chest_temp" not in w.signals] == [5, 10]


def test_the_wrist_alone_can_be_read_from_the_pickle(tmp_path: Path):
    write_pickle(tmp_path, "S2")
    windows = read(tmp_path, SourceOptions(window_s=10.0, devices="wrist"))
    assert {tuple(w.signals) for w in windows} == {WRIST}


@pytest.mark.parametrize("module", [b"numpy.core.", b"numpy._core."])
@pytest.mark.parametrize("pickler", [Python2Pickler, pickle._Pickler])
@pytest.mark.parametrize("dtype", ["u1", "<i4", ">i4", "<f4", ">f8", "?"])
def test_arrays_of_numbers_come_out_as_they_went_in(tmp_path: Path, module, pickler, dtype):
    rows = np.arange(200, 212).reshape(3, 4).astype(dtype)
    given = {"rows": rows, "columns": np.asfortranarray(rows), "one": rows[1, 2], "text": "S2"}
    path = tmp_path / "x.pkl"
    with path.open("wb") as file:
        pickler(file, protocol=2).dump(given)
    path.write_bytes(path.read_bytes().replace(b"cnumpy._core.", b"c" + module))
    found = load(path)
    for name in ("rows", "columns"):
        np.testing.assert_array_equal(found[name].values, given[name])
        assert found[name].values.dtype == given[name].dtype
    assert (found["one"], found["text"]) == (given["one"], "S2")


class Attack:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_that_runs_a_command_is_refused_and_not_run(tmp_path: Path, protocol: int):
    mark = tmp_path / "ran"
    attack = {"signal": Attack(os.system, f"touch {mark}")}
    path = tmp_path / "WESAD" / "S2" / "S2.pkl"
    path.parent.mkdir(parents=True)
    path.write_bytes(pickle.dumps(attack, protocol))
    with pytest.raises(DataError, match=rf"S2.pkl asks for {os.name}.system; .* was not run"):
        read(tmp_path)
    assert not mark.exists()
    pickle.loads(path.read_bytes())  # shows that the attack is a real one
    assert mark.exists()


@pytest.mark.parametrize(
    "attack", [Attack(eval, "1"), Attack(getattr, "", "join"), Attack(np.load, "x"), Path("x")]
)
def test_every_other_class_is_refused(tmp_path: Path, attack):
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps(attack, 2))
    with pytest.raises(DataError, match=r"asks for .*; only numpy arrays of numbers are read"):
        load(path)


@pytest.mark.parametrize(
    ("array", "kind"),
    [
        (np.array([{}, 1], dtype=object), "object"),
        (np.array(["a", "b"]), "str"),
        (np.zeros(2, dtype="datetime64[s]"), "datetime"),
        (np.zeros(2, dtype="f4,i4"), "void"),
    ],
)
def test_arrays_of_anything_but_numbers_are_refused(tmp_path: Path, array, kind):
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps(array, 2))
    with pytest.raises(DataError, match=f"holds an array of {kind}.*, not of numbers; .*not run"):
        load(path)


def test_a_damaged_pickle_is_refused(tmp_path: Path):
    path = write_pickle(tmp_path, "S2")
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(DataError, match=r"S2.pkl is no whole pickle \(.*download it again"):
        read(tmp_path)


def _without(*keys: str):
    def change(what: dict) -> dict:
        inner = what
        for key in keys[:-1]:
            inner = inner[key]
        del inner[keys[-1]]
        return what

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_without("label"), r"has no array of whole numbers \['label'\]"),
        (lambda what: [what], r"has no array of whole numbers \['label'\]"),
        (_without("signal"), r"has no array \['signal'\]\['wrist'\]\['BVP'\]"),
        (_without("signal", "chest", "Temp"), r"has no array \['signal'\]\['chest'\]\['Temp'\]"),
        (lambda what: what | {"label": what["label"][1:]}, "42000 samples .* labels have 41999"),
        (
            lambda what: what | {"label": what["label"] + 3},
            "label 9 at sample 35000, expected 0 to 7",
        ),
    ],
)
def test_a_pickle_that_lacks_something_is_refused(tmp_path: Path, change, message: str):
    write_pickle(tmp_path, "S2", change(content()))
    with pytest.raises(DataError, match=message):
        read(tmp_path)


def test_a_signal_of_another_shape_is_refused(tmp_path: Path):
    what = content()
    what["signal"]["wrist"]["ACC"] = what["signal"]["wrist"]["ACC"][:, :2]
    write_pickle(tmp_path, "S2", what)
    with pytest.raises(DataError, match=r"\['ACC'\] has shape \(1920, 2\), expected \(sample, 3\)"):
        read(tmp_path)


def test_a_pickle_of_another_person_is_refused(tmp_path: Path):
    write_pickle(tmp_path, "S3", content())
    with pytest.raises(DataError, match=r"S3\.pkl is of 'S2', expected 'S3'"):
        read(tmp_path)


def test_codes_are_the_published_ones():
    assert [CODES[i] for i in range(1, 5)] == list(wesad.CONDITIONS)


# The real wrist recordings.


def test_real_wrist_recordings(published):
    root = published("wesad_wrist")
    reading = wesad.read(root, SourceOptions(overlap=0.0))
    counts: Counter[tuple] = Counter()
    means: dict[tuple, list] = {}
    for window in reading.windows:
        counts[window.subject, window.label] += 1
        means.setdefault((window.subject, window.label), []).append(
            window.signals["wrist_eda"].mean()
        )
        assert set(window.signals) == set(WRIST)
        assert 25 < window.signals["wrist_temp"].min() < window.signals["wrist_temp"].max() < 40
        assert 0.7 < np.linalg.norm(window.signals["wrist_acc"], axis=0).mean() < 1.3
    people = [f"S{i}" for i in (*range(2, 12), *range(13, 18))]
    assert list(dict.fromkeys(subject for subject, _ in counts)) == people
    for subject in people:
        path = root / "WESAD" / subject / f"{subject}_labels_estimated.csv"
        rows = [line.split(",") for line in path.read_text().split()[1:]]
        expected: Counter[str] = Counter()
        for (start, name), (stop, _) in pairwise(rows):
            first, last = -(-float(start) // 30), float(stop) // 30
            expected[name] += max(0, int(last - first))
        del expected["none"]
        assert expected == {label: n for (who, label), n in counts.items() if who == subject}
    # Sweat rises under stress: in all people but one.
    rises = [np.mean(means[s, "stress"]) > np.mean(means[s, "baseline"]) for s in people]
    assert sum(rises) == 14
