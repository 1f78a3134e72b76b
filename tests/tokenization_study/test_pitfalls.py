"""Each check finds a constructed tokenizer's fault, and nothing where the fault is not."""

import re

import numpy as np
import pytest

from tests.tokenization_study.constructed import (
    RuleTokenizer,
    Strokes,
    blocks,
    by_pattern,
    characters,
    whole_numbers,
)
from tokenization_study.audit import audit
from tokenization_study.checks.catalogue import PITFALLS
from tokenization_study.config import AuditConfig, InputConfig

INTEGERS = np.arange(400, 500)
FLOATS = np.round(np.random.default_rng(0).uniform(1, 9, 200), 3)
SIGNED = np.round(np.random.default_rng(1).normal(size=200), 2)
STAMPS = 1_700_000_000_000 + 50 * np.arange(100)


def arbitrary(text: str) -> list[str]:
    """Cut digits by what they are, so that no two numbers are cut alike."""
    pieces, place = [], 0
    for match in re.finditer(r"\d+|[^\d]", text):
        digits, place = match.group(), 0
        while place < len(digits):
            width = 1 + sum(map(ord, digits[place : place + 2])) % 3
            pieces.append(digits[place : place + width])
            place += width
    return pieces


GROUPS_OF_THREE = r"\d{1,3}"
FROM_RIGHT = r"\d{1,3}(?=(?:\d{3})*(?!\d))"
# pitfall: (tokenizer with the fault, tokenizer without, values or lines, serialiser)
CASES = {
    "consecutive_numbers": (by_pattern("480|48|49"), characters(), INTEGERS, "plain"),
    "float_split": (RuleTokenizer(arbitrary), by_pattern(GROUPS_OF_THREE), FLOATS, "plain"),
    "integer_grouping": (
        RuleTokenizer(arbitrary), by_pattern(GROUPS_OF_THREE), INTEGERS * 97, "plain"),
    "long_integers": (RuleTokenizer(arbitrary), by_pattern(GROUPS_OF_THREE), STAMPS, "plain"),
    "grouping_direction": (by_pattern(GROUPS_OF_THREE), by_pattern(FROM_RIGHT), STAMPS, "plain"),
    "hidden_digits": (by_pattern(GROUPS_OF_THREE), characters(), INTEGERS, "plain"),
    "sign_point": (by_pattern(r"-\d|\d\."), by_pattern(r"\d+"), SIGNED, "fixed"),
    "leading_space": (by_pattern(r" \d\d"), by_pattern(r" ?\d+"), INTEGERS, "plain"),
    "trailing_space": (by_pattern(r" ?\d+"), by_pattern(r"\d+"), INTEGERS, "plain"),
    "letter_case": (by_pattern(r"e[+-]\d\d"), characters(), FLOATS, "plain"),
    "unit_fused": (by_pattern(r"\d ?[a-z]+"), by_pattern(r"\d+| ?[a-z]+"), FLOATS, "plain"),
    "locale": (by_pattern(r"\d\.\d"), by_pattern(r"\d+"), FLOATS, "plain"),
    "minus_variants": (by_pattern("-0|-1"), characters(), SIGNED, "fixed"),
    "zero_padding": (by_pattern(r"\d{2}0"), characters(), FLOATS, "plain"),
    "several_tokenizations": (
        by_pattern(r" \d+"), by_pattern(r"\d+"), np.full((3, 20), 7), "plain"),
    "no_shared_token": (whole_numbers(), characters(), INTEGERS, "plain"),
    "distance_lost": (
        RuleTokenizer(lambda t: re.findall(r"\d+|[^\d]+", t)), None, INTEGERS, "plain"),
    "period_lost": (blocks(3), characters(), FLOATS, "plain"),
    "column_drift": (by_pattern("17"), whole_numbers(), np.arange(30).reshape(3, 10) + 10, "csv"),
    "special_unknown": (characters(unknown="."), characters(), FLOATS, "plain"),
    "non_reversible": (characters(forget=" "), characters(), FLOATS, "plain"),
    "context_spent": (characters(), None, np.tile(FLOATS, 10), "plain"),
    "model_specific": (by_pattern("48"), None, INTEGERS, "plain"),
}  # fmt: skip


def findings(tokenizers, values, serialiser, steps=128):
    report = audit(
        values, tokenizers, [serialiser], data=InputConfig(window_steps=steps),
        config=AuditConfig(context_tokens=2000),
    )  # fmt: skip
    return {(f.tokenizer, f.pitfall): f for f in report.findings}


def test_every_pitfall_has_its_case():
    assert set(CASES) == set(PITFALLS)


@pytest.mark.parametrize("pitfall", CASES)
def test_a_tokenizer_with_the_fault_is_found(pitfall):
    tokenizer, _, values, serialiser = CASES[pitfall]
    others = [characters(name="other")] if pitfall == "model_specific" else []
    steps = 10_000 if pitfall == "context_spent" else 128
    finding = findings([tokenizer, *others], values, serialiser, steps)["rule", pitfall]
    assert finding.severity != "none"
    assert finding.outcome is not None
    assert finding.outcome.share > 0.01
    assert finding.outcome.checked > 0
    if pitfall != "context_spent":
        assert finding.outcome.examples
        assert all(example.pieces for example in finding.outcome.examples)


@pytest.mark.parametrize("pitfall", [p for p, case in CASES.items() if case[1] is not None])
def test_a_tokenizer_without_the_fault_is_not(pitfall):
    _, tokenizer, values, serialiser = CASES[pitfall]
    finding = findings([tokenizer], values, serialiser)["rule", pitfall]
    assert finding.outcome is not None, "the case must give something to check"
    assert finding.outcome.share == 0
    assert finding.severity == "none"


def test_distance_is_kept_where_tokens_count_like_the_value():
    values = np.arange(1, 24)
    finding = findings([Strokes()], values, "plain")["strokes", "distance_lost"]
    assert finding.outcome.share < 0.01
    assert finding.severity == "none"


def test_context_is_not_spent_on_a_short_window():
    finding = findings([characters()], np.arange(10, 30), "plain", steps=10)
    assert finding["rule", "context_spent"].severity == "none"


def test_two_tokenizers_that_split_alike_are_not_model_specific():
    found = findings([characters(), characters(name="other")], INTEGERS, "plain")
    assert found["rule", "model_specific"].outcome.share == 0


def test_one_tokenizer_alone_has_nothing_to_compare():
    found = findings([characters()], INTEGERS, "plain")["rule", "model_specific"]
    assert (found.severity, found.outcome) == ("not checked", None)


def test_a_tokenizer_that_cannot_decode_is_a_finding():
    found = findings([characters(decodes=False)], FLOATS, "plain")["rule", "non_reversible"]
    assert found.severity == "high"
    assert "cannot decode: NotImplementedError" in found.outcome.note


def test_a_lost_sign_is_found():
    found = findings([characters(forget="-")], SIGNED, "fixed")["rule", "sign_point"]
    assert found.outcome.share > 0.1
    assert any("lost" in example.note for example in found.outcome.examples)


def test_severity_follows_the_levels_and_stops_at_the_worst():
    hidden = PITFALLS["hidden_digits"]
    assert [hidden.severity(s) for s in (0.001, 0.05, 0.2, 0.9)] == [
        "none", "low", "medium", "medium",
    ]  # fmt: skip


def test_every_pitfall_says_what_it_is_and_how_it_is_checked():
    for pitfall in PITFALLS.values():
        for text in (pitfall.name, pitfall.definition, pitfall.why, pitfall.how):
            assert text
            assert text[0].isupper() or text[0] in "0123456789'"
