"""Sign, point and white space: the exact share, the example and what is said of it."""

import numpy as np
import pytest

from tests.tokenization_study.constructed import RuleTokenizer, by_pattern, characters
from tokenization_study.audit import audit
from tokenization_study.config import AuditConfig, InputConfig
from tokenization_study.tokenizers.encoded import Encoded


def outcome(pitfall, tokenizer, *lines, unit="", probes=200):
    report = audit(
        [line + "\n" for line in lines],
        [tokenizer],
        ["as_written"],
        data=InputConfig(unit=unit),
        config=AuditConfig(probe_values=probes),
    )
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
        ("1.5", r"\.5\n", 1, 1, ("1.5", ("1", ".5"), "in the token '.5'")),
        (".5 1.5", r"\.\d|\d+", 1, 2, (".5", (".5",), "in the token '.5'")),
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


FUSED = "numbers with a unit put behind them"


@pytest.mark.parametrize(
    ("pattern", "lines", "share", "examples"),
    [
        (r"0g|0 g", ("10", "20"), 4 / 20, [
            ("10g", ("1", "0g"), "'0g' holds number and unit"),
            ("20g", ("2", "0g"), "'0g' holds number and unit"),
            ("10 g", ("1", "0 g"), "'0 g' holds number and unit"),
        ]),
        (r"\d°", ("10", "20"), 2 / 20, [
            ("10°C", ("1", "0°", "C"), "'0°' holds number and unit"),
            ("20°C", ("2", "0°", "C"), "'0°' holds number and unit"),
        ]),
        (r"0%", ("10",), 1 / 10, [("10%", ("1", "0%"), "'0%' holds number and unit")]),
        (r"0 ?bpm", ("10",), 2 / 10, [
            ("10bpm", ("1", "0bpm"), "'0bpm' holds number and unit"),
            ("10 bpm", ("1", "0 bpm"), "'0 bpm' holds number and unit"),
        ]),
        (r"0ms", ("10",), 1 / 10, [("10ms", ("1", "0ms"), "'0ms' holds number and unit")]),
        (r"\d+e\+\d+|-\d+E\+\d+", ("1e+05", "-2E+05"), 0, []),
        (r"\d_", ("1", "2"), 0, []),
    ],
)  # fmt: skip
def test_a_token_of_a_digit_and_a_units_letter(pattern, lines, share, examples):
    found = outcome("unit_fused", by_pattern(pattern), *lines)
    assert found.share == pytest.approx(share)
    assert (found.checked, found.of) == (10 * len(lines), FUSED)
    assert found.note == "made from the values"
    assert shown(found) == examples


@pytest.mark.parametrize(
    ("pitfall", "tokenizer", "lines", "share", "checked", "example"),
    [
        ("leading_space", by_pattern(r" \d\d"), ("10", "345"), 1, 2,
         ("10 /  10", ("1", "0", " / ", " 10"), "the same number")),
        ("leading_space", by_pattern(r" ?\d+"), ("10", "345"), 0, 2, None),
        ("letter_case", by_pattern(r"e\+05"), ("1e+05", "2E+06"), 1 / 2, 2,
         ("1e+05 bpm / 1E+05 BPM", ("1", "e+05", *" bpm", " / ", *"1E+05 BPM"), "small and large")),
        ("letter_case", by_pattern(r"e\+01|E\+01"), ("10", "20"), 0, 2, None),
        ("letter_case", by_pattern(r"bpm"), ("10",), 1, 1,
         ("1.00e+01 bpm / 1.00E+01 BPM",
          (*"1.00e+01 ", "bpm", " / ", *"1.00E+01 BPM"), "small and large")),
        ("locale", by_pattern(r"1\.5"), ("1.5", "2.5"), 1 / 2, 2,
         ("1.5 / 1,5", ("1.5", " / ", "1", ",", "5"), "the same number")),
        ("locale", by_pattern(r"\d+"), ("-1234", "123", "1.5"), 1 / 2, 2,
         ("-1234 / -1,234", ("-", "1234", " / ", "-", "1", ",", "234"), "the same number")),
        ("locale", characters(), ("12345", "+1234"), 0, 2, None),
        ("locale", characters(), ("0001", "7" * 5000), 0, 2, None),
        ("locale", characters(), ("123", "45"), None, None, None),
        ("minus_variants", by_pattern("-1"), ("-1 -2 3",), 1 / 2, 2,
         ("-1 / −1", ("−", "1"), "1 tokens with -, 2 with U+2212")),
        ("minus_variants", characters(unknown="−"), ("-1 3",), 1, 1,
         ("-1 / −1", ("<unk>", "1"), "2 tokens with -, 2 with U+2212")),
        ("minus_variants", by_pattern("-1"), ("−1 3",), 1, 1,
         ("-1 / −1", ("−", "1"), "1 tokens with -, 2 with U+2212")),
        ("minus_variants", characters(), ("1 3",), None, None, None),
        ("zero_padding", by_pattern(r"012|-03"), ("12", "1.5", "-34"), 1 / 3, 3,
         ("12 / 012", ("1", "2", " / ", "012"), "the same number")),
        ("zero_padding", by_pattern(r"-034"), ("12", "-34"), 1 / 2, 2,
         ("-34 / -034", ("-", "3", "4", " / ", "-034"), "the same number")),
        ("zero_padding", by_pattern(r"1\.50"), ("12", "1.5"), 1 / 2, 2,
         ("1.5 / 1.50", ("1", ".", "5", " / ", "1.50"), "the same number")),
        ("zero_padding", by_pattern(r"1\.5|5\d"), ("1.5", "1.55"), 0, 2, None),
        ("zero_padding", by_pattern(r"-1(?=\.50)"), ("-1.5",), 1, 1,
         ("-1.5 / -1.50", ("-", "1", ".", "5", " / ", "-1", ".", "5", "0"), "the same number")),
        ("zero_padding", characters(), ("1e+05",), None, None, None),
    ],
)  # fmt: skip
def test_a_number_written_otherwise(pitfall, tokenizer, lines, share, checked, example):
    found = outcome(pitfall, tokenizer, *lines)
    if share is None:
        assert found is None
        return
    assert (found.share, found.checked) == (pytest.approx(share), checked)
    assert (
        found.of
        == {
            "leading_space": "numbers with a space in front",
            "letter_case": "numbers written with e and with E",
            "locale": "numbers in another locale",
            "minus_variants": "negative numbers with another minus",
            "zero_padding": "numbers padded with a zero",
        }[pitfall]
    )
    assert found.note == "made from the values"
    assert shown(found)[:1] == ([example] if example else [])


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


def test_the_inputs_own_unit_is_put_behind_its_numbers():
    found = outcome("unit_fused", by_pattern(r"0mV"), "10", "20", unit="mV")
    assert (found.share, found.checked) == (1 / 2, 4)
    assert found.examples[0].text == "10mV"
    found = outcome("letter_case", by_pattern(r"mv"), "1e+05", unit="mV")
    assert [e.text for e in found.examples] == ["1e+05 mv / 1E+05 MV"]
    found = outcome("letter_case", by_pattern(r"bpm"), "1e+05", unit="%")
    assert [e.text for e in found.examples] == ["1e+05 bpm / 1E+05 BPM"]


@pytest.mark.parametrize(("probes", "checked"), [(5, 10), (20, 20), (30, 30), (40, 40)])
def test_units_share_the_numbers_that_are_rewritten(probes, checked):
    lines = map(str, range(10, 60))
    assert outcome("unit_fused", characters(), *lines, probes=probes).checked == checked


def test_signs_are_lost_where_there_is_no_token_at_all():
    found = outcome("sign_point", characters(forget="-15 \n"), "-1 -5")
    assert (found.share, found.checked) == (1, 2)
    assert found.examples[0].note == "in no token: lost"
