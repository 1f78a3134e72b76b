"""The table of language model families: what makes a row right, refused or wrong."""

from dataclasses import replace

import pytest

from benchmarks.robustness.llm_family_table import WITHIN, Check, cells, table
from benchmarks.robustness.llm_layouts import ATTENTION, FAMILIES, LAYOUTS, RECURRENT

RIGHT = Check(
    "llama", {"prefix": True, "tree": False}, encoded=1e-6, text=2e-6, padded=0.0,
    texts_equal=True, system_read=True, frozen=True,
)  # fmt: skip


def test_a_row_is_right_where_everything_is():
    assert RIGHT.verdict == "right"
    expected = ("llama", "1.0e-06", "2.0e-06", "0.0e+00", "same", "same", "label tree", "right")
    assert cells(RIGHT) == expected


@pytest.mark.parametrize(
    "change",
    [
        {"encoded": 2 * WITHIN}, {"text": 2 * WITHIN}, {"padded": float("nan")}, {"text": None},
        {"texts_equal": False}, {"system_read": False}, {"frozen": False},
        {"notes": ["a library's note"]}, {"failed": "RuntimeError: sizes"},
    ],
)  # fmt: skip
def test_one_thing_that_is_not_makes_a_row_wrong(change):
    assert replace(RIGHT, **change).verdict == "WRONG"


def test_a_refusal_is_one_short_line_and_nothing_beside_it():
    refused = Check("t5", refused="'t5' is an encoder-decoder model")
    assert refused.verdict == "refused"
    assert cells(refused)[-2:] == ("'t5' is an encoder-decoder model", "refused")
    for change in ({"refused": "two\nlines"}, {"refused": 301 * "x"}, {"notes": ["a note"]}):
        assert replace(refused, **change).verdict == "WRONG"


def test_the_table_counts_its_verdicts():
    text = table(
        [RIGHT, replace(RIGHT, frozen=False)], "python -m benchmarks.robustness.llm_families"
    )
    assert text.startswith("2 families and layouts: 1 right, 0 refused, 1 WRONG.")
    assert text.endswith("    python -m benchmarks.robustness.llm_families\n")


def test_there_are_many_families_and_each_row_has_a_name_of_its_own():
    names = [layout.name for layout in (*FAMILIES, *LAYOUTS)]
    assert len(set(names)) == len(names) >= 40
    assert not set(ATTENTION) & set(RECURRENT)
