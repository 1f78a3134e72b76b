"""Numbers are found in any text, many at once, as a regular expression would find them."""

import random

import numpy as np
import pytest

from sensor2llm.errors import DataError
from tokenization_study.reading import cells
from tokenization_study.reading.cells import _NUMBER, cell_texts, find_cells, value_of, values_of


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("1600,A,90426708196641,7.091625,-0.5916671;\n",
         ["1600", "90426708196641", "7.091625", "-0.5916671"]),
        ("-.5 +3 e3 3e 1e5 -1.2e-03, 5. 1.2.3", ["-.5", "+3", "3", "3", "1e5", "-1.2e-03", "5",
                                                "1.2", ".3"]),
        ("2024-05-01 12:30", ["2024", "05", "01", "12", "30"]),
        ("true −4 e - .", ["−4"]),
        ("", []),
        ("none", []),
    ],
)  # fmt: skip
def test_numbers_are_found(text, numbers):
    assert cell_texts(text, find_cells(text)) == numbers


def test_the_fast_way_agrees_with_the_regular_expression():
    chance = random.Random(0)
    for _ in range(1000):
        text = "".join(chance.choice("0123 .+-eE,−x") for _ in range(12))
        found = cell_texts(text, find_cells(text))
        assert found == [match.group() for match in _NUMBER.finditer(text)], text


@pytest.mark.parametrize("rare", ["e-7", ".5", "-", "x.", "1.5e3", "−2", ".e", "3.2.1"])
@pytest.mark.parametrize("usual", ["481", "-0.25", "7.5e-3", "-9"])
def test_rare_marks_among_many_numbers_are_found_too(usual, rare):
    chance = random.Random(0)
    for count in (1, 2, 5, 20, 60):
        words = [usual] * 60
        for place in chance.sample(range(60), count):
            words[place] = chance.choice([rare, usual + rare])
        text = ", ".join(words)
        cells = find_cells(text)
        found = cell_texts(text, cells)
        assert found == [match.group() for match in _NUMBER.finditer(text)]
        assert cells.point.tolist() == [number.find(".") for number in found]
        assert cells.exponent.tolist() == [number.lower().find("e") for number in found]
        assert cells.sign.tolist() == [number[0] in "+-−" for number in found]


@pytest.mark.parametrize("marks", [0, 2, 40, 400])
@pytest.mark.parametrize("runs", [1, 30, 150])
def test_marks_are_counted_and_placed_however_many_there_are(marks, runs):
    random = np.random.default_rng(marks + runs)
    mask = np.zeros(1000, dtype=bool)
    mask[random.choice(1000, marks, replace=False)] = True
    edges = np.sort(random.choice(1000, 2 * runs, replace=False))
    starts, stops = edges[::2], edges[1::2]
    parts = [mask[a:b].tolist() for a, b in zip(starts, stops, strict=True)]
    assert cells._count(mask, starts, stops).tolist() == [sum(part) for part in parts]
    first = [part.index(True) if True in part else -1 for part in parts]
    assert cells._first(mask, starts, stops).tolist() == first


def test_the_first_of_two_rare_marks_counts():
    starts, mask = np.arange(0, 1000, 10), np.zeros(1000, dtype=bool)
    mask[[12, 15, 29]] = True  # 29 lies between two runs
    found = cells._first(mask, starts, starts + 9)
    assert found[1] == 2
    assert np.delete(found, 1).tolist() == [-1] * 99


@pytest.mark.parametrize(
    "given", [["7 0 9", "- 5 9"], ["−4", "1e400", ".5"], ["ZZ", "12", "3A0"], ["9" * 400], []]
)
def test_many_numbers_are_read_as_one_by_one(given):
    assert values_of(given).tolist() == [value_of(cell) for cell in given]


def test_digits_that_stand_apart_are_one_number():
    text = "7 0 9 , - 5 9\n1 2"
    cells = find_cells(text, spaced=True)
    assert cell_texts(text, cells) == ["7 0 9", "- 5 9", "1 2"]
    assert cells.sign.tolist() == [False, True, False]
    assert value_of("- 5 9") == -59


def test_letters_can_be_digits():
    text = "3A0, ZZ"
    assert cell_texts(text, find_cells(text, letters=True)) == ["3A0", "ZZ"]
    assert value_of("ZZ") == 35 * 36 + 35


def test_the_form_of_a_number_is_known():
    cells = find_cells("-12.5e+03 7")
    assert cells.sign.tolist() == [True, False]
    assert cells.point.tolist() == [3, -1]
    assert cells.exponent.tolist() == [5, -1]
    assert cells.lengths.tolist() == [9, 1]


def test_huge_numbers_are_infinite_and_half_a_character_is_an_error():
    assert value_of("9" * 400) == float("inf")
    with pytest.raises(DataError, match="no character of Unicode"):
        find_cells("1 \ud800 2")
