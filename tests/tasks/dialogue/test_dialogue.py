"""A conversation that goes on where another stopped, and windows that were heard together."""

import pytest

from sensor2llm.errors import ConfigError, SpecError
from sensor2llm.tasks.dialogue.answer import NOT_FROM_WINDOW
from sensor2llm.tasks.dialogue.dialogue import Dialogue
from tests.models import small_model, windows

QUESTIONS = ("What is the capital of France?", "Tell me a joke.")


def make_dialogue() -> Dialogue:
    return Dialogue(small_model("qwen3"), max_new_tokens=6)


def test_a_question_that_is_recalled_counts_as_if_it_had_been_asked():
    first, second, forgetful = make_dialogue(), make_dialogue(), make_dialogue()
    said = first.ask(QUESTIONS[0]).said
    assert said.startswith(NOT_FROM_WINDOW)
    second.recall(QUESTIONS[0], said)
    reference = first.ask(QUESTIONS[1]).text
    assert second.ask(QUESTIONS[1]).text == reference
    assert forgetful.ask(QUESTIONS[1]).text != reference


def test_what_the_plain_model_did_not_say_is_not_recalled():
    dialogue, other = make_dialogue(), make_dialogue()
    dialogue.recall("Is it walking?", "Yes: walk (0.93).")
    assert dialogue.ask(QUESTIONS[1]).text == other.ask(QUESTIONS[1]).text
    with pytest.raises(ConfigError, match="the question holds"):
        dialogue.recall("<|soft|>", "")


def test_windows_heard_together_are_those_heard_alone():
    dialogue, batch = make_dialogue(), windows(6)
    together = dialogue.answerer.hear_all(batch)
    for one, window in zip(together, batch, strict=True):
        alone = dialogue.attach(window)
        assert one.window.label is None
        assert one.prediction.probabilities == pytest.approx(alone.prediction.probabilities, 1e-4)
        assert one.facts.keys() == alone.facts.keys()
        assert one.features.steps.shape == alone.features.steps.shape
        dialogue.add(one)
        assert dialogue.turns[-1].prediction is one.prediction
    assert dialogue.answerer.hear_all([]) == []


def test_a_window_of_another_spec_is_refused_before_anything_is_asked():
    (window,) = windows(1)
    object.__setattr__(window, "signals", {"legs": window.signals["accel"]})
    with pytest.raises(SpecError, match="unknown modality 'legs'"):
        make_dialogue().attach(window)
