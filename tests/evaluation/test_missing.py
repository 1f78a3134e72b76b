"""Every subset of the modalities is taken away, and the losses are summed up."""

import pytest

from sensor2llm.evaluation.missing import (
    missing_subsets,
    missing_summary,
    subset_key,
    summary_lines,
)


def test_every_proper_subset_smaller_ones_first():
    assert missing_subsets("abc") == [("a",), ("b",), ("c",), ("a", "b"), ("a", "c"), ("b", "c")]
    for count in range(2, 6):
        found = missing_subsets("abcde"[:count])
        assert len({frozenset(gone) for gone in found}) == len(found) == 2**count - 2
        assert [len(gone) for gone in found] == sorted(len(gone) for gone in found)


def test_a_lone_modality_is_taken_away_all_the_same():
    assert missing_subsets(("heart",)) == [("heart",)]
    assert missing_subsets(()) == []


def test_of_many_modalities_singles_and_pairs():
    found = missing_subsets("abcdef")
    assert found[:6] == [(name,) for name in "abcdef"]
    assert {len(gone) for gone in found[6:]} == {2}
    assert len(set(found)) == 6 + 15


def measured(probe=True):
    def one(loss, probed, *gone):
        found = {"model_minus_control": loss, "taken_away": list(gone)}
        return found | ({"probe_macro_f1": probed} if probe else {})

    lines = [
        one(0.1, 0.6, "a"),
        one(0.3, 0.5, "b"),
        one(-0.1, 0.8, "c"),
        one(0.4, 0.2, "a", "b"),
        one(0.25, 0.3, "a", "c"),
        one(0.3, 0.4, "b", "c"),
    ]
    return {subset_key(line["taken_away"]): line for line in lines}


def test_losses_are_summed_up_by_the_number_taken_away():
    found = missing_summary(measured(), count=3, probe_macro_f1=0.8)
    assert (found["modalities"], found["subsets"]) == (3, "all")
    assert found["probe_macro_f1"] == 0.8
    single, pair = found["by_number"]
    assert single == pytest.approx(
        {
            "taken_away": 1, "subsets": 3, "mean_loss": 10, "worst": "b", "worst_loss": 30,
            "probe_mean_loss": (20 + 30 + 0) / 3, "probe_worst_loss": 30,
        }
    )  # fmt: skip
    assert (pair["taken_away"], pair["subsets"], pair["worst"]) == (2, 3, "a+b")
    assert pair["mean_loss"] == pytest.approx((40 + 25 + 30) / 3)
    assert pair["probe_worst_loss"] == pytest.approx(60)


def test_without_a_probe_nothing_is_said_of_one():
    found = missing_summary(measured(probe=False), count=3)
    assert "probe_macro_f1" not in found
    assert not any("probe" in key for line in found["by_number"] for key in line)
    assert not any("without an LLM" in line for line in summary_lines(found))


def test_the_summary_in_words():
    words = summary_lines(missing_summary(measured(), count=3, probe_macro_f1=0.8))
    assert words == [
        "1 of 3 taken away: 10.0 points of macro-F1 lost on average of 3 subsets, 30.0 at worst, "
        "without b; without an LLM 16.7 on average, 30.0 at worst.",
        "2 of 3 taken away: 31.7 points of macro-F1 lost on average of 3 subsets, 40.0 at worst, "
        "without a+b; without an LLM 50.0 on average, 60.0 at worst.",
    ]


def test_one_subset_has_no_average():
    alone = {"a": measured()["a"]}
    assert summary_lines(missing_summary(alone, count=1, probe_macro_f1=0.8)) == [
        "1 of 1 taken away: 10.0 points of macro-F1 lost without a; without an LLM 20.0."
    ]


def test_that_not_every_subset_was_measured_is_said():
    found = missing_summary(measured(), count=6, probe_macro_f1=0.8)
    assert found["subsets"] == "singles and pairs"
    assert summary_lines(found)[-1] == "Of 6 modalities only singles and pairs were taken away."
