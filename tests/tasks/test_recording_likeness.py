"""Recordings of 20 windows are judged as one, shorter ones window by window."""

from dataclasses import replace

import pytest

from sensor2llm.signals.likeness.evidence import DeviationEvidence
from sensor2llm.tasks.likeness import RecordingJudge, describe_unlike, score_windows
from tests.signals.likeness.profiles import fresh, toy_profile, turned


def recording(windows, name):
    return [replace(window, subject="somebody", recording=name) for window in windows]


def judged(windows):
    judge = RecordingJudge(toy_profile())
    assert list(judge.watch(windows)) == windows
    return judge.verdict()


def test_a_recording_is_flagged_as_a_whole_and_others_are_not():
    verdict = judged([*recording(turned(fresh(1, 40)), "a"), *recording(fresh(1, 40), "b")])
    assert set(verdict.columns[:40]) == {"gravity of watch_accel"}
    assert set(verdict.columns[40:]) == {""}
    assert [(one.windows, one.unlike, one.whole) for one in verdict.recordings] == [
        (40, 40, True), (40, 0, True)]  # fmt: skip
    (line,) = verdict.lines("walk.csv")
    assert line.startswith(
        "walk.csv: 1 of 2 recordings are unlike what the adapter learned from: gravity lies along "
        "x; in training it lay along y: turn the device or map the axes"
    )
    assert verdict.to_dict()["recordings"][0]["judged_as_one"]


def test_windows_of_recordings_that_take_turns_are_told_apart():
    pairs = zip(recording(turned(fresh(1, 24)), "a"), recording(fresh(1, 24), "b"), strict=True)
    verdict = judged([window for pair in pairs for window in pair])
    assert [bool(check) for check in verdict.columns] == [True, False] * 24


def test_a_short_recording_is_judged_by_the_window_which_is_weaker():
    verdict = judged(recording([*turned(fresh(1, 2)), *fresh(1, 3)], "a"))
    assert [bool(check) for check in verdict.columns] == [True, True, False, False, False]
    (line,) = verdict.lines("walk.csv")
    assert line.startswith(
        "walk.csv: 2 of 5 windows are unlike what the adapter learned from (judged one by one, "
        "fewer than 20 a recording, which is weaker): gravity lies along x"
    )


def test_a_single_recording_is_called_by_the_files_name():
    (line,) = judged(recording(turned(fresh(1, 30)), None)).lines("walk.csv")
    assert line.startswith("walk.csv is unlike what the adapter learned from: gravity")
    assert len(line) <= 300


def test_what_is_alike_is_not_said():
    assert judged(recording(fresh(1, 30), "a")).lines("walk.csv") == []


def test_windows_judged_each_by_itself_say_what_their_own_judge_does():
    windows, profile = [*fresh(1, 3), *turned(fresh(1, 3))], toy_profile()
    scores = score_windows(profile, windows)
    lines = [describe_unlike(profile, *row) for row in zip(windows, scores, strict=True)]
    assert lines == ["; ".join(judged([window]).lines("the window")) for window in windows]
    assert [line[:18] for line in lines] == ["", "", "", *["the window: 1 of 1"] * 3]
    assert score_windows(None, windows) == [0.0] * 6


def test_scores_that_are_there_already_are_not_computed_again():
    windows, profile = recording(turned(fresh(1, 24)), "a"), toy_profile()
    judge = RecordingJudge(profile)
    judge.add(windows, score_windows(profile, windows))
    assert judge.verdict() == judged(windows)


@pytest.mark.parametrize("count", [19, 20, 21, 41, 150])
def test_of_every_length_a_recording_is_judged_by_all_its_windows(count):
    profile = toy_profile()
    for windows, unlike in ((fresh(1, count), 0), (turned(fresh(1, count)), count)):
        judge, evidence = RecordingJudge(profile), DeviationEvidence(profile)
        list(judge.watch(recording(windows, "a")))
        evidence.add(windows)
        expected = tuple(evidence.checks()) if unlike else ()
        for verdict in (judge.verdict(), judge.verdict()):
            (one,) = verdict.recordings
            assert (one.windows, one.unlike, one.checks) == (count, unlike, expected)


@pytest.mark.parametrize("count", [5, 30])
def test_sensors_that_never_were_together_are_not_judged(count):
    profile = replace(toy_profile(), thresholds={})
    judge = RecordingJudge(profile)
    list(judge.watch(recording(turned(fresh(1, count)), "a")))
    verdict = judge.verdict()
    assert set(verdict.columns) == {""}
    assert verdict.lines("walk.csv") == [
        f"walk.csv: {count} windows have sensors that never were there together in training; "
        "whether they are like it is not known"
    ]


def test_an_adapter_that_does_not_say_what_it_learned_from_judges_nothing():
    judge = RecordingJudge(None)
    list(judge.watch(fresh(1, 3)))
    assert judge.verdict().columns == []
