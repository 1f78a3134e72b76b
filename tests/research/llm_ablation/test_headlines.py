"""Language models side by side, and what is won in three sentences made of figures."""

import pytest

from research.llm_ablation.__main__ import RESULTS, write_pages
from research.llm_ablation.headlines import (
    LARGE,
    SMALL,
    WORDS,
    Headline,
    headlines,
    read_results,
    sentences,
    side_by_side,
)
from research.llm_ablation.training import RANDOM, TRAINED


def words_figures(trained: float, random: float, spelled: float, low: float) -> dict:
    unseen = {name: [{"macro_f1": value}] for name, value in ((TRAINED, trained), (RANDOM, random))}
    return {
        "runs": {llm: {"unseen": scores} for llm, scores in unseen.items()},
        "matching": {"spelling": {"unseen": [{"macro_f1": spelled}]}},
        "difference": {"interval": [low, 0.9]},
    }


@pytest.mark.parametrize(
    ("figures", "ahead"),
    [
        ((0.7, 0.2, 0.4, 0.1), True),
        ((0.7, 0.2, 0.4, -0.1), False),  # not more than chance
        ((0.7, 0.2, 0.69, 0.1), False),  # a matcher is as good
        ((0.7, 0.69, 0.4, 0.001), False),  # random weights are as good
    ],
)
def test_a_row_is_ahead_of_both_others_and_of_chance(figures, ahead):
    row = headlines({"words": words_figures(*figures)})[WORDS]
    assert row == Headline("macro-F1", *figures[:3], sure=figures[3] > 0)
    assert row.ahead is ahead


def test_sentences_say_what_is_won_what_is_not_and_what_is_not_measured():
    won = words_figures(0.7, 0.2, 0.4, 0.1)
    text = sentences({LARGE: {"words": won}})
    first, second, third = text.split(". ")
    assert f"in {WORDS} (macro-F1 0.700; random weights 0.200, no language model 0.400)" in first
    assert "not measured yet: 1 labelled window a class, 5 labelled windows a class, " in first
    assert second.endswith("in nothing")
    assert third.startswith(f"`{SMALL}` is ahead in nothing (not measured yet: {WORDS}")
    lost = words_figures(0.5, 0.6, 0.4, -0.2)
    assert f"more than chance, in {WORDS} (macro-F1 0.500; " in sentences({LARGE: {"words": lost}})


def test_models_stand_side_by_side_beside_random_weights_and_none():
    table = side_by_side({LARGE: {"words": words_figures(0.7, 0.2, 0.4, 0.1)}, SMALL: {}})
    assert f"| {WORDS} | 0.700 | 0.200 | 0.400 | – | – | – |" in table


def test_the_pages_are_what_the_figures_say(tmp_path):
    results = read_results(RESULTS)
    assert list(results)[:2] == [LARGE, SMALL]
    for path in RESULTS.glob("*/*.json"):
        (tmp_path / path.parent.name).mkdir(exist_ok=True)
        (tmp_path / path.parent.name / path.name).write_bytes(path.read_bytes())
    write_pages(tmp_path)
    for page in ("table.md", "sentences.md"):
        assert (tmp_path / page).read_text() == (RESULTS / page).read_text()
