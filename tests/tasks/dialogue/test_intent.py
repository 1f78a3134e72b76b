"""What a typed question wants."""

import pytest

from sensor2llm.signals.questions.wordings import label_words
from sensor2llm.tasks.dialogue.intent import Router
from sensor2llm.tasks.dialogue.wording import plain_words, split_parts

LABELS = ("walking", "walking upstairs", "walking downstairs", "sitting", "standing", "lying")
FACTS = ("intensity", "step_rate", "orientation", "dominant_frequency", "missing")


@pytest.fixture(scope="module")
def router():
    return Router(LABELS, FACTS, {label: label_words(label) for label in LABELS}, ["the age"])


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("what's the fellow doing", "label"),
        ("sitting, or rather standing?", "label"),
        ("is the fellow sitting", "yes_no"),
        ("lying down?", "yes_no"),
        ("step rate please", "fact"),
        ("over 90 steps a minute?", "fact_yes_no"),
        ("is the movement vigorous", "fact_yes_no"),
        ("why do you say that", "why"),
        ("how's his blood pressure", "unanswerable"),
        ("his age, please", "unanswerable"),
        ("what is his pulse", "unanswerable"),
        ("what is the capital of Peru", "beyond"),
        ("is sitting unhealthy", "beyond"),
        ("what is walking", "beyond"),  # a meaning; "is it walking" asks of the window
        ("thanks a lot", "beyond"),
        ("is it walking or sitting", "label"),
        ("why is that its label", "why"),
        ("explain the label", "why"),
        ("how strong is the motion, would you say", "fact"),
        ("is the movement strong", "fact_yes_no"),
        ("hardly any movement, right?", "fact_yes_no"),
        ("on which date was that", "unanswerable"),
        ("when was that measured", "unanswerable"),
        ("how far did he get", "unanswerable"),
        ("hello", "beyond"),
    ],
)
def test_kinds(router, question, kind):
    assert [intent.kind for intent in router.route(question)] == [kind]


@pytest.mark.parametrize(
    ("question", "labels"),
    [
        ("is she walking?", {0}),
        ("is she walking up?", {1}),
        ("climbing the stairs?", {1}),
        ("is she on the stairs", {1, 2}),
        ("is she seated", {3}),
        ("is she siting", {3}),
        ("is she in bed", {5}),
        ("is she stationary", {3, 4, 5}),
        ("is she riding a bike", set()),
    ],
)
def test_labels_by_their_words_by_others_and_misspelt(router, question, labels):
    (intent,) = router.route(question)
    assert (intent.kind, intent.labels) == ("yes_no", labels)


@pytest.mark.parametrize(
    ("question", "negated"),
    [
        ("isn't he sitting?", False),
        ("he isn't sitting, is he?", False),
        ("so he is not sitting, correct?", True),
        ("anything other than sitting?", True),
    ],
)
def test_what_yes_stands_for(router, question, negated):
    (intent,) = router.route(question)
    assert (intent.labels, intent.negated) == ({3}, negated)


@pytest.mark.parametrize(
    ("question", "fact", "yes_no"),
    [
        ("which has the faster steps", "step_rate", False),
        ("is the second one stronger?", "intensity", True),
        ("is it the same activity", "", True),
    ],
)
def test_two_windows_are_compared(router, question, fact, yes_no):
    (intent,) = router.route(question, windows=2)
    assert (intent.kind, intent.fact, intent.yes_no) == ("comparison", fact, yes_no)


def test_a_claim_about_one_of_two_windows_names_it(router):
    (intent,) = router.route("is the first one sitting?", windows=2)
    assert (intent.kind, intent.window) == ("yes_no", 0)


def test_a_question_of_two_parts(router):
    kinds = [intent.kind for intent in router.route("Is he sitting and how old is he?")]
    assert kinds == ["yes_no", "unanswerable"]
    how_many, more = router.route("how many steps a minute and is that more than 90?")
    assert (how_many.kind, more.kind, more.fact) == ("fact", "fact_yes_no", "step_rate")


@pytest.mark.parametrize("text", ["he is up and about", "compare the first and the second"])
def test_an_and_inside_a_question_is_no_cut(text):
    assert split_parts(text) == (text,)


def test_words_are_written_out_and_mended():
    assert plain_words("Isn't he stting??", {"sitting"}) == "is not he sitting"
    assert plain_words("who is he talking to", {"walking"}) == "who is he talking to"


def test_a_known_wording_has_the_kind_that_learning_gives_it(router):
    learned = router._kinds
    of_one = [kind for kind in learned.kinds if not kind.startswith("comparison")]
    for kind, text in router._wordings[::7]:
        cues = router._cues(text)
        assert router._kind(text, 2) == kind == learned.likeliest(router._generic(text), cues)
        one = learned.likeliest(router._generic(text), cues, of_one)
        assert router._kind(text, 1) == one
        assert one == kind or kind.startswith("comparison")


def test_a_known_wording_is_answered_before_anything_is_learned(monkeypatch):
    def learn(wordings):
        raise AssertionError

    monkeypatch.setattr("sensor2llm.tasks.dialogue.intent.WordingKinds", learn)
    router = Router(LABELS, FACTS)
    (wanted,) = router.route("What is the wearer doing?")
    assert wanted.kind == "label"
    with pytest.raises(AssertionError):
        router.route("sitting, or rather standing?")
