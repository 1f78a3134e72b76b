"""Windows are answered as they come: late ones are skipped and counted, what is missing is said."""

from dataclasses import replace

import numpy as np
import pytest

from sensor2llm.adapter.trust import Trust
from sensor2llm.live import listener as listener_module
from sensor2llm.live.feed import is_other_recording
from sensor2llm.live.likeness import SlidingJudge
from sensor2llm.live.listener import Listener
from sensor2llm.live.totals import ListenTotals
from sensor2llm.signals.likeness.profile import FEWEST_WINDOWS
from sensor2llm.signals.window import Window
from sensor2llm.tasks.classification import classify
from tests.live.sources import Clock, ListFeed
from tests.models import small_model, windows


@pytest.fixture(scope="module")
def model():
    return small_model()


class Answers(list):
    def show(self, answer):
        self.append(answer)

    def tick(self):
        pass


def some(count=6, start_s=0.0):
    return [replace(w, start_s=start_s + 2.0 * i, subject="anna", recording=None)
            for i, w in enumerate(windows(count))]  # fmt: skip


def listen(model, *looks, clock=None, **options):
    listener = Listener(model, ListFeed(*looks), clock=clock or Clock(), **options)
    answers = Answers()
    heard = list(listener.windows(answers))
    return answers, heard, listener.totals


def test_answers_are_those_of_classify(model):
    own = some()
    answers, heard, totals = listen(model, [(w, 0.0) for w in own[:1]], [],
                                    *[[(w, 0.0)] for w in own[1:]])  # fmt: skip
    expected = classify(model, own)
    assert heard == own
    assert [a.row["label"] for a in answers] == [p.label for p in expected]
    for answer, prediction in zip(answers, expected, strict=True):
        row = answer.to_dict()
        assert row["start_s"] == prediction.start_s
        assert row["probability"] == pytest.approx(prediction.probabilities[prediction.label])
        assert {f"p_{n}" for n in model.adapter.label_names} <= row.keys()
    assert (totals.answers, totals.skipped, totals.gaps) == (6, 0, 0)


def test_missing_sensors_are_named_and_told_once(model, caplog):
    caplog.set_level("WARNING")
    own = some(4)
    own = [replace(w, signals=dict(windows(1)[0].signals)) for w in own]
    for window in own[1:3]:
        del window.signals["rr"]
    answers, _, _ = listen(model, *[[(w, 0.0)] for w in own])
    assert [a.missing for a in answers] == [(), ("rr",), ("rr",), ()]
    assert answers[1].to_dict()["missing"] == ["rr"]
    assert caplog.messages == ["2.00 s: rr is missing", "6.00 s: rr is back"]


def slow(monkeypatch, clock, seconds):
    """Let an answer take so many seconds."""
    label = listener_module.label_windows

    def answer(*words):
        clock.now_s += seconds
        return label(*words)

    monkeypatch.setattr(listener_module, "label_windows", answer)


def test_a_slow_model_skips_windows_and_says_so(model, monkeypatch, caplog):
    caplog.set_level("WARNING")
    clock, own = Clock(), some(7)
    clock.now_s = 2.0
    slow(monkeypatch, clock, 5.0)
    looks = [[(own[0], 2.0)], [(own[1], 4.0), (own[2], 6.0)], [(w, 8.0 + 2 * i)
             for i, w in enumerate(own[3:])]]  # fmt: skip
    answers, heard, totals = listen(model, *looks, clock=clock)
    assert [a.window.start_s for a in answers] == [0.0, 4.0, 10.0, 12.0]
    assert heard == own
    assert totals.skipped == 3
    assert [a.skipped for a in answers] == [0, 1, 3, 3]
    assert answers[1].latency_s == pytest.approx(6.0)
    assert caplog.messages[0] == "the model is slower than the signal: windows are skipped"
    assert "4 answers" in totals.counts()
    assert "3 skipped" in totals.counts()


def test_what_came_before_its_time_is_never_skipped(model, monkeypatch):
    clock, own = Clock(), some(6)
    slow(monkeypatch, clock, 1.0)
    answers, _, totals = listen(model, [(w, 100.0 + 2 * i) for i, w in enumerate(own)], clock=clock)
    assert len(answers) == 6
    assert totals.skipped == 0


def test_gaps_are_counted_and_said(model, caplog):
    caplog.set_level("INFO")
    own = some(4)
    own[2:] = [replace(w, start_s=w.start_s + 3.5) for w in own[2:]]
    _, _, totals = listen(model, *[[(w, 0.0)] for w in own])
    assert (totals.gaps, totals.gap_s) == (1, 3.5)
    assert "a gap: 3.50 s without a window before 7.50 s" in caplog.messages


def test_it_ends_when_it_should(model):
    own, clock = some(6), Clock()
    listener = Listener(model, ListFeed(*[[(w, 0.0)] for w in own]), clock=clock)
    for heard, _ in enumerate(listener.windows(Answers()), start=1):
        listener.stop() if heard == 2 else None
    assert heard == 2
    listener = Listener(model, ListFeed(*[[(w, 0.0)] for w in own]), clock=clock, stop_after_s=9)
    heard = []
    for window in listener.windows(Answers()):
        clock.now_s += 3.1
        heard.append(window)
    assert heard == own[:3]


def test_unsure_answers_are_unknown(model, monkeypatch):
    class Calibration:
        temperature = 1.0

        def least_confidence(self, risk):
            return 1.1 if risk == 0.05 else 0.0

    monkeypatch.setattr(model.adapter, "trust", Trust(calibration=Calibration()), raising=False)
    (answer,), _, totals = listen(model, [(some(1)[0], 0.0)], abstain=0.05)
    assert answer.row["label"] == "unknown"
    assert totals.rows()[0]["label"] == "unknown"
    (answer,), _, _ = listen(model, [(some(1)[0], 0.0)], abstain=0.2)
    assert answer.row["label"] in model.adapter.label_names


def minutes(starts, labels, length_s=2.0, skipped=()):
    totals = ListenTotals(length_s)
    for i, (start_s, label) in enumerate(zip(starts, labels, strict=True)):
        window = Window({}, "anna", None, start_s)
        totals.close(window) if i in skipped else totals.add(window, label, 0.1)
    totals.close()
    return {(row.get("day"), row["label"]): row["minutes"] * 60 for row in totals.rows()}


def test_a_window_counts_up_to_the_next_one_at_most_for_its_length():
    assert minutes([0, 2, 4, 10], "aabb") == {(None, "a"): 4.0, (None, "b"): 4.0}
    assert minutes([0, 0.5, 1.0], "aab") == {(None, "a"): 1.0, (None, "b"): 2.0}
    assert minutes([0, 2, 4], "abc", skipped=(1,)) == {(None, "a"): 2.0, (None, "c"): 2.0}


def test_days_are_told_apart_where_times_are_dates():
    day = 86_400.0 * 20_000
    assert minutes([day - 2, day], "aa") == {("2024-10-03", "a"): 2.0, ("2024-10-04", "a"): 2.0}


def test_what_makes_another_recording():
    first = Window({}, "anna", None, 2.0)
    assert is_other_recording(None, first)
    assert is_other_recording(first, replace(first, start_s=1.0))
    assert is_other_recording(first, replace(first, subject="ben"))
    assert not is_other_recording(first, replace(first, start_s=4.0))


class Profile:
    """Note which windows are scored, in place of a profile."""

    def __init__(self):
        self.scored = []

    def scores(self, windows):
        self.scored += [window.start_s for window in windows]
        return np.array([window.start_s for window in windows])


def test_windows_are_judged_together_with_those_before(monkeypatch):
    seen = []

    class Judge:
        def __init__(self, profile):
            pass

        def add(self, some, scores):
            seen.append([w.start_s for w in some])
            assert list(scores) == seen[-1]

        def verdict(self):
            return Verdict()

    class Verdict:
        columns, recordings = ("",), ()

    monkeypatch.setattr("sensor2llm.live.likeness.RecordingJudge", Judge)
    profile, starts_s = Profile(), np.arange(0, 60, 0.5).tolist()
    judge = SlidingJudge(profile, 2.0)
    for start_s in starts_s:
        judge.judge(Window({}, "anna", None, start_s))
    assert profile.scored == starts_s
    assert max(map(len, seen)) == FEWEST_WINDOWS
    assert seen[0] == [0.0]
    assert seen[3] == [0.0, 1.5]
    assert seen[-1][-2:] == [58.0, 59.5]
    judge.judge(Window({}, "ben", None, 100.0))
    assert seen[-1] == [100.0]


def test_an_adapter_that_does_not_say_what_it_learned_from_judges_nothing():
    assert not SlidingJudge(None, 2.0).judge(Window({})).check
