"""One question: the LLM's own words, and how sure it is where they can be scored."""

import pytest
import torch

from sensor2llm.adapter.batches import Request
from sensor2llm.errors import ConfigError, SpecError
from sensor2llm.llm.scoring import score_each
from sensor2llm.llm.templates import PromptTemplate
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.signals.window import Window
from sensor2llm.tasks import answering
from sensor2llm.tasks.answering import answer_question
from sensor2llm.tasks.classification import classify
from sensor2llm.tasks.conversation import Conversation
from tests.models import LABELS, small_adapter, small_model, tiny_llm, windows


@pytest.fixture(scope="module")
def model():
    return small_model()


@pytest.fixture(scope="module")
def trained():
    """Give a model that was made for questions."""
    llm, template = tiny_llm(), PromptTemplate.load("question")
    return SensorLanguageModel(small_adapter(llm, template=template), llm).eval()


def answers(monkeypatch, text: str) -> None:
    monkeypatch.setattr(Conversation, "ask", lambda self, question: text)
    monkeypatch.setattr(SensorLanguageModel, "generate", lambda self, batch, **o: [text])


def test_the_words_are_those_of_a_chat(model):
    chat = Conversation(model, max_new_tokens=6)
    chat.attach(windows()[0])
    answer = answer_question(model, windows()[0], "How fast?", max_new_tokens=6)
    assert str(answer) == answer.text == chat.ask("How fast?")


def test_a_label_has_the_probability_that_classify_gives_it(model, monkeypatch):
    answers(monkeypatch, "Walk upstairs.")
    answer = answer_question(model, windows()[0], "Which activity?")
    (expected,) = classify(model, windows()[:1])
    assert answer.probabilities == pytest.approx(expected.probabilities)
    assert answer.probability == answer.probabilities["walk upstairs"]
    assert tuple(answer.probabilities) == LABELS


@pytest.mark.parametrize(
    ("text", "chosen", "other"), [("yes", "yes", "no"), ("No, that is slow.", "No", "Yes")]
)
@pytest.mark.parametrize("kind", ["model", "trained"])
def test_yes_and_no_are_scored_against_each_other(kind, text, chosen, other, request, monkeypatch):
    model = request.getfixturevalue(kind)
    answers(monkeypatch, text)
    answer = answer_question(model, windows()[0], "Is it fast?")
    assert set(answer.probabilities) == {chosen, other}
    assert sum(answer.probabilities.values()) == pytest.approx(1)
    assert answer.probability == answer.probabilities[chosen]


@torch.no_grad()
def test_a_score_is_that_of_the_words_behind_the_whole_conversation(model):
    conversation, words = Conversation(model), ("yes", "no", "not at all")
    said = conversation.attach(windows()[0]).label
    rest = [{"role": "assistant", "content": said}, {"role": "user", "content": "Is it fast?"}]
    text = model.llm.render([*model.prompting.messages(), *rest])
    heard = [model.features([Window(windows()[0].signals)])]
    prompt = model.build.for_token_ids(model.llm.encode(text), heard)
    ids = [model.llm.answer_ids(text, word) for word in words]
    expected = score_each(model.llm, prompt, ids).softmax(-1)[0].tolist()
    assert list(conversation.score("Is it fast?", words).values()) == pytest.approx(
        expected, rel=1e-4
    )
    assert len(conversation.turns) == 1


def test_other_words_have_no_probability(model, monkeypatch):
    answers(monkeypatch, "It is rather quiet.")
    answer = answer_question(model, windows()[0], "How is it?")
    assert (answer.probability, answer.probabilities) == (None, {})


def test_an_adapter_made_for_questions_is_asked_by_its_own_prompt(trained):
    features = trained.features([Window(windows()[0].signals)])
    asked = features.with_requests(
        [Request(answering.TASK, {"question": "Which sensors are missing?"})]
    )
    answer = answer_question(trained, windows()[0], "Which sensors are missing?", max_new_tokens=5)
    assert answer.text == trained.generate(asked, max_new_tokens=5)[0]


def test_a_question_that_cannot_be(model):
    with pytest.raises(ConfigError, match="the question"):
        answer_question(model, windows()[0], "<|signal|>")


def test_a_window_of_another_spec(model):
    with pytest.raises(SpecError, match="unknown modality 'gyro'"):
        answer_question(model, Window({"gyro": windows()[0].signals["accel"]}), "What is it?")
