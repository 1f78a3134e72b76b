"""Who people are: one person in many spellings, one data set in other words."""

import pytest

from sensor2llm.signals.splits.people import data_set_key, known_people, person_key


@pytest.mark.parametrize(
    "name", ["S1", "s1 ", " s1", "\ts1\n", "s01", "s1\u00a0", "ｓ１", "s1\u200b", "S1.0"]
)
def test_one_person_in_many_spellings(name):
    assert person_key(name) == "s1"


@pytest.mark.parametrize(
    ("one", "other"),
    [("s1", "s11"), ("s1", "s10"), ("1.5", "15"), ("1.5", "1.50"), ("a b", "ab"), ("0", "")],
)
def test_other_names_are_other_people(one, other):
    assert person_key(one) != person_key(other)


def test_a_number_is_the_same_whole_or_with_a_point():
    assert person_key("007") == person_key("7.0") == person_key("7") == "7"
    assert person_key("000") == "0"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("table.yaml: 6 files", "table.yaml: 7 files", True),
        ("table.yaml: 1 file", "Table.yaml:  12 files, 3 left out", True),
        ("WESAD, https://a; labels ESTIMATED", "WESAD, https://a", True),
        ("table.yaml: 6 files", "other.yaml: 6 files", False),
        ("UCI HAR", "WISDM", False),
    ],
)
def test_a_data_set_is_the_same_with_more_files_or_other_labels(one, other, same):
    assert (data_set_key(one) == data_set_key(other)) is same


def test_people_of_data_sets_side_by_side_are_those_of_their_own():
    parts = {"lab": "Lab: 3 files", "home": ""}
    known = known_people(["lab/S1", "home/s1", "lab/clinic/s1"], "Lab; ", parts)
    assert known == [("lab", "s1"), ("home", "s1"), ("lab", "clinic/s1")]
    assert known_people(["s1 "], "lab: 5 files", {}) == known[:1]
