import csv
import gzip
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from sensor2llm.datasets.formats import text_tables
from sensor2llm.datasets.motion import capture24
from sensor2llm.errors import ConfigError, DataError
from sensor2llm.signals.ledger.extents import REST
from sensor2llm.signals.reader_options import SourceOptions
from sensor2llm.signals.segment import SHORT

SLEEP = "7030 sleeping;MET 0.95"
WALK = "transportation;walking;17250 walking as the means to a bus, train;MET 3.0"
CHORES = "home activity;household chores;5146 standing packing/unpacking;MET 3.5"
ODD = "carousel riding;MET 1.0"
NEW = "something that the dictionary does not have"
CLASSES = {SLEEP: "sleep", WALK: "walking", CHORES: "household-chores", ODD: ""}
HEADER = "annotation,label:WillettsSpecific2018,label:Walmsley2020\n"


def write_dictionary(root: Path) -> Path:
    path = root / "capture24" / "annotation-label-dictionary.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        file.write(HEADER)
        csv.writer(file).writerows([text, name, "light"] for text, name in CLASSES.items())
    return path


def write(root: Path, person: str, parts: list, start: str = "2016-11-13 02:18:00.000000") -> Path:
    """Write parts (annotation, start in s, seconds) at 100 Hz; x is the time in s."""
    path = write_dictionary(root).parent / f"{person}.csv.gz"
    zero = datetime.fromisoformat(start)
    with gzip.open(path, "wt", newline="", compresslevel=1) as file:
        writer = csv.writer(file)
        writer.writerow(["time", "x", "y", "z", "annotation"])
        for annotation, start_s, seconds in parts:
            for t in start_s + np.arange(round(seconds * 100)) / 100:
                time = (zero + timedelta(microseconds=round(t * 1e6))).isoformat(
                    " ", "microseconds"
                )
                writer.writerow([time, f"{t:.4f}", -0.5333412, 1, annotation])
    return path


def edit(path: Path, change) -> None:
    text = gzip.decompress(path.read_bytes()).decode()
    path.write_bytes(gzip.compress(change(text).encode()))


def read(root: Path, **options):
    reading = capture24.read(root, SourceOptions(**options))
    return reading, list(reading.windows)


def test_windows_are_ten_seconds_at_100_hz_with_readable_labels(tmp_path: Path):
    write(tmp_path, "P002", [(CHORES, 0, 10)])
    write(tmp_path, "P001", [(SLEEP, 0, 20), (WALK, 20, 10)])
    reading, windows = read(tmp_path)
    assert [(w.subject, w.label, w.start_s) for w in windows] == [
        ("P001", "sleep", 0.0),
        ("P001", "sleep", 10.0),
        ("P001", "walking", 20.0),
        ("P002", "household chores", 0.0),
    ]
    assert reading.label_names == ("sleep", "walking", "household chores")
    [modality] = reading.spec.modalities
    assert (modality.name, modality.units, modality.rate_hz) == ("wrist_acc", ("g",) * 3, 100)
    expected = [10 + np.arange(1000) / 100, np.full(1000, -0.5333412), np.ones(1000)]
    np.testing.assert_allclose(windows[1].signals["wrist_acc"], expected, atol=1e-5)
    assert reading.ledger["samples"].dropped == {}
    assert reading.ledger.unbalanced() == {}


def test_windows_without_a_class_are_kept_without_a_label_and_counted(tmp_path: Path):
    write(tmp_path, "P001", [("", 0, 10), (NEW, 10, 10), (ODD, 20, 10), (SLEEP, 30, 10)])
    reading, windows = read(tmp_path)
    assert [w.label for w in windows] == [None, None, None, "sleep"]
    assert reading.ledger["windows"].changed == {"without a label": 3}
    assert reading.ledger["samples"].changed == {"whose annotation has no class": 2000}
    assert reading.ledger.unbalanced() == {}


def test_a_class_needs_half_a_window_and_two_classes_leave_it_out(tmp_path: Path):
    parts = [(SLEEP, 0, 14), ("", 14, 10), (WALK, 24, 13), (CHORES, 37, 13)]
    write(tmp_path, "P001", parts)
    _, windows = read(tmp_path)
    assert [(w.start_s, w.label) for w in windows] == [
        (0.0, "sleep"),
        (10.0, None),
        (20.0, "walking"),
        (40.0, "household chores"),
    ]


def test_annotations_of_one_class_join(tmp_path: Path):
    write(tmp_path, "P001", [(WALK, 0, 4), (SLEEP, 4, 10), (SLEEP, 14, 10)])
    reading, windows = read(tmp_path, window_s=4.0)
    assert [w.label for w in windows] == ["walking", *["sleep"] * 5]
    assert reading.spec.window_s == 4.0


def test_pauses_are_not_bridged_and_windows_start_afresh(tmp_path: Path):
    write(tmp_path, "P001", [(SLEEP, 0, 15), (SLEEP, 15.15, 10), (SLEEP, 30, 12)])
    _, windows = read(tmp_path)
    np.testing.assert_allclose([w.start_s for w in windows], [0, 10, 30])
    x = windows[1].signals["wrist_acc"][0]
    np.testing.assert_allclose(x, 10 + np.arange(1000) / 100, atol=1e-4)


def test_samples_without_a_value_or_no_later_than_before_are_dropped_and_counted(tmp_path: Path):
    path = write(tmp_path, "P001", [(SLEEP, 0, 6), (SLEEP, 5, 5)])
    edit(
        path, lambda text: text.replace(",2.0000,", ",,").replace("2016-11-13 02:18:03.000000", "")
    )
    reading, [window] = read(tmp_path)
    np.testing.assert_allclose(window.signals["wrist_acc"][0], np.arange(1000) / 100, atol=1e-4)
    # The second part goes on from a second before the end of the first.
    assert reading.ledger["samples"].read == 600 + 500
    assert reading.ledger["samples"].dropped == {
        "without a value or a time": 2,
        "with an earlier time stamp than one before": 99,
        "that repeat the one before": 1,
    }
    assert reading.ledger.unbalanced() == {}


@pytest.mark.parametrize("overlap", [0.0, 0.5])
def test_pieces_of_a_file_change_nothing(tmp_path: Path, monkeypatch, overlap: float):
    parts = [(SLEEP, 0.0, 31), (WALK, 31, 20.5), ("", 53, 12), (WALK, 65, 30)]
    path = write(tmp_path, "P001", parts)
    jittered = path.with_name("P002.csv.gz")
    # A clock that is a quarter of a step late on every third sample.
    text = gzip.decompress(path.read_bytes()).decode().splitlines()
    text[1::3] = [line.replace("0000,", "2500,", 1) for line in text[1::3]]
    jittered.write_bytes(gzip.compress("\n".join(text).encode()))
    _, whole = read(tmp_path, overlap=overlap)
    monkeypatch.setattr(text_tables, "BLOCK_BYTES", 4096)
    monkeypatch.setattr(capture24, "PIECE_SAMPLES", 1500)
    _, pieces = read(tmp_path, overlap=overlap)
    assert len(whole) == len(pieces) > 12
    for first, second in zip(whole, pieces, strict=True):
        assert (first.subject, first.label) == (second.subject, second.label)
        assert first.start_s == pytest.approx(second.start_s)
        for name, values in first.signals.items():
            np.testing.assert_allclose(values, second.signals[name], atol=1e-5)


def test_the_inner_folder_can_be_given_too(tmp_path: Path):
    folder = write(tmp_path, "P001", [(SLEEP, 0, 10)]).parent
    assert len(read(folder)[1]) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: "", r"P001\.csv\.gz: Empty CSV file; expected columns time, x, y, z, annot"),
        (lambda text: text.replace("time,x", "t,x"), "Column 'time' in include_columns"),
        (lambda text: text.replace(",0.0500", ",five"), "column 2: Row #7: .*invalid value 'five'"),
        (
            lambda text: text.replace("2016-11-13 02:18:00.01", "13/11 "),
            "column 1: Row #3: .*13/11",
        ),
    ],
)
def test_a_file_that_is_not_as_published_is_an_error(tmp_path: Path, change, message: str):
    edit(write(tmp_path, "P001", [(SLEEP, 0, 1)]), change)
    with pytest.raises(DataError, match=message):
        read(tmp_path)


def test_a_file_that_was_cut_off_is_an_error(tmp_path: Path):
    path = write(tmp_path, "P001", [(SLEEP, 0, 1)])
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match=r"P001\.csv\.gz: Truncated compressed stream; expected"):
        read(tmp_path)


def test_a_missing_or_empty_dictionary_an_empty_folder_and_other_options_are_errors(tmp_path: Path):
    with pytest.raises(DataError, match=r"no 'capture24/P\*\.csv\.gz' in .*ora\.ox\.ac\.uk"):
        read(tmp_path)
    write(tmp_path, "P001", [(SLEEP, 0, 1)])
    dictionary = write_dictionary(tmp_path)
    dictionary.write_text(HEADER + f"{SLEEP},,light\n")
    with pytest.raises(DataError, match="gives no annotation a class"):
        read(tmp_path)
    dictionary.write_text("annotation,label:Walmsley2020\n")
    with pytest.raises(DataError, match="Column 'label:WillettsSpecific2018' in include_columns"):
        read(tmp_path)
    dictionary.unlink()
    with pytest.raises(DataError, match=r"annotation-label-dictionary\.csv is missing; unpack"):
        read(tmp_path)
    with pytest.raises(ConfigError, match="capture24 has no option --devices"):
        read(tmp_path, devices="wrist")


@pytest.mark.parametrize("overlap", [0.0, 0.5])
def test_samples_of_a_long_stretch_are_counted_once(tmp_path: Path, monkeypatch, overlap):
    monkeypatch.setattr(capture24, "PIECE_SAMPLES", 1500)
    monkeypatch.setattr(text_tables, "BLOCK_BYTES", 20_000)
    write(tmp_path, "P001", [(SLEEP, 0, 63), (SLEEP, 70, 4)])
    reading, _ = read(tmp_path, overlap=overlap)
    samples = reading.ledger["samples"]
    assert (samples.read, samples.kept) == (6700, 6000)
    assert samples.dropped == {REST: 300, SHORT: 400}
    assert reading.ledger.unbalanced() == {}


def test_a_file_that_expands_without_end_is_refused(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(text_tables, "ROWS_AT_LEAST", 1000)
    path = write(tmp_path, "P001", [(SLEEP, 0, 12)])
    edit(path, lambda text: text + f"{text.splitlines()[-1]}\n" * 90_000)
    with pytest.raises(DataError, match="a byte gives over 2 rows, which no measurement does"):
        read(tmp_path)


def test_a_copy_of_a_file_is_no_other_person(tmp_path: Path):
    path = write(tmp_path, "P001", [(SLEEP, 0, 12)])
    path.with_name("P001 (1).csv.gz").write_bytes(path.read_bytes())
    with pytest.raises(DataError, match=r"P001 \(1\)\.csv\.gz names no person"):
        read(tmp_path)
