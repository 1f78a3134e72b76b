"""One table of raw numbers beside encoded inputs, a column a language model."""

import json

import pytest

from benchmarks.comparison_table import comparison
from tokenization_study.comparison.rows import (
    ADAPTER,
    ENCODED,
    FEW_SHOT,
    RAW,
    ZERO_SHOT,
    ComparisonRow,
)
from tokenization_study.comparison.table import report_of

FACTS = {"windows": 120, "people": 9, "reduction": "acc at 10 Hz", "command": "compare it"}


def measured(given, asked, macro_f1, **more):
    interval = (macro_f1 - 0.1, macro_f1 + 0.1)
    more = {"predicted": (0,), "positions": 1450.0, "windows": 120} | more
    return ComparisonRow(input=given, prompt=asked, macro_f1=macro_f1, interval=interval, **more)


def save(folder, name, rows):
    (folder / name).mkdir()
    report = report_of(rows, FACTS | {"llm": name.rpartition("_")[2]})
    (folder / name / "comparison.json").write_text(json.dumps(report))


@pytest.fixture
def table(tmp_path):
    encoded = measured(ENCODED, ADAPTER, 0.95, rates="50 Hz", numbers=1152.0, labels=7000)
    seen = {"rates": "10 Hz", "numbers": 234.0}
    save(tmp_path, "uci_har_comparison_large", [
        encoded,
        measured(f"{RAW}: plain", ZERO_SHOT, 0.3, **seen),
        measured(f"{RAW}: bins", ZERO_SHOT, 0.2, **seen),
        measured(f"{RAW}: plain", f"{FEW_SHOT}, 6 examples", 0.4, labels=6, **seen),
        ComparisonRow(
            input=f"{RAW}: plain, full rate", prompt=ZERO_SHOT, note="not run: would take 30 min"
        ),
    ])  # fmt: skip
    save(tmp_path, "uci_har_comparison_small", [
        encoded,
        measured(f"{RAW}: bins", f"{FEW_SHOT}, 1 examples", 0.1, labels=1, not_fitting=3, **seen),
    ])  # fmt: skip
    return comparison(tmp_path)


def test_each_row_says_what_it_saw_and_what_it_reached_on_each_llm(table):
    lines = table.split("\n")
    assert lines[0] == (
        "| given, asked | rate | numbers | labels used | large: macro-F1 (95 %) | positions "
        "| small: macro-F1 (95 %) | positions |"
    )
    assert lines[2:7] == [
        "| encoded inputs, adapter | 50 Hz | 1,152 | 7,000 | 0.950 (0.850 to 1.050) | 1,450 "
        "| 0.950 (0.850 to 1.050) | 1,450 |",
        "| raw numbers, few-shot | 10 Hz | 234 | 6 / 1 | 0.400 (0.300 to 0.500) | 1,450 "
        "| 0.100 (0.000 to 0.200), 3 of 120 do not fit | 1,450 |",
        "| raw numbers: plain, zero-shot | 10 Hz | 234 | – | 0.300 (0.200 to 0.400) | 1,450 "
        "| – | – |",
        "| raw numbers: bins, zero-shot | 10 Hz | 234 | – | 0.200 (0.100 to 0.300) | 1,450 "
        "| – | – |",
        "| raw numbers, full rate, zero-shot | – | – | – | not run: would take 30 min | – "
        "| – | – |",
    ]


def test_each_comparison_says_what_it_found_and_which_command_made_it(table):
    assert "large: 120 windows of 9 test people; raw rows see acc at 10 Hz. Encoded" in table
    assert "the best of those is raw numbers: plain, few-shot, 6 examples with 0.400" in table
    assert table.count("\n\n    compare it\n") == 2


def test_what_was_made_before_rows_said_what_they_saw_is_shown(tmp_path):
    row = {"input": ENCODED, "prompt": ADAPTER, "macro_f1": 0.9, "interval": None}
    row |= {"positions": 27.0, "not_fitting": 0, "windows": 600}
    old = FACTS | {"schema_version": 1, "llm": "small", "rows": [row]}
    (tmp_path / "uci_har_comparison").mkdir()
    (tmp_path / "uci_har_comparison" / "comparison.json").write_text(json.dumps(old))
    assert "| encoded inputs, adapter | – | – | – | 0.900 | 27 |" in comparison(tmp_path)


def test_without_a_comparison_there_is_no_table(tmp_path):
    assert comparison(tmp_path) == ""
