"""Prompts of numbers on a tiny LLM: what fits, what is timed, what is scored."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.tasks.loading import load_model
from tests.tokenization_study.comparison.small import CONFIG
from tokenization_study.comparison import prompts, run

TEXTS = ("1, 2", "3, 4, 5, 6, 7", "5, 7, 8", "2, 2, 2")


def test_windows_beyond_the_context_count_as_wrong(folders, monkeypatch, llm):
    model = load_model(str(folders[0]), llm)
    asked = prompts.text_model(model.adapter, model.llm, "zero_shot", {})
    texts = ("1, 2", "1, 2, 3, 4, 5, 6, 7, 8, 9")
    positions = prompts.positions_of(asked, texts)
    monkeypatch.setattr(FrozenLLM, "context", int(positions[0]))
    answers = prompts.ask(asked, prompts.TextRows(texts, np.array([0, 0])), CONFIG)
    assert answers.fits.tolist() == [True, False]
    assert answers.scored[1] == answers.written[1] == -1
    assert answers.scored[0] >= 0
    assert answers.probabilities is None


def test_examples_are_as_many_as_fit(folders, monkeypatch, tmp_path, llm):
    monkeypatch.setattr(FrozenLLM, "context", 40)
    adapter, store, _ = folders
    few = replace(CONFIG, serialisers=("plain",), soft_tokens=0, shots=4)
    found = run.compare(str(adapter), store, tmp_path, few, llm=llm)
    row = next(r for r in found["rows"] if r["prompt"].startswith("few-shot"))
    assert row["prompt"] == "few-shot, 1 examples"
    assert row["not_fitting"] == row["windows"]
    assert row["note"] == "not run: no window fits the context"


@pytest.mark.parametrize("form", ["zero_shot", "few_shot"])
def test_a_window_is_timed_as_it_is_asked(folders, monkeypatch, llm, form):
    """Nothing of the timed window is cached before; what examples all windows share, is."""
    examples = {"examples": [{"numbers": "1, 1", "label": "rest"}]}
    model = load_model(str(folders[0]), llm)
    model = prompts.text_model(model.adapter, model.llm, form, examples if "few" in form else {})
    ran, known = [], FrozenLLM.run

    def counted(self, vectors, *inputs, **options):
        ran.append(vectors.shape[0] * vectors.shape[1])
        return known(self, vectors, *inputs, **options)

    monkeypatch.setattr(FrozenLLM, "run", counted)
    monkeypatch.setattr(prompts, "time", SimpleNamespace(perf_counter=lambda: sum(ran)))
    timed = prompts.time_window(model, prompts.TextRows(TEXTS, np.zeros(4, int)))
    prompt, tree = model.prompting.ids(signal=TEXTS[1]), model.prompting.answers.tree
    other = model.prompting.ids(signal=TEXTS[0])
    head = next(i for i in range(len(prompt)) if prompt[i] != other[i])
    assert timed == len(prompt) + len(tree) - (head if form == "few_shot" else 0)


def test_windows_score_alone_what_they_score_together(folders, monkeypatch, llm):
    model = load_model(str(folders[0]), llm, dtype="float32")
    model = prompts.text_model(model.adapter, model.llm, "zero_shot", {})
    windows = prompts.TextRows(TEXTS, np.zeros(4, int))
    batches, known = [], type(model).score
    monkeypatch.setattr(type(model), "score", lambda m, b: batches.append(len(b)) or known(m, b))
    alone = prompts.ask(model, windows, CONFIG).probabilities
    monkeypatch.setattr(prompts, "runs_alone", lambda _: False)
    np.testing.assert_allclose(prompts.ask(model, windows, CONFIG).probabilities, alone, atol=1e-5)
    assert batches == [1, 1, 1, 1, 4]
