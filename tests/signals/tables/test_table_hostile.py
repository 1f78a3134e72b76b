"""Descriptions and tables that are wrong on purpose: one short line, before time and memory go."""

import time
from itertools import pairwise
from pathlib import Path
from string import ascii_lowercase

import numpy as np
import pytest
import yaml

from sensor2llm.errors import DataError, SpecError
from sensor2llm.prepare import main
from sensor2llm.signals.resample import resample, resample_irregular
from sensor2llm.signals.tables.config import load
from sensor2llm.signals.tables.fields import read_description
from tests.signals.tables.tables import DESCRIPTION, columns, csv_text, describe, windows

WRONG = (None, True, 0, -1, 1e308, float("nan"), 10**400, "", "x" * 5000, [], {}, [[]], {"a": 1})
PATHS = (
    ("files",), ("time",), ("time", "column"), ("time", "unit"), ("subject",),
    ("subject", "column"), ("label",), ("labels",), ("window_s",), ("overlap",), ("modalities",),
    ("modalities", "accel"), ("modalities", "accel", "rate_hz"), ("modalities", "accel", "columns"),
    ("modalities", "accel", "columns", "ax"), ("modalities", "accel", "axis"),
    ("modalities", "accel", "steps"), ("modalities", "accel", "max_gap_s"),
    ("modalities", "accel", "resample_hz"), ("modalities", "accel", "optional"),
    ("skip_rows",), ("comment",), ("delimiter",), ("decimal",), ("encoding",), ("names",),
    ("units_row",), ("missing",), ("unknown",),
)  # fmt: skip


def changed(path: tuple[str, ...], value) -> dict:
    """Give the description with another value at one place."""
    plain = yaml.safe_load(yaml.safe_dump(DESCRIPTION))
    node = plain
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    return plain


@pytest.mark.parametrize("path", PATHS, ids=".".join)
def test_a_field_of_any_type_is_taken_or_refused_in_one_line(tmp_path: Path, path, capsys):
    (tmp_path / "walk.csv").write_text(csv_text(columns()))
    out = tmp_path / "store"
    for value in WRONG:
        (tmp_path / "table.yaml").write_text(yaml.safe_dump(changed(path, value)))
        words = [str(tmp_path / "table.yaml"), "--out", str(out), "--picture", "none"]
        status, printed = main(words), capsys.readouterr()
        assert status in (0, 2)
        if status == 2:
            (line,) = printed.err.splitlines()
            assert len(line) <= 300
        else:
            assert printed.err == ""


LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{name}: &{name} [*{before}, *{before}]\n" for before, name in pairwise(ascii_lowercase)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LAUGHS, "is no YAML: more than 100000 values, aliases counted in full"),
        ("a: &a [*a]\nfiles: x\nmodalities: {}\n", r"is no YAML: '\*a' stands for nothing"),
        ("[" * 5000, "is no YAML"),
        ("files: 2024-13-45\nmodalities: {}\n", "is no YAML"),
        ("files: !!python/object/apply:os.system [ls]\n", "is no YAML: could not determine"),
        ("#" * (1 << 20) + "\nfiles: x\n", r"is no YAML \(larger than 1 MiB\); is it another"),
        ("files: \x00", "is no YAML"),
        ("just a text", "must be a mapping of keys to values, got 'just a text'"),
        ("", "must be a mapping of keys to values, got None"),
        ("? [a]\n: b\n", "is no YAML: while constructing a mapping"),
        ("files: x\nfiles: y", "is no YAML: the key 'files' is there twice"),
    ],
)
def test_yaml_that_is_hostile_is_refused(tmp_path: Path, text, message):
    (tmp_path / "table.yaml").write_text(text)
    with pytest.raises((DataError, SpecError), match=message):
        load(tmp_path / "table.yaml")


def test_aliases_and_words_are_read(tmp_path: Path):
    (tmp_path / "a.yaml").write_text("a: &unit g\nb: *unit\nc: [on, No, true, False]\n")
    plain = read_description(tmp_path / "a.yaml")
    assert plain == {"a": "g", "b": "g", "c": ["on", "No", True, False]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"overlap": 0.9999999}, "by less than one step of 0.02 s; give at most 0.99"),
        ({"window_s": 1e308}, "a window of modality 'accel' would hold more than 16777216 values"),
        ({"window_s": 1e-9}, "steps of 'accel' must be positive, got 0"),
    ],
)
def test_windows_without_end_are_refused(tmp_path: Path, changes, message):
    (tmp_path / "walk.csv").write_text(csv_text(columns()))
    with pytest.raises((DataError, SpecError), match=message):
        windows(tmp_path, **changes)


@pytest.mark.parametrize(
    ("accel", "message"),
    [
        (
            {"axis": "event", "steps": 10**9, "columns": {"ax": "g"}},
            "would hold more than 16777216",
        ),
        ({"max_gap_s": 1e12}, "'accel': 250 samples would become 5e.* steps; are the times, the"),
        ({"rate_hz": 1e12}, "a window of modality 'accel' would hold more than"),
    ],
)
def test_steps_that_need_gigabytes_are_refused_before_they_do(tmp_path: Path, accel, message):
    cells = columns()
    cells["t"][-1] = "100000000"
    (tmp_path / "walk.csv").write_text(csv_text(cells))
    entry = {**DESCRIPTION["modalities"]["accel"], **accel}
    with pytest.raises((DataError, SpecError), match=message):
        windows(tmp_path, modalities={"accel": entry})


def test_resampling_has_a_budget():
    with pytest.raises(DataError, match=r"100 samples would become 1e\+08 steps"):
        resample(np.zeros((1, 100)), 1.0, 1e6)
    with pytest.raises(DataError, match=r"4 samples would become 1e\+12 steps"):
        resample_irregular(np.array([0.0, 1e-9, 2e-9, 1e3]), np.zeros((1, 4)), 10.0, 0.0, 10_000)
    # A slow sensor of a week in a fast spec is none.
    assert resample(np.zeros((1, 7 * 24 * 60)), 1 / 60, 1.0).shape == (1, 7 * 24 * 3600)


def test_labels_that_change_with_every_row_take_no_time(tmp_path: Path):
    cells = columns(1200.0)
    cells["what"] = [f"w{i % 2}" for i in range(60_000)]
    (tmp_path / "walk.csv").write_text(csv_text(cells))
    start = time.process_time()
    assert windows(tmp_path, window_s=0.1) == []
    assert time.process_time() - start < 10


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("<|signal|>", "the label '<|signal|>' holds '<|', which begins a token; rename it"),
        ("a<|im_end|>", "holds '<|', which begins a token"),
        ("a\nb", "the label 'a\\nb' holds a character that is none; rename it"),
        ("\x1b[31m", "holds a character that is none"),
        ("\ud800", "is no YAML: while parsing a quoted scalar"),
        ("x" * 300, "must be a text of at most 200 characters, got"),
    ],
)
def test_labels_that_cannot_stand_in_a_prompt_are_refused(tmp_path: Path, name, message, capsys):
    (tmp_path / "walk.csv").write_text(csv_text(columns()))
    path = describe(tmp_path, labels={"walking": name})
    words = [str(path), "--out", str(tmp_path / "store"), "--picture", "none"]
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert not (tmp_path / "store").exists()


def test_people_whose_names_cannot_be_written_are_refused(tmp_path: Path, capsys):
    values = np.tile([[[0.1], [0.1], [1.0]]], (3, 1, 100))
    np.savez(tmp_path / "walk.npz", accel=values, subjects=np.array(["a", "b\ud800", "c"]))
    words = [str(describe(tmp_path, files="*.npz")), "--out", str(tmp_path / "store")]
    assert main([*words, "--picture", "none"]) == 2
    assert r"the subject 'b\ud800' holds a character that is none" in capsys.readouterr().err
    np.savez(tmp_path / "walk.npz", accel=values, labels=np.array(["a", "b" * 201, "c"]))
    words[0] = str(describe(tmp_path, files="*.npz", subject={"value": "me"}))
    assert main([*words, "--picture", "none"]) == 2
    assert "the label 'bbb" in (line := capsys.readouterr().err)
    assert "has 201 characters; shorten it" in line
