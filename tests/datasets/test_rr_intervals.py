from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from sensor2llm.datasets.heart import rr_intervals
from sensor2llm.datasets.heart.beat_lists import spread_by_intervals
from sensor2llm.errors import ConfigError, DataError
from sensor2llm.signals.ledger.extents import REST
from sensor2llm.signals.reader_options import SourceOptions
from sensor2llm.signals.segment import BORDER, SHORT

OPTIONS = SourceOptions()


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def one_column(intervals) -> str:
    return "".join(f"{value}\n" for value in intervals)


def three_columns(intervals, labels) -> str:
    rows = zip(np.cumsum(intervals), intervals, labels, strict=True)
    return "".join(f"{time:.3f}\t{value:.4f}\t{label}\n" for time, value, label in rows)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    write(tmp_path / "healthy" / "p1.txt", one_column([0.8] * 125))
    write(tmp_path / "failing" / "p2.txt", one_column([700] * 60))
    return tmp_path


def test_a_folder_is_a_class_and_a_file_a_person(small: Path):
    reading = rr_intervals.read(small, OPTIONS)
    windows = list(reading.windows)
    assert [(w.subject, w.label, round(w.start_s, 6)) for w in windows] == [
        ("p2", "failing", 0),
        ("p1", "healthy", 0),
        ("p1", "healthy", 48),
    ]
    for window in windows:
        reading.spec.check(window)
    assert reading.ledger["beats"].dropped == {REST: 5}


def test_seconds_and_milliseconds_both_become_milliseconds(small: Path):
    windows = list(rr_intervals.read(small, OPTIONS).windows)
    values = [np.unique(w.signals["rr"]) for w in windows]
    np.testing.assert_allclose(np.concatenate(values), [700, 800, 800], rtol=1e-6)
    assert rr_intervals.read(small, OPTIONS).spec["rr"].units == ("ms",)


def test_the_third_column_labels_and_no_window_touches_two_labels(tmp_path: Path):
    labels = ["atrial fibrillation"] * 70 + ["unlabelled"] * 110 + ["unknown"] * 60
    write(tmp_path / "group" / "p.txt", three_columns([0.5] * 240, labels))
    reading = rr_intervals.read(tmp_path, OPTIONS)
    found = [(w.label, round(w.start_s, 3)) for w in reading.windows]
    assert found == [("atrial fibrillation", 0), ("group", 60), (None, 90)]
    assert reading.ledger["windows"].dropped == {BORDER: 1}
    assert reading.ledger["beats"].dropped == {BORDER: 60}
    assert reading.ledger.unbalanced() == {}


def test_two_columns_are_time_and_interval(tmp_path: Path):
    rows = "".join(f"{100 + 0.5 * i:.1f}\t500\n" for i in range(60))
    write(tmp_path / "group" / "p.txt", rows)
    [window] = rr_intervals.read(tmp_path, OPTIONS).windows
    assert (window.start_s, window.signals["rr"][0, 0]) == (99.5, 500)


@pytest.mark.parametrize("gap", [0.2, 2.5])
def test_the_recording_is_cut_at_what_is_no_interval(tmp_path: Path, gap):
    intervals = [0.5] * 50 + [gap] + [0.5] * 70
    write(tmp_path / "group" / "p.txt", one_column(intervals))
    reading = rr_intervals.read(tmp_path, OPTIONS)
    [window] = reading.windows
    np.testing.assert_allclose(window.start_s, 25 + gap)
    assert reading.ledger["beats"].dropped == {
        "with an interval outside 0.3 to 2 s": 1,
        SHORT: 50,
        REST: 10,
    }
    assert reading.ledger["beats"].read == 121
    assert reading.ledger.unbalanced() == {}


def test_the_recording_is_cut_where_the_clock_pauses(tmp_path: Path):
    times = np.r_[0.5 * np.arange(1, 51), 1000 + 0.5 * np.arange(60)]
    write(tmp_path / "group" / "p.txt", "".join(f"{t}\t0.5\n" for t in times))
    assert [w.start_s for w in rr_intervals.read(tmp_path, OPTIONS).windows] == [999.5]


def test_overlap_is_an_option(small: Path):
    reading = rr_intervals.read(small, SourceOptions(overlap=0.75))
    starts = [w.start_s for w in reading.windows if w.subject == "p1"]
    np.testing.assert_allclose(starts, np.arange(5) * 15 * 0.8)


def test_labels_csv_gives_other_texts_records_first(small: Path):
    write(
        small / "healthy" / "p3.txt", three_columns([0.8] * 120, ["N"] * 60 + ["unlabelled"] * 60)
    )
    write(small / "labels.csv", "name,label\nhealthy,no illness\np3,an athlete\nN, normal\n")
    windows = list(rr_intervals.read(small, OPTIONS).windows)
    assert Counter((w.subject, w.label) for w in windows) == {
        ("p1", "no illness"): 2,
        ("p2", "failing"): 1,
        ("p3", "normal"): 1,
        ("p3", "an athlete"): 1,
    }


def test_files_in_the_folder_itself_bear_its_name(tmp_path: Path):
    write(tmp_path / "resting" / "p1.txt", one_column([0.9] * 60))
    [window] = rr_intervals.read(tmp_path / "resting", OPTIONS).windows
    assert window.label == "resting"


def test_real_intervals_are_read_exactly(shared: Path, tmp_path: Path):
    compact = np.load(shared / "data" / "rr_nsr2db_chf2db" / "rr_nsr2db_chf2db.npz")
    groups = compact["group"].tolist()
    expected: Counter[tuple[str, str]] = Counter()
    for group in ("nsr2db", "chf2db"):
        index = groups.index(group)
        rows = slice(compact["offset"][index], compact["offset"][index + 1])
        intervals = compact["rr_ticks_128hz"][rows] / 128
        record = str(compact["record"][index])
        text = three_columns(intervals, ["unlabelled"] * len(intervals))
        write(tmp_path / "rr" / group / f"{record}.txt", text)
        # Runs of believable intervals, restated: whole windows of 60 in each.
        cuts = np.flatnonzero((intervals < 0.3) | (intervals > 2))
        runs = np.diff(np.r_[-1, cuts, len(intervals)]) - 1
        expected[record, group] = int((runs // 60).sum())
    windows = list(rr_intervals.read(tmp_path, OPTIONS).windows)
    assert Counter((w.subject, w.label) for w in windows) == expected
    medians = {g: np.median([w.signals["rr"] for w in windows if w.label == g]) for g in groups}
    assert all(500 < median < 1000 for median in medians.values())


def test_length_is_no_option(small: Path):
    with pytest.raises(ConfigError, match="rr_intervals has no option --window-s"):
        rr_intervals.read(small, SourceOptions(window_s=30))


def test_a_folder_without_files_says_what_to_write(tmp_path: Path):
    with pytest.raises(DataError, match=r"no GROUP/RECORD\.txt in .*ann2rr"):
        rr_intervals.read(tmp_path, OPTIONS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"p\.txt is empty"),
        ("0.8\nabc\n0.8\n", r"p\.txt: line 2: 'abc'; expected an interval"),
        ("0.8\nnan\n", r"p\.txt: line 2: 'nan'"),
        ("0.8\n1e308\n", r"p\.txt: line 2: '1e308'"),
        ("0.8\n0.9\t0.9\n", r"p\.txt: line 2: '0\.9\\t0\.9'"),
        ("1\t2\t3\t4\n", r"p\.txt: line 1: '1\\t2\\t3\\t4'"),
        ("1.0\t0.8\n0.9\t0.8\n", r"beat 2 at 0\.9 lies before the one above it, at 1;"),
        ("0.8\n1.6\n2.4\n3.2\n4.0\n", r"60% of the values lie outside 0\.3 to 2 s"),
    ],
)
def test_what_is_no_list_of_intervals_is_refused(tmp_path: Path, text, message):
    write(tmp_path / "group" / "p.txt", text)
    with pytest.raises(DataError, match=message):
        next(rr_intervals.read(tmp_path, OPTIONS).windows)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nsr2db,healthy\n", r"labels\.csv: row 1 is .*expected 'name,label'"),
        ("name,label\nnsr2db,a\nnsr2db,b\n", r"labels\.csv gives 'nsr2db' two labels"),
        ("name,label\n" + "x" * 200_000, r"labels\.csv: field larger than field limit"),
        ("name,label\nnsr2db,\n", r"labels\.csv: row 2 is .*such as 'nsr2db,healthy'"),
    ],
)
def test_a_malformed_labels_csv_is_refused(small: Path, text, message):
    write(small / "labels.csv", text)
    with pytest.raises(DataError, match=message):
        rr_intervals.read(small, OPTIONS)


def _beats(count: int = 70) -> np.ndarray:
    """Give intervals in ms that differ from one another."""
    return np.array([800 + 10 * (i % 9) for i in range(count)])


WAYS = {
    "seconds, a blank": lambda rr: [
        f"{t / 1000:.3f} {v / 1000:.3f}" for t, v in zip(rr.cumsum(), rr, strict=True)
    ],
    "ms and ms, a tab": lambda rr: [
        f"{1508770156395 + t}\t{v}" for t, v in zip(rr.cumsum(), rr, strict=True)
    ],
    "ms and s": lambda rr: [f"{t}\t{v / 1000}" for t, v in zip(rr.cumsum(), rr, strict=True)],
    "s and ms, a comma": lambda rr: [
        f"{t / 1000},{v},N" for t, v in zip(rr.cumsum(), rr, strict=True)
    ],
    "a semicolon and decimal commas": lambda rr: [
        f"{t / 1000};{v / 1000}".replace(".", ",") for t, v in zip(rr.cumsum(), rr, strict=True)
    ],
    "many blanks": lambda rr: [
        f"  {t / 1000:8.3f}   {v:5d}  " for t, v in zip(rr.cumsum(), rr, strict=True)
    ],
    "one column": lambda rr: [f"{v}" for v in rr],
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_write_beats_gives_the_same_intervals(tmp_path: Path, way, end, encoding):
    (tmp_path / "rest").mkdir()
    text = end.join([*WAYS[way](_beats()), ""])
    (tmp_path / "rest" / "p.txt").write_bytes(text.encode(encoding))
    reading = rr_intervals.read(tmp_path, OPTIONS)
    [window] = reading.windows
    np.testing.assert_allclose(window.signals["rr"][0], _beats()[:60], rtol=1e-6)
    assert reading.ledger["beats"].read == 70
    assert reading.ledger.unbalanced() == {}


def test_beats_that_share_a_stamp_are_spread_by_their_intervals_and_none_is_lost(tmp_path: Path):
    rr = np.full(120, 0.8)
    stamps = np.repeat(rr.cumsum()[2::3], 3)
    write(tmp_path / "rest" / "p.txt", "".join(f"{t:.3f}\t0.8\n" for t in stamps))
    reading = rr_intervals.read(tmp_path, OPTIONS)
    assert [round(w.start_s, 6) for w in reading.windows] == [0, 48]
    assert reading.ledger["beats"].kept == reading.ledger["beats"].read == 120
    assert reading.ledger["beats"].changed == {
        "that share a time stamp, spread by their intervals": 120
    }


def test_no_spread_beat_comes_before_the_packet_before_its_own():
    times = spread_by_intervals(np.array([1.0, 2.0, 2.0, 2.0]), np.array([0.8, 0.9, 0.9, 0.9]))
    np.testing.assert_allclose(times, [1.0, 1.0, 1.1, 2.0])


def test_what_the_columns_cannot_be_is_refused(tmp_path: Path):
    rr = _beats() / 1000
    cases = {
        "time first, then the interval": zip(rr, rr.cumsum(), strict=True),
        r"a step of time is 0\.4 where the interval is 0\.8": ((0.4 * i, 0.8) for i in range(70)),
        "all beats have one time, 5; leave it out": ((5, 0.8) for _ in range(70)),
    }
    for message, rows in cases.items():
        write(tmp_path / "rest" / "p.txt", "".join(f"{a}\t{b}\n" for a, b in rows))
        with pytest.raises(DataError, match=message):
            next(rr_intervals.read(tmp_path, OPTIONS).windows)


def test_text_in_another_encoding_is_refused(tmp_path: Path):
    (tmp_path / "rest").mkdir()
    (tmp_path / "rest" / "p.txt").write_bytes(b"1\t0.8\truhig\n2\t0.8\tgl\xfcck\n")
    with pytest.raises(DataError, match=r"p\.txt is no UTF-8 text: byte 20 cannot be read"):
        next(rr_intervals.read(tmp_path, OPTIONS).windows)
