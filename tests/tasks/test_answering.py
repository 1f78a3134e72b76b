"""One question, answered by the way that is right for it."""

import pytest
import torch

from sensor2llm.errors import ConfigError, SpecError
from sensor2llm.llm.scoring import score_each
from sensor2llm.llm.templates import PromptTemplate
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.signals.facts.facts import extract_facts
from sensor2llm.signals.questions.readings import INTENSITY, TREND
from sensor2llm.signals.window import Window
from sensor2llm.tasks.answering import answer_question
from sensor2llm.tasks.classification import classify
from sensor2llm.tasks.conversation import Conversation
from sensor2llm.tasks.dialogue.fact_questions import ask_fact
from tests.models import LABELS, small_adapter, small_model, tiny_llm, windows


@pytest.fixture(scope="module")
def model():
    return small_model()


@pytest.fixture(scope="module")
def trained():
    """Give a model that was made for questions, and says no labels."""
    llm, template = tiny_llm(), PromptTemplate.load("question")
    return SensorLanguageModel(small_adapter(llm, template=template), llm).eval()


def test_a_label_has_the_probability_that_classify_gives_it(model):
    answer = answer_question(model, windows()[0], "What is she doing?")
    (expected,) = classify(model, windows()[:1])
    assert answer.probabilities == pytest.approx(expected.probabilities)
    assert answer.text == f"{expected.label} ({answer.probability:.2f})."
    assert (answer.kind, answer.source, answer.scored) == ("label", "scores", True)


@pytest.mark.parametrize("label", LABELS)
def test_yes_and_no_never_contradict_the_label(model, label):
    (shown,) = classify(model, windows()[:1])
    answer = answer_question(model, windows()[0], f"Is it {label}?")
    word = "Yes" if shown.label == label else "No"
    assert answer.text == f"{word}: {shown.label} ({shown.probabilities[shown.label]:.2f})."
    assert answer.probabilities["yes"] == pytest.approx(shown.probabilities[label])
    assert answer.probability == answer.probabilities[word.lower()]


def test_a_denied_label_turns_the_answer(model):
    (shown,) = classify(model, windows()[:1])
    answer = answer_question(model, windows()[0], f"So it is not {shown.label}, right?")
    assert answer.text.startswith(f"No: {shown.label}")


def test_an_adapter_of_labels_alone_says_that_it_cannot_and_what_was_measured(model):
    answer = answer_question(model, windows()[0], "What is the main frequency?")
    assert answer.text == "This adapter was not trained to answer that."
    assert answer.source == "rules"
    assert answer.measured.startswith("accel: strongest frequency")


def test_a_fact_that_the_window_does_not_have(trained):
    answer = answer_question(trained, windows()[0], "How many steps a minute?")
    assert (answer.text, answer.source) == ("No sensor of this window shows that.", "rules")


def say(monkeypatch, *shares):
    """Let the adapter score so, one question after the other; other answers get nothing."""
    said = iter(shares)

    def scored(_llm, _prompt, _text, answers):
        return dict.fromkeys(answers, 0.0) | next(said)

    monkeypatch.setattr("sensor2llm.tasks.dialogue.fact_questions.score_answers", scored)


def test_a_fact_is_scored_and_the_computed_one_stands_beside(trained, monkeypatch):
    say(monkeypatch, *[{"1.9 Hz": 0.6, "3.5 Hz": 0.4}] * 3)
    answer = answer_question(trained, windows()[0], "main frequency?")
    assert (answer.text, answer.kind) == ("1.9 Hz", "fact")
    assert (answer.source, answer.generated, answer.probability) == ("scores", False, 0.6)
    assert answer.measured.startswith("accel: ")
    claim = answer_question(trained, windows()[0], "is the frequency above 3 Hz?")
    assert (claim.text, claim.probability) == ("1.9 Hz, so no.", 0.6)
    assert claim.probabilities == {"yes": 0.4, "no": 0.6}


def test_what_is_likeliest_within_the_tolerance_is_said(trained, monkeypatch):
    say(monkeypatch, {"1 Hz": 0.4, "1.9 Hz": 0.25, "2 Hz": 0.35})
    answer = answer_question(trained, windows()[0], "main frequency?")
    assert (answer.text, answer.probability) == ("2 Hz", pytest.approx(0.6))


def test_the_value_that_is_shown_never_contradicts_the_verdict(trained, monkeypatch):
    say(monkeypatch, {"2.9 Hz": 0.45, "3.1 Hz": 0.2, "3.2 Hz": 0.35})
    answer = answer_question(trained, windows()[0], "is the frequency above 3 Hz?")
    assert (answer.text, answer.probability) == ("3.2 Hz, so yes.", pytest.approx(0.55))


def test_every_answer_that_a_fact_can_have_is_scored(trained):
    facts = extract_facts(windows()[0], trained.adapter.spec)
    reading = ask_fact(trained, trained.features(windows()[:1]), "missing", "", facts)
    assert () in reading.shares
    assert sum(reading.shares.values()) == pytest.approx(1.0)
    assert reading.value == max(reading.shares, key=reading.shares.__getitem__)


def test_words_without_an_order_have_no_size():
    assert [INTENSITY.size(word) for word in INTENSITY.words] == [0.0, 1.0, 2.0, 3.0]
    assert {TREND.size(word) for word in TREND.words} == {None}


def test_of_two_alike_the_mean_over_what_could_be_said_decides(trained, monkeypatch):
    say(monkeypatch, {"2 Hz": 0.6, "1 Hz": 0.4}, {"2 Hz": 0.6, "3 Hz": 0.4})
    answer = answer_question(trained, windows()[:2], "which has the higher frequency?")
    assert answer.text == "first: 2 Hz, second: 2 Hz, so the second."


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("which has the higher frequency?", "first: {0}, second: {1}, so the {more}."),
        ("which has the lower frequency?", "first: {0}, second: {1}, so the {less}."),
        ("is the frequency higher in the second?", "first: {0}, second: {1}, so yes."),
        ("is the first frequency higher?", "first: {0}, second: {1}, so no."),
    ],
)
def test_two_windows_are_compared_by_what_is_said_of_each(trained, monkeypatch, question, text):
    say(monkeypatch, {"1.5 Hz": 1.0}, {"2 Hz": 1.0})
    answer = answer_question(trained, windows()[:2], question)
    both = ("1.5 Hz", "2 Hz")
    assert answer.text == text.format(*both, more="second", less="first")


def test_labels_of_two_windows_are_compared_by_their_scores(model):
    one, other = windows()[:1] + windows()[3:4]
    labels = [prediction.label for prediction in classify(model, [one, other])]
    answer = answer_question(model, [one, other], "Is it the same activity in both?")
    verdict = "yes" if labels[0] == labels[1] else "no"
    assert answer.text == f"first: {labels[0]}, second: {labels[1]}, so {verdict}."
    assert answer.source == "scores"


def test_what_no_sensor_tells_is_refused(model):
    answer = answer_question(model, windows()[0], "How old is she?")
    assert answer.text.startswith("These sensors (accelerometer")
    assert answer.text.endswith("cannot tell that.")
    assert (answer.kind, answer.source) == ("unanswerable", "rules")


def test_what_goes_beyond_the_window_is_the_plain_llms_and_marked(model):
    answer = answer_question(model, windows()[0], "What is the capital of Peru?", max_new_tokens=4)
    alone = Conversation(model, max_new_tokens=4, plain=True)
    assert answer.text == alone.ask("What is the capital of Peru?")
    assert answer.said == f"not from the window: {answer.text}"
    assert (answer.kind, answer.source) == ("beyond", "llm")


def test_two_parts_are_answered_one_after_the_other(model):
    answer = answer_question(model, windows()[0], "What is it doing and how old is she?")
    assert answer.kind == "two_part"
    assert answer.text.index("(") < answer.text.index("cannot tell")


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


def test_a_question_that_cannot_be(model):
    with pytest.raises(ConfigError, match="the question"):
        answer_question(model, windows()[0], "<|signal|>")


def test_a_window_of_another_spec(model):
    with pytest.raises(SpecError, match="unknown modality 'gyro'"):
        answer_question(model, Window({"gyro": windows()[0].signals["accel"]}), "What is it?")
