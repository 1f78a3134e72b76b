"""Templates: each has its truth, its tolerance and its wordings."""

import numpy as np
import pytest

from sensor2llm.errors import ConfigError
from sensor2llm.signals.facts.facts import STILL_G, extract_facts
from sensor2llm.signals.questions import templates
from sensor2llm.signals.questions.naming import (
    listed,
    mark_sensors,
    sensors_told,
    spoken_names,
)
from sensor2llm.signals.questions.questions import worded
from sensor2llm.signals.questions.template import Question
from sensor2llm.signals.questions.templates import CLASSIC, TEMPLATES, template_named
from sensor2llm.signals.questions.wordings import first_wordings
from sensor2llm.signals.questions.yes_no import YesNo
from sensor2llm.signals.spec import Channel, Modality, SignalSpec
from sensor2llm.signals.window import Window

TRUTH = [
    (Question("intensity", "wrist_acc"), "moderate"),
    (Question("step_rate", "wrist_acc"), "1.9 steps a second"),
    (Question("step_rate", "ankle_acc"), "no regular steps"),
    (Question("heart_rate", "heart_rate"), "72 bpm"),
    (Question("trend", "heart_rate"), "rising"),
    (Question("dominant_frequency", "wrist_acc"), "3.8 Hz"),
    (Question("orientation", "wrist_acc"), "-y"),
    (Question("rmssd", "ibi"), "45 ms"),
    (Question("irregularity", "ibi"), "8 %"),
    (Question("intensity_is", "wrist_acc", "moderate"), "yes"),
    (Question("intensity_is", "wrist_acc", "still"), "no"),
    (Question("trend_is", "heart_rate", "falling"), "no"),
    (Question("has_steps", "wrist_acc"), "yes"),
    (Question("has_steps", "ankle_acc"), "no"),
    (Question("stronger_movement", "wrist_acc", "ankle_acc"), "yes"),
    (Question("stronger_movement", "ankle_acc", "wrist_acc"), "no"),
    (Question("heart_rate_above", "heart_rate", 60.0), "yes"),
    (Question("heart_rate_above", "heart_rate", 80.0), "no"),
    (Question("step_rate_above", "wrist_acc", 1.5), "yes"),
    (Question("step_rate_above", "ankle_acc", 1.25), "no"),
    (Question("dominant_frequency_above", "wrist_acc", 6.0), "no"),
    (Question("rmssd_above", "ibi", 40.0), "yes"),
    (Question("irregularity_above", "ibi", 10.0), "no"),
    (Question("which_missing"), "the wrist skin conductance is missing"),
    (Question("is_missing", "wrist_eda"), "yes"),
    (Question("is_missing", "ibi"), "no"),
]


def _written(asked, told):
    template = TEMPLATES[asked.template]
    value = template.truth(asked, told)
    return None if value is None else template.write(value, spoken_names(sensors_told(told)))


@pytest.mark.parametrize(("asked", "answer"), TRUTH, ids=lambda a: getattr(a, "key", a))
def test_the_true_answer_is_written_from_the_facts_and_accepted(asked, answer, told):
    assert _written(asked, told()) == answer
    template = TEMPLATES[asked.template]
    value = template.parse(answer, sensors_told(told()))
    assert template.accepts(value, asked, told())


def test_every_template_is_in_the_table_of_truths():
    assert {asked.template for asked, _ in TRUTH} == set(CLASSIC)


def test_the_documented_table_is_the_one_of_the_code():
    rows = "\n".join(f"| {t.name} | {t.grid} | {t.tolerance} |" for t in TEMPLATES.values())
    assert f"| template | answer and grid | tolerance |\n|---|---|---|\n{rows}\n\n" in (
        templates.__doc__ + "\n\n"
    )


@pytest.mark.parametrize("name", CLASSIC)
def test_the_first_wordings_differ_and_name_all_that_the_key_names(name):
    named = first_wordings(name, "wrist accelerometer")
    for wordings in (named, first_wordings(name, "heart rate")):
        assert len(set(wordings)) == len(wordings) == 4
        assert all(("<than>" in wording) == TEMPLATES[name].compares for wording in wordings)
        silent = wordings != named or name == "which_missing"
        assert all(("<sensor>" in wording) != silent for wording in wordings)


@pytest.mark.parametrize("template", [TEMPLATES[name] for name in CLASSIC], ids=lambda t: t.name)
def test_what_a_template_draws_has_a_true_answer_that_rests_on_its_facts(template, every_fact):
    rng = np.random.default_rng(0)
    drawn = 0
    for _, told in every_fact:
        for asked in template.draw(told, rng):
            drawn += 1
            value = template.truth(asked, told)
            assert template.accepts(value, asked, told)
            assert all(key in told for key in template.keys(asked))
            alone = {key: told[key] for key in (*template.keys(asked), "missing")}
            assert template.truth(asked, alone) == value
    assert drawn


def test_a_missing_sensor_has_no_true_answer(told):
    for asked, _ in TRUTH:
        if asked.modality and asked.template != "is_missing":
            silent = Question(asked.template, "wrist_eda", asked.than)
            template = TEMPLATES[asked.template]
            assert template.truth(silent, told()) is None
            assert not template.accepts(True, silent, told())


@pytest.mark.parametrize(
    ("template", "modality", "clear", "unclear", "far"),
    [
        ("heart_rate_above", "heart_rate", 80.0, 76.0, 66.0),
        ("step_rate_above", "wrist_acc", 2.25, 2.1, 1.74),
        ("dominant_frequency_above", "wrist_acc", 4.5, 4.2, 3.4),
        ("rmssd_above", "ibi", 56.0, 55.0, 36.0),
        ("irregularity_above", "ibi", 10.4, 10.2, 6.2),
    ],
)
def test_either_answer_passes_where_the_limit_is_within_the_tolerance(
    template, modality, clear, unclear, far, told
):
    def passing(limit):
        asked = Question(template, modality, limit)
        return [v for v in (True, False) if TEMPLATES[template].accepts(v, asked, told())]

    assert passing(clear) == [False]
    assert passing(unclear) == [True, False]
    assert passing(far) == [True]


def test_limits_lie_on_both_sides_of_the_value_equally_often_and_clear_of_it(every_fact):
    for name in (name for name in CLASSIC if name.endswith("_above")):
        template = TEMPLATES[name]
        assert isinstance(template, YesNo)
        rng = np.random.default_rng(0)
        drawn = [(a, t) for _ in range(8) for _, t in every_fact for a in template.draw(t, rng)]
        truths = [template.truth(asked, told) for asked, told in drawn]
        assert 0.4 < np.mean(truths) < 0.6
        assert all(template.claim.holds(asked, told).clear for asked, told in drawn)


def test_a_number_without_a_limit_on_either_side_is_not_compared(told):
    rng = np.random.default_rng(0)
    template = TEMPLATES["heart_rate_above"]
    facts_of = told(heart_rate__heart_rate=210.0, ibi__heart_rate=42.0)
    assert template.draw(facts_of, rng) == []


def test_the_true_word_is_asked_for_half_of_the_time_and_near_words_never(told):
    near = told(wrist_acc__intensity={"near": ("light",)})
    rng = np.random.default_rng(0)
    asked = [TEMPLATES["intensity_is"].draw(near, rng)[0].than for _ in range(400)]
    assert set(asked) == {"moderate", "still", "vigorous"}
    assert 0.43 < np.mean([word == "moderate" for word in asked]) < 0.57


def test_a_near_word_leaves_both_answers_true(told):
    near = told(wrist_acc__intensity={"near": ("light",)})
    for word, passing in (("moderate", 2), ("light", 2), ("still", 1), ("vigorous", 1)):
        asked = Question("intensity_is", "wrist_acc", word)
        accepts = TEMPLATES["intensity_is"].accepts
        assert sum(accepts(value, asked, near) for value in (True, False)) == passing


def test_two_sensors_that_move_about_as_much_are_not_compared(told):
    rng = np.random.default_rng(0)
    template = TEMPLATES["stronger_movement"]
    even = told(ankle_acc__intensity={"number": 0.185})
    assert template.draw(even, rng) == []
    asked = Question("stronger_movement", "wrist_acc", "ankle_acc")
    assert template.accepts(True, asked, even)
    assert template.accepts(False, asked, even)
    orders = {template.draw(told(), rng)[0].key for _ in range(20)}
    assert len(orders) == 2


def test_a_missing_sensor_is_asked_for_half_of_the_time(told):
    rng = np.random.default_rng(0)
    facts_of = told()
    asked = [TEMPLATES["is_missing"].draw(facts_of, rng)[0].modality for _ in range(2000)]
    assert 0.46 < np.mean([name == "wrist_eda" for name in asked]) < 0.54
    assert set(asked) == set(sensors_told(facts_of))
    assert TEMPLATES["is_missing"].truth(Question("is_missing", "ibi"), told(missing=())) is False


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ("The wrist skin conductance is missing.", ("wrist_eda",)),
        ("wrist skin conductance", ("wrist_eda",)),
        ("wrist eda", ("wrist_eda",)),
        ("the heart rate was not recorded", ("heart_rate",)),
        ("The beat series and the heart rate are missing", ("ibi", "heart_rate")),
        (
            "the wrist accelerometer, heart rate, and the beat series",
            ("wrist_acc", "heart_rate", "ibi"),
        ),
        ("Nothing is missing.", ()),
        ("nothing", ()),
        ("No sensor is missing", ()),
        ("the knee gyroscope is missing", None),
        ("the heart rate is fine", None),
        ("moderate", None),
    ],
)
def test_missing_sensors_are_read_in_several_wordings(said, names, told):
    assert TEMPLATES["which_missing"].parse(said, sensors_told(told())) == names


def test_exactly_the_missing_sensors_are_the_truth(told):
    asked, template = Question("which_missing"), TEMPLATES["which_missing"]
    two = told(missing=("wrist_eda", "ecg"))
    assert _written(asked, two) == "the wrist skin conductance and the ECG are missing"
    assert template.accepts(("ecg", "wrist_eda"), asked, two)
    assert not template.accepts(("ecg",), asked, two)
    assert not template.accepts((), asked, two)
    assert _written(asked, told(missing=())) == "nothing is missing"


def test_names_are_written_out_unless_two_would_read_the_same():
    spoken = spoken_names(("wrist_acc", "EEG_C3-M2", "knee"))
    assert list(spoken.values()) == ["wrist accelerometer", "EEG C3-M2", "knee"]
    same = spoken_names(("wrist_acc", "wrist_accel", "hr"))
    assert list(same.values()) == ["wrist acc", "wrist accel", "heart rate"]
    assert listed(("knee",), spoken) == "the knee"
    assert listed(("knee", "EEG_C3-M2"), spoken) == "the knee and the EEG C3-M2"


def test_the_longest_sensor_is_marked_and_parts_of_words_are_not():
    names = ("acc", "acc_left", "heart_rate")
    text = "the accelerometer left and the heart rates of the acc"
    assert mark_sensors(text, names) == ("<0> and the heart rates of <1>", ("acc_left", "acc"))


def test_a_limit_and_a_sensor_stand_in_the_question():
    spoken = spoken_names(("wrist_acc", "ankle_acc"))
    above = Question("step_rate_above", "wrist_acc", 1.5)
    assert worded(above, "<sensor> > <than>?", spoken) == "wrist accelerometer > 1.5?"
    more = Question("stronger_movement", "wrist_acc", "ankle_acc")
    assert (
        worded(more, "<sensor> > <than>?", spoken) == "wrist accelerometer > ankle accelerometer?"
    )
    assert (above.key, more.key) == (
        "step_rate_above.wrist_acc.1.5",
        "stronger_movement.wrist_acc.ankle_acc",
    )


def test_an_unknown_template_names_the_known_ones():
    with pytest.raises(
        ConfigError, match="unknown question template 'mood'; choose from intensity"
    ):
        template_named("mood")


@pytest.mark.parametrize(("times", "near"), [(1.05, ("still",)), (0.95, ("light",)), (1.2, ())])
def test_words_are_near_within_ten_percent_of_a_bound_of_the_signal(times, near):
    channels = tuple(Channel(name=axis, unit="g") for axis in "xyz")
    spec = SignalSpec(
        modalities=(Modality(name="acc", channels=channels, steps=128, rate_hz=50.0),)
    )
    values = np.zeros((3, 128))
    values[2] = 1 + STILL_G * times * np.tile([1, -1], 64)
    found = extract_facts(Window(signals={"acc": values}), spec)["acc.intensity"]
    assert found.near == near
    assert found.number == pytest.approx(STILL_G * times, rel=1e-3)
