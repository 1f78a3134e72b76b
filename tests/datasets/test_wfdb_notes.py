from pathlib import Path

import numpy as np
import pytest

from sensor2llm.datasets.formats.wfdb_notes import MAX_BYTES, read_notes
from sensor2llm.datasets.heart import afdb
from sensor2llm.errors import DataError
from sensor2llm.signals.reader_options import SourceOptions
from tests.datasets.wfdb_files import write_notes

SAMPLES = [30, 100, 100, 1123, 1124, 70_000, 5_000_000]
TEXTS = ["(N", "", "(AFIB", "odd", "even", "(AFL", "a long text of the recorder"]


@pytest.fixture
def record(tmp_path: Path) -> Path:
    write_notes(tmp_path / "04015", "atr", SAMPLES, TEXTS, rate_hz=250)
    return tmp_path / "04015"


def test_annotations_are_those_that_wfdb_wrote(record: Path):
    notes = read_notes(record, "atr")
    assert notes.samples.tolist() == SAMPLES
    assert list(notes.texts) == TEXTS
    assert notes.rate_hz == 250


def test_the_rate_comes_from_the_header_where_the_file_has_none(tmp_path: Path):
    write_notes(tmp_path / "04015", "qrs", [5, 9])
    assert read_notes(tmp_path / "04015", "qrs").rate_hz is None
    (tmp_path / "04015.hea").write_text("# about\n04015 2 128.5 100\n")
    assert read_notes(tmp_path / "04015", "qrs").rate_hz == 128.5


def words(*pairs: tuple[int, int]) -> bytes:
    """Give 16-bit words of a code and a number each."""
    return np.array([code << 10 | number for code, number in pairs], "<u2").tobytes()


SKIP_BACK = words((59, 0)) + np.array([0xFFFF, 0xFFFF], "<u2").tobytes()


def test_a_long_step_may_go_back(tmp_path: Path):
    (tmp_path / "p.qrs").write_bytes(words((1, 9)) + SKIP_BACK + words((1, 3), (0, 0)))
    assert read_notes(tmp_path / "p", "qrs").samples.tolist() == [9, 11]


@pytest.mark.parametrize(
    "content",
    [
        words((1, 9)),
        words((1, 9), (0, 0), (1, 9)),
        words((63, 3)) + b"(N\x00\x00\x00\x00",
        words((1, 9), (63, 200)) + b"(N\x00\x00",
        words((1, 9), (59, 0)) + b"\x00\x00",
        b"\x00" + words((1, 9)),
        b"",
    ],
)
def test_what_does_not_end_as_it_should_is_refused(tmp_path: Path, content):
    (tmp_path / "p.atr").write_bytes(content)
    with pytest.raises(DataError, match=r"p\.atr"):
        read_notes(tmp_path / "p", "atr")


def test_a_comment_that_sends_wfdb_round_for_ever_is_a_comment(tmp_path: Path):
    (tmp_path / "04015.atr").write_bytes(b"\x00X\x17\xfc## time " + bytes(60))
    write_notes(tmp_path / "04015", "qrs", np.arange(1, 99) * 200)
    assert read_notes(tmp_path / "04015", "atr").texts == ()
    with pytest.raises(DataError, match="04015: its atr file names no rhythm"):
        next(afdb.read(tmp_path, SourceOptions()).windows)


def test_a_file_of_megabytes_is_refused(tmp_path: Path):
    (tmp_path / "p.atr").write_bytes(bytes(MAX_BYTES + 2))
    with pytest.raises(DataError, match=f"p.atr has {MAX_BYTES + 2} bytes"):
        read_notes(tmp_path / "p", "atr")


def test_another_rate_than_the_published_one_is_refused(tmp_path: Path):
    write_notes(tmp_path / "04015", "atr", [30], ["(N"], rate_hz=128)
    write_notes(tmp_path / "04015", "qrs", np.arange(1, 99) * 200, rate_hz=128)
    with pytest.raises(DataError, match=r"04015\.atr counts 128 samples a second, expected 250"):
        next(afdb.read(tmp_path, SourceOptions()).windows)


def test_a_rhythm_that_comes_after_a_later_one_is_refused(tmp_path: Path):
    content = words((28, 900), (63, 2)) + b"(N" + SKIP_BACK + words((28, 0), (63, 2)) + b"(J"
    (tmp_path / "04015.atr").write_bytes(content + words((0, 0)))
    write_notes(tmp_path / "04015", "qrs", np.arange(1, 99) * 200)
    with pytest.raises(DataError, match="the rhythm at sample 899 comes after a later one"):
        next(afdb.read(tmp_path, SourceOptions()).windows)
