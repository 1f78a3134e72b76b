from collections import Counter
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest

from sensor2llm.datasets.heart import afdb
from sensor2llm.errors import ConfigError, DataError
from sensor2llm.signals.ledger.extents import REST
from sensor2llm.signals.reader_options import SourceOptions
from sensor2llm.signals.segment import BORDER
from tests.datasets.wfdb_files import write_notes

OPTIONS = SourceOptions()
NORMAL, FIBRILLATION = 200, 125
"""Samples at 250 Hz: 800 ms and 500 ms."""


def as_text(folder: Path, record: str, beats, changes) -> None:
    """Write the dumps: rdann of the rhythms, and a beat a line after the beat before."""
    lines = ["Elapsed time  Sample #  Type  Sub Chan  Num\tAux"]
    lines += [f"    0:{s / 250:06.3f} {s:8d}     +    0    0    0\t{r}" for s, r in changes]
    (folder / f"atr{record}.txt").write_text("\n".join(lines) + "\n")
    before = [0, *beats[:-1]]
    (folder / f"qrs{record}.txt").write_text(
        "".join(f"{a}\t{(b - a) / 250:.3f}\t{b}\n" for a, b in zip(before, beats, strict=True))
    )


def as_wfdb(folder: Path, record: str, beats, changes) -> None:
    samples, rhythms = zip(*changes, strict=True)
    write_notes(folder / record, "atr", samples, list(rhythms), rate_hz=250)
    write_notes(folder / record, "qrs", beats)


def heart() -> tuple[list[int], list[tuple[int, str]]]:
    """Give 150 normal beats, 130 in fibrillation, and 70 normal ones after a gap of 4 s."""
    steps = [50] + [NORMAL] * 150 + [FIBRILLATION] * 130 + [1000] + [NORMAL] * 70
    beats = np.cumsum(steps).tolist()
    changes = [(30, "(N"), (beats[150], "(AFIB"), (beats[280], "(N")]
    return beats, changes


@pytest.fixture(params=[as_text, as_wfdb])
def folder(request, tmp_path: Path) -> Path:
    request.param(tmp_path, "04015", *heart())
    return tmp_path


def test_sixty_beats_of_one_rhythm_are_a_window(folder: Path):
    reading = afdb.read(folder, OPTIONS)
    windows = list(reading.windows)
    assert [(w.subject, w.label) for w in windows] == [
        *[("04015", "normal rhythm")] * 2,
        ("04015", "atrial fibrillation"),
        ("04015", "normal rhythm"),
    ]
    for window in windows:
        reading.spec.check(window)
    intervals = [set(w.signals["rr"][0].tolist()) for w in windows]
    assert intervals == [{800.0}, {800.0}, {500.0}, {800.0}]


def test_windows_start_with_the_beat_before_their_first_interval(folder: Path):
    beats = heart()[0]
    starts = [w.start_s for w in afdb.read(folder, OPTIONS).windows]
    expected = [beats[i] / 250 for i in (0, 60, 180, 281)]
    np.testing.assert_allclose(starts, expected)


def test_what_is_dropped_is_counted(folder: Path):
    reading = afdb.read(folder, OPTIONS)
    assert len(list(reading.windows)) == 4
    # The first beat ends no interval; 280 beats before the gap of 4 s and 70 after it.
    assert reading.ledger["beats"].read == 1 + 280 + 1 + 70
    assert reading.ledger["beats"].kept == 4 * 60
    assert reading.ledger["beats"].dropped == {
        "that end no interval, the first of a record": 1,
        "with an interval outside 0.2 to 3 s": 1,
        BORDER: 60,
        REST: (280 - 300 + 60) + 10,
    }
    assert reading.ledger["windows"].dropped == {BORDER: 1}
    assert reading.ledger.unbalanced() == {}


def test_overlap_is_an_option(folder: Path):
    reading = afdb.read(folder, SourceOptions(overlap=0.5))
    assert Counter(w.label for w in reading.windows) == {
        "normal rhythm": 4 + 1,
        "atrial fibrillation": 3,
    }


def test_windows_hold_60_beats_in_ms_on_the_event_axis(folder: Path):
    [modality] = afdb.read(folder, OPTIONS).spec.modalities
    assert (modality.name, modality.axis, modality.steps) == ("rr", "event", 60)
    assert modality.units == ("ms",)


def test_beats_before_the_first_rhythm_have_no_label(tmp_path: Path):
    beats = np.cumsum([NORMAL] * 121).tolist()
    as_text(tmp_path, "04015", beats, [(beats[60], "(J")])
    assert [w.label for w in afdb.read(tmp_path, OPTIONS).windows] == [None, "junctional rhythm"]


def test_the_real_record_has_the_windows_of_an_independent_count(shared: Path, tmp_path: Path):
    for name in ("atr04015.txt", "qrs04015.txt"):
        source = shared / "data" / "afdb_rr" / "raw" / name
        (tmp_path / name).write_bytes(source.read_bytes())
    windows = list(afdb.read(tmp_path, OPTIONS).windows)
    # Walk over the compact file's beats: cut at gaps, take every 60, keep those of one rhythm.
    compact = np.load(shared / "data" / "afdb_rr" / "afdb_rr.npz")
    index = compact["record"].tolist().index("04015")
    rows = slice(compact["offset"][index] + 1, compact["offset"][index + 1])
    rr, code = compact["rr_samples_250hz"][rows], compact["rhythm_code"][rows]
    expected, labels = [], []
    for good, piece in groupby(range(len(rr)), key=lambda i: 50 <= rr[i] <= 750):
        beats = list(piece) if good else []
        for first in range(0, len(beats) - 59, 60):
            window = beats[first : first + 60]
            if len(set(code[window].tolist())) == 1:
                expected.append(rr[window] * 4)
                labels.append(tuple(afdb.LABELS.values())[code[window[0]]])
    ours = np.stack([w.signals["rr"][0] for w in windows])
    np.testing.assert_allclose(ours, np.stack(expected), rtol=1e-6)
    assert [w.label for w in windows] == labels
    assert set(labels) == {"normal rhythm", "atrial fibrillation"}


def test_length_is_no_option(folder: Path):
    with pytest.raises(ConfigError, match="afdb has no option --window-s"):
        afdb.read(folder, SourceOptions(window_s=30))


def test_a_folder_without_records_says_where_to_download_them(tmp_path: Path):
    with pytest.raises(DataError, match=r"physionet\.org/content/afdb"):
        afdb.read(tmp_path, OPTIONS)


def test_rhythms_need_their_beats(tmp_path: Path):
    as_wfdb(tmp_path, "04015", *heart())
    (tmp_path / "04015.qrs").unlink()
    with pytest.raises(DataError, match=r"04015\.qrs is missing"):
        next(afdb.read(tmp_path, OPTIONS).windows)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("atr04015.txt", "(AFIB", "(SVTA", r"04015: unknown rhythm '\(SVTA' at sample 30050"),
        ("atr04015.txt", "(AFIB", "AFIB", "04015: unknown rhythm 'AFIB' at sample 30050"),
        ("atr04015.txt", None, "", "04015: its atr file names no rhythm"),
        ("atr04015.txt", "   30 ", "   x ", r"atr04015\.txt: line 2 is malformed"),
        ("qrs04015.txt", "50\t0.800\t250", "50 250", r"qrs04015\.txt: line 2 is malformed"),
        ("qrs04015.txt", "\t450\n", "\t250\n", r"qrs04015\.txt: beat 3 does not follow"),
        ("qrs04015.txt", None, "", r"qrs04015\.txt: two are needed"),
        ("qrs04015.txt", None, None, r"qrs04015\.txt is missing; a record needs"),
    ],
)
def test_broken_files_are_named_with_their_line(tmp_path: Path, file, old, new, message):
    as_text(tmp_path, "04015", *heart())
    path = tmp_path / file
    if new is None:
        path.unlink()
    else:
        path.write_text(path.read_text().replace(old, new) if old else new)
    with pytest.raises(DataError, match=message):
        next(afdb.read(tmp_path, OPTIONS).windows)


def test_a_copy_of_a_record_is_no_other_person(folder: Path):
    for path in list(folder.iterdir()):
        path.with_name(path.name.replace("04015", "04015 (1)")).write_bytes(path.read_bytes())
    with pytest.raises(DataError, match=r"'04015 \(1\)' names no record"):
        afdb.read(folder, OPTIONS)


def test_a_sample_number_that_cannot_be_is_malformed(tmp_path: Path):
    as_text(tmp_path, "04015", *heart())
    path = tmp_path / "qrs04015.txt"
    for number in ("9" * 20, "\u00b2", "-5"):
        path.write_text(f"0\t0.8\t{number}\n", encoding="utf-8")
        with pytest.raises(DataError, match=r"qrs04015\.txt: line 1 is malformed"):
            next(afdb.read(tmp_path, OPTIONS).windows)
