"""What the comparison's page says."""

import pytest

from tokenization_study.comparison import table


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        ((0.95, 0.35, 0.85, 0.75, 0.65), "a random forest 0.850 with all labels or 0.750 with as"),
        ((0.95, 0.35, 0.85, 0.75, 0.65), "states of the prompt reaches 0.650: 83 % of the gap"),
        ((0.95, 0.35, 0.25, None, None), "a random forest 0.250: 0 % of the gap"),
        ((0.95, 0.35, None, None, None), ""),
        ((0.35, 0.95, 0.85, None, None), ""),
    ],
)
def test_the_page_says_what_the_numbers_hold(verdict, words):
    names = ("encoded", "best_raw", "best_forest", "best_forest_as_many_labels", "best_states")
    figures = {f"{name}_macro_f1": value for name, value in zip(names, verdict, strict=True)}
    sentence = table.blindness_sentence(figures)
    assert words in sentence
    assert bool(words) == bool(sentence)
