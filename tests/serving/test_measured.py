"""The line that says what was measured about an adapter's answers."""

import json

import pytest

from sensor2llm.serving.measured import measured_line


def put(folder, name, **figures):
    (folder / name).write_text(json.dumps(figures))


def test_what_was_measured(tmp_path):
    put(tmp_path, "metrics.json", accuracy=0.961, windows=2947, split="test")
    assert measured_line(tmp_path) == (
        "measured on unseen people, right: labels 96 % of 2,947; its answers to questions were "
        "not measured"
    )
    put(tmp_path, "metrics_question_answering.json", true=0.923, questions=5854, split="test")
    put(tmp_path, "metrics_human_questions.json", true=0.88, questions=900, split="test")
    assert measured_line(tmp_path) == (
        "measured on unseen people, right: labels 96 % of 2,947, answers to questions 92 % of "
        "5,854, answers to questions as people type them 88 % of 900"
    )


@pytest.mark.parametrize("split", ["validation", "train"])
def test_figures_of_other_people_do_not_count(tmp_path, split):
    put(tmp_path, "metrics.json", accuracy=0.99, windows=10, split=split)
    assert measured_line(tmp_path) == "nothing was measured about the answers of this adapter"
