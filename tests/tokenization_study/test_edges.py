"""Sign, point and white space: the exact share, the example and what is said of it."""

import numpy as np
import pytest

from tests.tokenization_study.constructed import RuleTokenizer, by_pattern, characters
from tokenization_study.audit import audit
from tokenization_study.encoded import Encoded


def outcome(pitfall, tokenizer, *lines):
    report = audit([line + "\n" for line in lines], [tokenizer], ["as_written"])
    return next(f.outcome for f in report.findings if f.pitfall == pitfall)


def shown(found):
    return [(e.text, e.pieces, e.note) for e in found.examples]


@pytest.mark.parametrize(
    ("pattern", "share", "examples"),
    [
        (r"\d+", 0, []),
        (r"[ \n]\d+", 1, [
            ("10, 20", ("1", "0", ",", " 20"), "not so after a prompt ending '10, '"),
            ("20, 30", ("2", "0", ",", " 30"), "not so after a prompt ending '20, '"),
            ("30, 40", ("3", "0", ",", " 40"), "not so after a prompt ending '30, '"),
        ]),
        (r" 30|\d+", 1 / 4, [
            ("20, 30", ("20", ",", " 30"), "not so after a prompt ending '20, '")]),
        (r" 10|\d+", 1 / 4, [
            ("40, 10", ("40", ",", " 10"), "not so after a prompt ending '40, '")]),
        (r", |\d+", 0, []),
        (r", 20|\d+", 1 / 4, [
            ("10, 20", ("10", ", 20"), "not so after a prompt ending '10, '")]),
    ],
)  # fmt: skip
def test_a_text_cut_behind_a_space_is_compared_with_the_whole(pattern, share, examples):
    found = outcome("trailing_space", by_pattern(pattern), "10", "20", "30", "40")
    assert (found.share, found.checked) == (share, 4)
    assert found.of == "texts cut behind a space"
    assert found.note == "made from the values"
    assert shown(found) == examples


def test_a_lost_space_is_no_other_split():
    found = outcome("trailing_space", characters(forget=" "), "10", "20")
    assert (found.share, found.checked, found.examples) == (0, 2, ())


@pytest.mark.parametrize(
    ("line", "pattern", "share", "checked", "example"),
    [
        ("-1.5 2.5", r"\d+", 0, 3, None),
        ("-1.5 2.5", r"-\d|\d+", 1 / 3, 3, ("-1.5", ("-1", ".", "5"), "in the token '-1'")),
        ("-1.5 25", r"\.\d|\d+", 1 / 2, 2, ("-1.5", ("-", "1", ".5"), "in the token '.5'")),
        ("-1.5 2.5", r"\d\.|\d+", 2 / 3, 3, ("-1.5", ("-", "1.", "5"), "in the token '1.'")),
        ("1.5 -2.5", r" -|\d+", 0, 3, None),
        ("1.5, -2.5", r", -|\d+", 1 / 3, 3, ("-2.5", ("-", "2", ".", "5"), "in the token ', -'")),
        ("1.5 2.5", r"1\.5|\d+", 1 / 2, 2, ("1.5", ("1.5",), "in the token '1.5'")),
        ("+3 4", r"\+3", 1, 1, ("+3", ("+3",), "in the token '+3'")),
        (".5 1", r"\.5", 1, 1, (".5", (".5",), "in the token '.5'")),
        ("7 8", r"\d+", None, None, None),
    ],
)
def test_a_sign_or_point_that_is_no_token_of_its_own(line, pattern, share, checked, example):
    found = outcome("sign_point", by_pattern(pattern), line)
    if share is None:
        assert found is None
        return
    assert (found.share, found.checked) == (share, checked)
    assert found.of == "signs and decimal points"
    assert shown(found)[:1] == ([example] if example else [])


def test_signs_are_looked_at_before_points_and_three_examples_are_kept():
    found = outcome("sign_point", by_pattern(r"-\d|\d\."), "-1.5 -2.5 -3.5 -4.5")
    assert (found.share, found.checked) == (1 / 2, 8)
    assert [e.text for e in found.examples] == ["-1.5", "-2.5", "-3.5"]
    assert {e.note for e in found.examples} == {"in the token '-1'", "in the token '-2'",
                                                "in the token '-3'"}  # fmt: skip


@pytest.mark.parametrize(("lost", "share"), [("-", 1 / 3), (".", 2 / 3)])
def test_a_lost_sign_or_point_is_in_no_token(lost, share):
    found = outcome("sign_point", characters(forget=lost), "-1.5 2.5")
    assert (found.share, found.checked) == (share, 3)
    assert found.examples[0].text == "-1.5"
    assert found.examples[0].note == "in no token: lost"


def test_a_point_behind_the_last_token_is_lost():
    found = outcome("sign_point", characters(forget=".5\n"), "1.5")
    assert (found.share, found.checked) == (1, 1)
    assert found.examples[0].note == "in no token: lost"


class Prefixed(RuleTokenizer):
    """Puts a token that stands for nothing in front of every text."""

    def encode(self, texts):
        own = super().encode(texts)
        at = own.bounds[:-1]
        return Encoded(ids=np.insert(own.ids, at, 9), starts=np.insert(own.starts, at, 0),
                       stops=np.insert(own.stops, at, 0),
                       bounds=own.bounds + np.arange(len(own.bounds)))  # fmt: skip


def test_a_token_that_stands_for_nothing_is_no_piece():
    found = outcome("trailing_space", Prefixed(list), "10", "20")
    assert (found.share, found.checked) == (1, 2)
    assert found.examples[0].pieces == ("1", "0", ",", " ", "2", "0")
