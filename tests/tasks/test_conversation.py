"""A conversation keeps hearing its windows."""

import json

import pytest
import torch

from sensor2llm.errors import ConfigError, ModelError, SpecError
from sensor2llm.llm.chat import SIGNAL
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.signals.window import Window
from sensor2llm.tasks.classification import classify
from sensor2llm.tasks.conversation import Conversation, without_outer_blanks
from tests.models import LABELS, small_model, text_adapter, tiny_llm, windows
from tests.signals.stores import FOREIGN, make_foreign


@pytest.fixture(scope="module")
def model():
    return small_model()


def test_attaching_gives_the_label_that_classify_gives(model):
    said = Conversation(model).attach(windows()[0])
    (expected,) = classify(model, windows()[:1])
    assert said.label == expected.label
    assert sum(said.probabilities.values()) == pytest.approx(1, abs=1e-5)


def test_a_window_of_another_spec_is_heard_in_the_adapters(model):
    window = next(make_foreign())
    said = Conversation(model).attach(window, "lab 1", spec=FOREIGN)
    assert said == classify(model, [window], spec=FOREIGN)[0]
    with pytest.raises(SpecError, match=r"of shape \(3, 48\)"):
        Conversation(model).attach(window)


def test_the_streamed_pieces_are_the_answer_and_are_kept(model):
    conversation = Conversation(model, max_new_tokens=8)
    conversation.attach(windows()[0], "walk.csv 1/3")
    pieces = list(conversation.stream("How fast?"))
    assert "".join(pieces).strip() == conversation.turns[-1].answered
    assert [turn.kind for turn in conversation.turns] == ["window", "question"]


def test_the_first_token_is_the_models_own_on_the_whole_conversation(model):
    conversation = Conversation(model, max_new_tokens=1)
    conversation.attach(windows()[0])
    prompting = model.prompting
    messages = [
        *prompting.messages(),
        {"role": "assistant", "content": conversation.turns[0].answered},
        {"role": "user", "content": "Why?"},
    ]
    said = conversation.ask("Why?")
    assert said == model.generate(windows()[:1], messages=messages, max_new_tokens=1)[0]


def test_the_answer_depends_on_the_signal(model):
    def logits(window):
        conversation = Conversation(model)
        conversation.attach(window)
        return model.adapter.signal_vectors(conversation._exchanges[0].heard[0])

    assert not torch.equal(logits(windows()[0]), logits(windows()[3]))


def test_two_windows_keep_their_own_signal_tokens(model):
    conversation = Conversation(model, max_new_tokens=4)
    for window in windows()[:2]:
        conversation.attach(window)
    conversation.ask("Which was faster?")
    ids = conversation._ids("And now?")
    assert ids.count(model.llm.signal_id) == 2 * model.adapter.signal_tokens
    heard = [window for exchange in conversation._exchanges for window in exchange.heard]
    prompt = model.build.for_token_ids(ids, heard)
    places = (torch.tensor(ids) == model.llm.signal_id).nonzero()[:, 0]
    vectors = torch.cat([model.adapter.signal_vectors(window) for window in heard], dim=1)
    torch.testing.assert_close(prompt.vectors[0, places], vectors[0])


def test_the_same_seed_says_the_same(model):
    def said(seed):
        conversation = Conversation(model, temperature=3.0, seed=seed, max_new_tokens=12)
        conversation.attach(windows()[0])
        return conversation.ask("Why?")

    assert said(1) == said(1)
    assert said(1) != said(2)


def test_old_questions_are_forgotten_before_the_context_is_full(model, caplog):
    caplog.set_level("INFO")
    conversation = Conversation(model, max_new_tokens=16)
    conversation.attach(windows()[0])
    for i in range(8):
        conversation.ask(f"{i} and a question of some length, again and again?")
    room = model.llm.model.config.max_position_embeddings
    assert len(conversation._fitting_ids("?")[0]) + 16 <= room
    assert len(conversation._exchanges) < 9
    assert sum(len(exchange.heard) for exchange in conversation._exchanges) == 1
    assert len(conversation.turns) == 9
    assert f"the oldest question is forgotten: the LLM holds {room} positions" in caplog.messages


def test_a_question_longer_than_the_context_is_cut_and_said(model, caplog):
    caplog.set_level("INFO")
    conversation = Conversation(model, max_new_tokens=16)
    conversation.attach(windows()[0])
    question = "Why, and again why? " * 5000
    room = model.llm.model.config.max_position_embeddings
    ids, cut = conversation._fitting_ids(question)
    assert room - 40 < len(ids) + 16 <= room
    assert question.startswith(cut)
    (line,) = caplog.messages
    assert line.startswith(f"the question is cut to its first {len(cut)} of 100000 characters")
    conversation.ask(question)
    assert conversation.turns[-1].asked == cut


@pytest.mark.parametrize(
    "pieces",
    [
        [" The", " person", " ", "\n"],
        ["", "  ", " The person"],
        ["The ", "person "],
        [" \nThe per", "son", ""],
    ],
)
def test_an_answer_has_no_blanks_around_it(pieces):
    shown = list(without_outer_blanks(pieces))
    assert "".join(shown) == "The person"
    assert "" not in shown


def test_a_blank_answer_is_empty():
    assert list(without_outer_blanks([" ", "\n"])) == []


def test_windows_that_do_not_fit_are_an_error(model):
    conversation = Conversation(model, max_new_tokens=200)
    for _ in range(4):
        conversation.attach(windows()[0])
    with pytest.raises(ModelError, match="attach fewer windows"):
        conversation.ask("Why?")


def test_a_conversation_needs_no_window(model):
    assert isinstance(Conversation(model, max_new_tokens=3).ask("Who are you?"), str)


def test_an_adapter_without_an_encoder_talks_about_its_text():
    llm = tiny_llm()
    conversation = Conversation(SensorLanguageModel(text_adapter(llm), llm), max_new_tokens=3)
    conversation.attach(windows()[0])
    assert isinstance(conversation.ask("Why?"), str)
    assert conversation._exchanges[0].heard[0].steps is None


def test_saved_as_json_and_as_markdown(model, tmp_path):
    conversation = Conversation(model, max_new_tokens=4)
    conversation.attach(windows()[0], "walk.csv")
    conversation.ask("Why?")
    plain = json.loads(conversation.save(tmp_path / "chat.json").read_text())
    assert plain["turns"][0]["window"] == "walk.csv"
    assert set(plain["turns"][0]["probabilities"]) == set(LABELS)
    assert plain["turns"][1]["question"] == "Why?"
    text = conversation.save(tmp_path / "chat.md").read_text()
    assert "**Window** walk.csv" in text
    assert "**You:** Why?" in text
    assert SIGNAL not in text


def test_saved_as_something_else(model, tmp_path):
    with pytest.raises(ConfigError, match=r"end it in \.json or \.md"):
        Conversation(model).save(tmp_path / "chat.txt")


def test_a_window_that_does_not_fit(model):
    with pytest.raises(SpecError, match="unknown modality"):
        Conversation(model).attach(Window(signals={"smell": [[1.0]]}))


def test_an_answer_has_a_positive_length(model):
    with pytest.raises(ConfigError, match="max_new_tokens must be positive, got 0"):
        Conversation(model, max_new_tokens=0)
