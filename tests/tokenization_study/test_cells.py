"""Numbers are found in any text, many at once, as a regular expression would find them."""

import random

import pytest

from sensor2llm.errors import DataError
from tokenization_study.cells import _NUMBER, cell_texts, find_cells, value_of


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
