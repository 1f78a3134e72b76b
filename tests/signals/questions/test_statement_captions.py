"""Captions: true of their window, read back in full, and nonsense is counted."""

import numpy as np
import pytest

from sensor2llm.signals.questions.captions import MOST, SAYINGS, caption, describe
from sensor2llm.signals.questions.claims import (
    ClaimTally,
    Statement,
    judge,
    judged,
    statements_of,
)
from sensor2llm.signals.questions.template import Question
from sensor2llm.signals.spec import Channel, Modality, SignalSpec


def _spec(*names):
    return SignalSpec(
        modalities=tuple(
            Modality(name=n, channels=(Channel(name="v", unit=""),), steps=1, axis="none")
            for n in names
        )
    )


SPEC = _spec("wrist_acc", "ankle_acc", "heart_rate", "ibi", "wrist_eda")


def test_every_caption_is_read_back_in_full_and_is_true_of_its_window(every_fact):
    rng = np.random.default_rng(0)
    total = ClaimTally()
    for _, told in every_fact:
        for _ in range(5):
            tally = judge(describe(told, rng), told)
            assert tally.total >= 1
            total += tally
    assert total == ClaimTally(true=total.total)
    assert total.total > 1000


def test_captions_of_real_windows_are_true_of_them_and_less_of_others(real):
    spec, told = real
    rng = np.random.default_rng(0)
    texts = [describe(facts, rng) for facts in told]
    own = sum((judge(text, facts) for text, facts in zip(texts, told, strict=True)), ClaimTally())
    assert own.true_share == 1.0
    swapped = [told[i] for i in rng.permutation(len(told))]
    other = sum((judge(t, facts) for t, facts in zip(texts, swapped, strict=True)), ClaimTally())
    assert other.unparsed == 0
    assert other.true_share < 0.6
    for text, facts in zip(texts, told, strict=True):
        assert judged(statements_of(text, spec), facts) == judge(text, facts)


def test_all_sayings_are_used_and_captions_are_short(every_fact):
    rng = np.random.default_rng(0)
    used = set()
    for scenario, told in every_fact:
        spec_names = [name for name in told if "." in name]
        text = describe(told, rng)
        found = [s for s in _read(text, told) if s.asked.template != "is_missing"]
        used |= {s.asked.template for s in found}
        assert len(found) <= MOST, (scenario, spec_names)
        assert text[0] == text[0].upper()
        assert text.endswith(".")
    assert used >= set(SAYINGS)


def _read(text, told):
    from sensor2llm.signals.questions.naming import sensors_told

    return statements_of(text, _spec(*sensors_told(told)))


def test_the_same_seed_says_the_same(simulations):
    spec, windows, _ = simulations["activity"]
    first, same, other = (
        caption(windows[3], spec, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert first == same
    assert first != other


BRIEF = (
    "Moderate movement at the wrist accelerometer with about 1.9 steps a second; "
    "the heart rate is about 72 bpm and rising. The wrist skin conductance is missing."
)


def test_clauses_become_statements_about_their_sensor(told):
    found = statements_of(BRIEF, SPEC)
    assert [(s.asked, s.value) for s in found] == [
        (Question("intensity", "wrist_acc"), "moderate"),
        (Question("step_rate", "wrist_acc"), 1.9),
        (Question("heart_rate", "heart_rate"), 72.0),
        (Question("trend", "heart_rate"), "rising"),
        (Question("is_missing", "wrist_eda"), True),
    ]
    assert judge(BRIEF, told()) == ClaimTally(true=5)


@pytest.mark.parametrize(
    ("clause", "asked", "value"),
    [
        ("there is hardly any movement at the wrist accelerometer", "intensity", "still"),
        ("the wrist accelerometer shows vigorous movement", "intensity", "vigorous"),
        ("1.9 steps a second at the wrist accelerometer", "step_rate", 1.9),
        ("no regular steps at the wrist accelerometer", "step_rate", 0.0),
        ("a main frequency of 3.9 Hz in the wrist accelerometer", "dominant_frequency", 3.9),
        ("a rhythm of about 4 Hz in the wrist acc", "dominant_frequency", 4.0),
        ("gravity along -y at the wrist accelerometer", "orientation", "-y"),
        ("the wrist accelerometer shows a steady trend", "trend", "steady"),
        ("the wrist accelerometer is falling", "trend", "falling"),
        ("a pulse of 66 bpm in the wrist accelerometer", "heart_rate", 66.0),
        ("the wrist accelerometer shows an RMSSD of about 45 ms", "rmssd", 45.0),
        ("beats that differ by 8 % in the wrist accelerometer", "irregularity", 8.0),
    ],
)
def test_each_saying_is_read(clause, asked, value):
    for text in (clause, f"{clause.upper()}.", f" {clause} ;"):
        [statement] = statements_of(text, SPEC)
        assert (statement.asked, statement.value) == (Question(asked, "wrist_acc"), value)


@pytest.mark.parametrize(
    ("text", "unparsed", "read"),
    [
        ("The person is happy.", 1, 0),
        ("Moderate movement.", 1, 0),
        ("Moderate movement at the knee.", 1, 0),
        ("Moderate moderate movement at the wrist accelerometer.", 1, 0),
        ("No moderate movement at the wrist accelerometer.", 1, 0),
        ("About 72 at the heart rate.", 1, 0),
        ("The wrist accelerometer is walking and the heart rate is about 72 bpm.", 1, 1),
        ("Light movement at the wrist accelerometer with joy and about 2 steps a second.", 1, 2),
        ("Light movement at the wrist accelerometer, and 1.9 blah; the knee is missing.", 2, 1),
        ("", 0, 0),
        (" ; . ", 0, 0),
    ],
)
def test_what_is_not_in_the_grammar_is_counted(text, unparsed, read):
    found = statements_of(text, SPEC)
    assert sum(s.asked is None for s in found) == unparsed
    assert sum(s.asked is not None for s in found) == read


def test_an_unparsed_part_is_shown_in_words():
    found = statements_of("The wrist accelerometer hums with about 2 steps a second.", SPEC)
    assert found == [
        Statement("the wrist accelerometer hums"),
        Statement("about 2 steps a second", Question("step_rate", "wrist_acc"), 2.0),
    ]


def test_statements_are_judged_one_by_one(told):
    text = (
        "Light movement at the wrist accelerometer with about 2 steps a second and a song; "
        "about 2 steps a second at the beat series; nothing is missing."
    )
    assert judge(text, told()) == ClaimTally(true=1, false=3, unparsed=1)
    assert judge(text, told()).true_share == pytest.approx(1 / 5)
    assert judge("", told()).true_share == 0.0


def test_a_repeated_claim_counts_once_and_a_contradiction_twice(told):
    clause = "Moderate movement at the wrist accelerometer. "
    assert judge(3 * clause, told()) == ClaimTally(true=1)
    both = clause + clause.replace("Moderate", "Light")
    assert judge(both, told()) == ClaimTally(true=1, false=1)


def test_each_missing_sensor_is_a_statement_of_its_own(told):
    text = "The wrist skin conductance, the beat series and the heart rate are missing."
    assert judge(text, told()) == ClaimTally(true=1, false=2)
    assert judge("The wrist eda was not recorded.", told()) == ClaimTally(true=1)
    assert judge("Nothing is missing.", told(missing=())) == ClaimTally(true=1)


def test_a_sensor_named_with_a_joining_word_stays_whole():
    spec = _spec("hand_and_arm", "leg_with_shoe")
    text = "Light movement at the hand and arm with no regular steps; the leg with shoe is steady."
    assert [s.asked for s in statements_of(text, spec)] == [
        Question("intensity", "hand_and_arm"),
        Question("step_rate", "hand_and_arm"),
        Question("trend", "leg_with_shoe"),
    ]


def test_a_window_of_which_nothing_can_be_said_is_told_by_what_is_missing(simulations):
    spec, windows, told = simulations["daily"]
    rng = np.random.default_rng(0)
    for window, facts in zip(windows, told, strict=True):
        assert caption(window, spec, rng).endswith(("missing.", "recorded."))
        assert judge(describe(facts, rng), facts).true_share == 1.0
