"""What an adapter says of typed numbers, beside the same LLM on the digits."""

import pytest

from sensor2llm.classify import main
from sensor2llm.errors import DataError
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.tasks.classification import Prediction, classify
from sensor2llm.tasks.typed.adapter_choice import choose_adapter
from sensor2llm.tasks.typed.typed_answer import answer_typed, choices_of
from sensor2llm.tasks.typed.typed_numbers import read_numbers
from tests.models import LABELS, small_adapter, small_model, tiny_llm
from tests.tasks.typed.test_typed_numbers import BEATS, DAY, SUMMARY

TEXT = "accelerometer in g: " + "; ".join(f"0.{i % 9}, 1.0, 0.1" for i in range(16))


@pytest.fixture(scope="module")
def model():
    return small_model()


def test_the_label_is_what_classify_says_of_the_window(model):
    answer = answer_typed(model, read_numbers(TEXT))
    (expected,) = classify(model, [answer.window])
    assert answer.prediction.probabilities == pytest.approx(expected.probabilities)
    assert answer.text.startswith(expected.label)
    assert set(answer.digits) == set(LABELS)
    assert answer.lines()[0].startswith("read 16 rows of 3 numbers in g; taken to be at 8 Hz")


@pytest.mark.parametrize(
    ("spec", "text", "read"),
    [
        (BEATS, "RR in ms: " + "812 790 " * 30 + "walk or rest?", "read 60 numbers in ms"),
        (DAY, SUMMARY, "read 5 values of a summary"),
    ],
)
def test_beats_and_days_are_heard_by_adapters_of_theirs(spec, text, read):
    llm = tiny_llm()
    model = SensorLanguageModel(small_adapter(llm, spec=spec), llm).eval()
    answer = answer_typed(model, read_numbers(text))
    assert answer.lines()[0] == read
    assert set(answer.window.signals) == set(spec.names)
    assert answer.prediction.label in LABELS


def test_words_to_choose_from_share_the_scores_of_their_labels():
    prediction = Prediction("jogging", {"walking": 0.1, "jogging": 0.3, "sitting": 0.6}, 0.0)
    assert choices_of(("walking", "running"), prediction) == pytest.approx(
        {"walking": 0.25, "running": 0.75}
    )
    assert choices_of(("walking", "flying"), prediction) == {}


def test_digits_that_are_longer_than_the_context_are_said_to_be(model):
    answer = answer_typed(model, read_numbers(TEXT + "; 0.1, 0.2, 0.3" * 400))
    assert answer.digits is None
    assert answer.lines()[2].endswith("its context does not hold them")


@pytest.mark.parametrize(
    ("words", "adapter"),
    [
        ("walking or running", "any-motion"),
        ("walking upstairs or lying", "any-motion"),
        ("walking upstairs or walking downstairs", "uci-har"),  # one label to any-motion
        ("kicking or typing", "wisdm-watch"),
    ],
)
def test_the_adapter_is_the_one_that_knows_the_words(words, adapter):
    typed = read_numbers("accelerometer in g: " + "(0.1, 1.0, 0.2) " * 60 + f"{words}?")
    assert choose_adapter(typed).startswith(adapter)


def test_numbers_that_nobody_hears():
    with pytest.raises(DataError, match="read 61 numbers, which none of the released adapters"):
        choose_adapter(read_numbers("volts: " + "5.3 " * 61))


def test_the_verb_says_what_is_wrong(capsys):
    assert main(["--text", "is he walking?"]) == 2
    assert "the text holds no recording: type 8 numbers or more" in capsys.readouterr().err
    assert main(["uci-har-bundled"]) == 2
    assert "missing adapter or file" in capsys.readouterr().err
