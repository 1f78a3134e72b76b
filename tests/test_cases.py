"""The files that people have in their hands: each is read rightly, or refused in one clear line.

The inputs lie in `cases` of the folder that SENSOR2LLM_SHARED names, each with its command (`cmd`);
a row here says what is to come of it: what the store holds, or what the one line says.
"""

import json
import re
import shlex
import shutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from sensor2llm.adapter.adapter import SensorAdapter
from sensor2llm.errors import ArtefactError, TemplateError
from sensor2llm.llm.templates import PromptTemplate
from sensor2llm.prepare import main
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.spec import Channel, Modality, SignalSpec
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.tables.windows import read_windows
from sensor2llm.train_adapter import main as train_adapter
from tokenization_study.__main__ import main as audit

LONGEST_LINE = 300
HALVES = {"walking": 6, "resting": 6}
MEAN = (0.0, 0.49, 9.81)


@dataclass(frozen=True, kw_only=True)
class Read:
    """Say what a store holds: labels with their windows, people, and the mean of each channel."""

    labels: dict[str | None, int] = field(default_factory=lambda: dict(HALVES))
    people: tuple[str, ...] = ("p1",)
    mean: tuple[float, ...] = MEAN


# Case -> what `prepare` makes of it, or what its one line says (a pattern).
PREPARED: dict[str, Read | str] = {
    "A01_actigraph_header": r"line 11 names it: write skip_rows: 10",
    "A02_semicolon_comma": r"row 1, column 'x': '0,0123' is not a number; write decimal: ','",
    "A03_utf16": Read(),
    "A06b_units_in_header": Read(mean=(0.0, 0.05, 1.0)),
    "A09_comment_lines": r"line 3 names it: write skip_rows: 2",
    "A10_units_row": r"if the line below the header holds units, write units_row: true",
    "A11_e4_acc": r"needs time: \{column: NAME.*without a header line.*names: \[NAME",
    "A12_gz": Read(),
    "A14_headerless": r"its first line is numbers: name the columns with names: \[time, x",
    "A16c_delimiter_word": Read(),
    "A18_duplicate_names": r"2 columns are called 'x'; give each its own name",
    "A23b_label_float_codes": Read(),
    "A24_yaml_bool_labels": Read(labels={"on": 6, "off": 6}),
    "A27_minus999": r"200 values of 'x' are -999.*write missing: \[-999\]",
    "A29_absolute_pattern": r"no file fits '/home/somebody/walks/\*\.csv' in /",
    "A29c_recursive": Read(
        labels={"walking": 12, "resting": 12}, people=("sub-01", "sub-02"), mean=MEAN
    ),
    "A30_spans_file": Read(),
    "B06_excel_serial": r"is the time in days, as Excel writes it\? write unit: days",
    "B10_slashes": Read(),
    "B11_second_stamps": Read(),
    "B12_packets": Read(),
    "B17_date_and_time": Read(),
    "B20f_parquet_nullable": Read(),
    "B20j_parquet_unit_float32": r"stored as float, which cannot tell less than 128 s apart",
    "C02_labels_bytes": Read(),
    "C03_labels_column": Read(),
    "C04_labels_onehot": r"'labels' has shape \(12, 2\), expected \(12,\).*argmax",
    "C05_labels_float_nan": Read(labels={"1": 5, "2": 6, None: 1}),
    "C07_subjects_column_bytes": Read(people=("p1", "p2")),
    "C08_X_y": r"has the arrays X, y; expected one a modality: wrist",
    "C09_int16": r"is said to be in m/s\^2, but .* raw counts of the sensor",
    "C09d_bool_object": r"'wrist' holds Python objects, as windows of different lengths do",
    "C12_npz_g_said_ms2": r"said to be in m/s\^2, but .* looks like g; convert it or write unit g",
    "C21_mat": Read(),
    "C25_xlsx": r"such as an Excel workbook; save the sheet as CSV",
    "E06_edf_plus_d": r"data record 31 starts before the one above it ends",
    "E07_hypnogram_starts_later": Read(
        labels={"wake": 12, "N1": 4, "N2": 16, "N3": 4, "REM": 4}, people=("SC400",), mean=(0.0,)
    ),
    "F02_two_cols_space": Read(labels={"rest": 6}, people=("p01",), mean=(851.1,)),
    "F03_two_cols_ms_ms": Read(labels={"rest": 6}, people=("p01",), mean=(851.1,)),
    "F10_crlf_bom": Read(labels={"rest": 6}, people=("p01",), mean=(851.1,)),
    "F13b_event_same_stamp": Read(labels={"rest": 6}, people=("p",), mean=(851.1,)),
}
HOSTILE = (
    "CRASH_table_csv_IndexError_table.py_84", "CRASH_table_csv_KeyError_table_file.py_171",
    "CRASH_table_csv_TypeError_table_config.py_192", "CRASH_table_csv_TypeError_table_file.py_40",
    "CRASH_table_npz_IndexError_table.py_84", "CRASH_table_npz_OverflowError_table_config.py_138",
    "CRASH_table_npz_TypeError_table_config.py_192", "CRASH_table_npzc_IndexError_table.py_84",
    "CRASH_table_npzc_TypeError_table_config.py_192", "CRASH_table_npzc_ValueError_table.py_84",
    "CRASH_table_parquet_IndexError_table.py_84", "CRASH_table_parquet_KeyError_table_file.py_171",
    "CRASH_table_parquet_TypeError_table_config.py_192",
    "CRASH_table_parquet_TypeError_table_file.py_40",
    "CRASH_table_yaml_OverflowError_table_config.py_138",
    "CRASH_table_yaml_TypeError_table_config.py_192", "CRASH_table_yaml_ValueError_table.py_84",
    "LONG_table_csv", "LONG_table_parquet", "npz_claims", "npz_encrypted", "npz_is_npy",
    "npz_lzma", "npz_zlib", "yaml_laughs",
)  # fmt: skip
# Case -> the published data set whose layout it has.
HOSTILE_SOURCES = {
    "CRASH_afdb_wfdb_ValueError_afdb.py_115": "afdb",
    "CRASH_sleep_edf_IndexError_sleep_edf.py_162": "sleep_edf",
    "CRASH_sleep_edf_UnicodeDecodeError_sleep_edf.py_162": "sleep_edf",
    "CRASH_sleep_edf_ValueError_sleep_edf.py_162": "sleep_edf",
    "CRASH_uci_har_OverflowError_uci_har.py_181": "uci_har",
    "CRASH_wesad_csv_MemoryError_resample.py_127": "wesad",
    "CRASH_wesad_csv_UnicodeDecodeError_wesad_wrist.py_187": "wesad",
    "CRASH_wisdm_IndexError_wisdm_file.py_51": "wisdm",
    "CRASH_wisdm_MemoryError_resample.py_121": "wisdm",
    "HANG_afdb_wfdb_1": "afdb",
    "HANG_wesad_csv_1": "wesad",
    "LONG_hhar": "hhar",
    "LONG_uci_har": "uci_har",
    "MEM_wesad_csv_4228": "wesad",
    "MEM_wisdm_4967": "wisdm",
    "capture_bomb": "capture24",
    "edf_bomb": "sleep_edf",
    "wesad_encode_bomb": "wesad",
    "wesad_memo_bomb": "wesad",
    "wfdb_bomb": "cinc2017",
}
WRIST = SignalSpec(
    window_s=5.0,
    modalities=(
        Modality(
            name="wrist",
            channels=tuple(Channel(name=axis, unit="m/s^2") for axis in "xyz"),
            steps=250,
            rate_hz=50.0,
        ),
    ),
)


@pytest.fixture
def case(shared, tmp_path, monkeypatch):
    """Give a function that copies a case and goes to its folder."""

    def copy(kind: str, name: str) -> Path:
        source = shared / "cases" / kind / name
        if not source.is_dir():
            pytest.skip(f"{name} is not there")
        shutil.copytree(source, tmp_path / name, copy_function=shutil.copyfile)
        (tmp_path / name).chmod(0o755)
        monkeypatch.chdir(tmp_path / name)
        return Path()

    return copy


def typed(folder: Path) -> list[str]:
    """Give the words behind `python -m sensor2llm.prepare` of a case's command."""
    lines = (folder / "cmd").read_text(encoding="utf-8").splitlines()
    (words,) = (shlex.split(line) for line in lines if "sensor2llm.prepare " in line)
    return words[words.index("sensor2llm.prepare") + 1 :]


def only_line(printed) -> str:
    """Give the one line that a verb ended with."""
    (line,) = printed.err.splitlines()
    assert line.startswith("error: ")
    assert len(line) <= LONGEST_LINE
    assert printed.out == ""
    return line


@pytest.mark.parametrize("name", PREPARED)
def test_a_file_is_prepared_or_refused_in_one_line(case, capsys, name):
    folder, expected = case("reports", name), PREPARED[name]
    status = main(typed(folder))
    if isinstance(expected, str):
        assert status == 2
        assert re.search(expected, only_line(capsys.readouterr()))
        assert not (folder / "store").exists()
        return
    assert status == 0
    store = WindowStore.open(folder / "store")
    windows = list(store)
    assert Counter(window.label for window in windows) == expected.labels
    assert tuple(dict.fromkeys(window.subject for window in windows)) == expected.people
    modality = store.spec.names[0]
    values = np.concatenate([window.signals[modality] for window in windows], axis=1)
    np.testing.assert_allclose(values.mean(axis=1), expected.mean, atol=0.05)
    assert store.ledger.unbalanced() == {}
    assert store.ledger["windows"].kept == len(windows)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_input_is_refused_in_one_line(case, capsys, name):
    folder = case("hostile", name)
    assert main(["table.yaml", "--out", "store", "--picture", "none"]) == 2
    only_line(capsys.readouterr())
    assert not (folder / "store").exists()


@pytest.mark.parametrize("name", HOSTILE_SOURCES)
def test_a_hostile_data_set_is_refused_in_one_line(case, capsys, name):
    folder, source = case("hostile", name), HOSTILE_SOURCES[name]
    assert main([source, "--from", ".", "--out", "store", "--picture", "none"]) == 2
    only_line(capsys.readouterr())
    assert not (folder / "store").exists()


@pytest.mark.parametrize(
    ("name", "windows", "changed"),
    [
        ("K02_negative_time", 12, {}),
        ("K11_short", 0, {}),
        ("K12_seconds_resolution", 12, {"that share a time spread over their interval": 3000}),
    ],
)
def test_a_file_to_classify_is_cut(case, name, windows, changed):
    folder, ledger = case("reports", name), Ledger()
    cut = list(read_windows(folder / "d.csv", WRIST, ledger=ledger))
    assert len(cut) == windows
    assert ledger["rows"].changed == changed
    assert ledger.unbalanced() == {}
    if cut:
        values = np.concatenate([window.signals["wrist"] for window in cut], axis=1)
        np.testing.assert_allclose(values.mean(axis=1), MEAN, atol=0.05)


def hostile(shared: Path, pattern: str) -> list[Path]:
    return sorted((shared / "cases" / "hostile").glob(pattern))


def test_a_hostile_prompt_is_rendered_or_refused_in_one_line(shared, tmp_path, monkeypatch):
    """Each is loaded and put to use; nothing of it is run."""
    monkeypatch.chdir(tmp_path)
    variables = {"soft": "<|soft|>", "signal": "<|signal|>", "labels": ["a", "b"], "examples": []}
    found = [*hostile(shared, "prompts/*.yaml"), *hostile(shared, "CRASH_prompt*/p.yaml")]
    refused = 0
    for path in found:
        try:
            template = PromptTemplate.load(path)
            for form in template.forms:
                template.messages(form, **variables)
        except TemplateError:
            refused += 1
    assert refused == len(found) >= 19
    assert not list(tmp_path.iterdir())


def test_a_hostile_recipe_is_refused_in_one_line(shared, capsys):
    for path in hostile(shared, "CRASH_recipe*/r.yaml"):
        assert train_adapter(["--config", str(path)]) == 2
        assert "loop has fields of its own" in only_line(capsys.readouterr())


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("CRASH_adapter_ReaderError_adapter_files.py_233", "recipe.yaml' is no YAML"),
        ("CRASH_adapter_TypeError_adapter.py_172", "form must be text"),
        ("CRASH_adapter_TypeError_adapter.py_281", "llm_identity must be text"),
        ("CRASH_adapter_RuntimeError__", ""),
    ],
)
def test_a_hostile_adapter_is_refused_in_one_line_or_whole(shared, name, why):
    (folder,) = hostile(shared, name)
    if why:
        with pytest.raises(ArtefactError, match=why):
            SensorAdapter.load(folder)
    else:
        assert SensorAdapter.load(folder).soft_tokens == 3


@pytest.mark.parametrize(
    ("name", "notes"),
    [
        ("H10_gz/in.csv.gz", r"in.csv.gz is compressed by gzip; unpack it first"),
        ("H14_huge_ints/in.csv", ["column t left out: a clock"]),
        ("H18b_empty_names_min/in.csv", [
            "column no. 3 left out: no number in its first rows",
            "column no. 4 left out: no number in its first rows"]),
    ],
)  # fmt: skip
def test_a_file_is_audited_or_refused_in_one_line(shared, capsys, name, notes):
    path = shared / "cases" / "reports" / name
    status = audit(["audit", str(path), "--tokenizer", "bundled", "--json"])
    if isinstance(notes, str):
        assert status == 2
        assert re.search(notes, only_line(capsys.readouterr()))
        return
    assert status == 0
    assert json.loads(capsys.readouterr().out)["input"]["notes"] == notes
