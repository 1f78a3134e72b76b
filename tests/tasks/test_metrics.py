"""Metrics restate scikit-learn; the bootstrap draws people."""

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, f1_score

from sensor2llm.errors import DataError
from sensor2llm.tasks.metrics import (
    Predictions,
    bootstrap_interval,
    brier,
    calibration_error,
    confusion_text,
    measure,
    paired_difference,
    reliability,
    score_confusion,
    subject_confusions,
)

LABELS = ("SITTING", "WALKING", "WALKING_UPSTAIRS")


def predictions(seed=0, windows=300, subjects=6, skill=0.7, probabilities=False):
    rng = np.random.default_rng(seed)
    true = rng.integers(3, size=windows)
    predicted = np.where(rng.random(windows) < skill, true, rng.integers(3, size=windows))
    who = np.array([f"person {i}" for i in rng.integers(subjects, size=windows)])
    table = rng.dirichlet(np.ones(3), size=windows) if probabilities else None
    return Predictions(
        labels=LABELS,
        true=true,
        predicted=predicted if table is None else table.argmax(1),
        subjects=who,
        probabilities=table,
    )


def test_scores_equal_scikit_learn():
    p = predictions()
    m = measure(p)
    assert m.macro_f1 == pytest.approx(f1_score(p.true, p.predicted, average="macro"))
    assert m.balanced_accuracy == pytest.approx(balanced_accuracy_score(p.true, p.predicted))
    assert m.accuracy == pytest.approx(np.mean(p.true == p.predicted))
    assert np.array_equal(np.array(m.confusion)[:, :3], confusion_matrix(p.true, p.predicted))


@pytest.mark.parametrize("score", ["macro_f1", "balanced_accuracy", "accuracy"])
def test_scores_of_a_confusion_matrix_equal_scores_of_the_labels(score):
    p = predictions(seed=3)
    pooled = subject_confusions(p).sum(0)
    assert score_confusion(pooled, score) == pytest.approx(getattr(measure(p), score))


def test_macro_f1_counts_labels_that_occur_as_truth_or_as_prediction():
    p = Predictions(
        labels=LABELS,
        true=np.array([0, 0, 0]),
        predicted=np.array([0, 0, 1]),
        subjects=np.array(["a", "b", "b"]),
    )
    m = measure(p)
    assert m.macro_f1 == pytest.approx((0.8 + 0.0) / 2)
    assert m.balanced_accuracy == pytest.approx(2 / 3)
    assert set(m.f1_by_label) == {"SITTING", "WALKING"}


def test_a_label_that_is_only_predicted_counts_the_first_one_too():
    p = said(true=[1, 1], predicted=[0, 1])
    assert measure(p).macro_f1 == pytest.approx((0 + 2 / 3) / 2)


def said(true, predicted, subjects=None, **more):
    people = np.array(list(subjects or "abcdefgh"[: len(true)]))
    return Predictions(
        labels=LABELS, true=np.array(true), predicted=np.array(predicted), subjects=people, **more
    )


def test_labels_that_are_nowhere_do_not_count_in_any_score():
    one_each = np.array([[2, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]])
    assert score_confusion(one_each, "macro_f1") == pytest.approx((0.8 + 2 / 3) / 2)
    assert score_confusion(one_each, "balanced_accuracy") == pytest.approx((2 / 3 + 1) / 2)
    assert score_confusion(one_each, "accuracy") == pytest.approx(0.75)
    p = said(true=[0, 0, 0, 2], predicted=[0, 0, 1, 2], subjects="aaab")
    assert measure(p).f1_by_subject == pytest.approx({"a": (0.8 + 0) / 2, "b": 1.0})
    drawn = bootstrap_interval(said(true=[0, 2], predicted=[0, 2]))
    assert drawn == (1.0, 1.0)


@pytest.mark.parametrize("score", ["macro_f1", "balanced_accuracy", "accuracy"])
def test_a_single_window_and_none_at_all_have_a_score(score):
    assert score_confusion(np.array([[1, 0]]), score) == 1.0
    assert score_confusion(np.array([[0, 0]]), score) == 0.0


def test_an_unread_answer_is_wrong_and_has_its_own_column():
    p = Predictions(
        labels=LABELS,
        true=np.array([0, 1, 2, 2]),
        predicted=np.array([0, 1, 2, -1]),
        subjects=np.array(list("abab")),
    )
    m = measure(p)
    assert m.unparsed_rate == 0.25
    assert m.accuracy == 0.75
    assert m.macro_f1 == pytest.approx((1 + 1 + 2 / 3) / 3)
    assert m.confusion[2] == [0, 0, 1, 1]
    assert "[?]" in confusion_text(m.confusion, LABELS).splitlines()[1]


def test_interval_equals_a_plain_loop_over_resampled_subjects():
    p = predictions(windows=80, subjects=4)
    low, high = bootstrap_interval(p, "accuracy", draws=4000, seed=1)
    rng = np.random.default_rng(2)
    people = np.unique(p.subjects)
    right = {who: p.true[p.subjects == who] == p.predicted[p.subjects == who] for who in people}
    loop = [
        np.concatenate([right[who] for who in rng.choice(people, len(people))]).mean()
        for _ in range(4000)
    ]
    assert (low, high) == pytest.approx(tuple(np.quantile(loop, [0.025, 0.975])), abs=0.01)


def test_as_many_people_are_drawn_as_there_are():
    p = said(true=[0, 0], predicted=[0, 1])
    # Of two, one right and one wrong: both alike in a quarter of the draws each, half otherwise.
    assert bootstrap_interval(p, "accuracy", level=0.4) == (0.5, 0.5)
    assert bootstrap_interval(p, "accuracy", level=0.6) == (0.0, 1.0)


def test_intervals_are_of_2000_draws_from_seed_0():
    first = predictions(windows=2000, subjects=40)
    other = predictions(windows=2000, subjects=40, skill=0.6)
    second = said(first.true, other.predicted, first.subjects.tolist())
    plain = bootstrap_interval(first, draws=2000, seed=0, level=0.95)
    assert bootstrap_interval(first) == measure(first).interval == plain
    assert paired_difference(first, second) == paired_difference(
        first, second, draws=2000, seed=0, level=0.95
    )


def test_interval_is_deterministic_and_holds_the_score():
    p = predictions()
    m = measure(p, seed=5)
    assert m.interval == bootstrap_interval(p, seed=5)
    assert m.interval != bootstrap_interval(p, seed=6)
    assert m.interval[0] < m.macro_f1 < m.interval[1]


def test_one_subject_has_no_interval():
    assert measure(predictions(subjects=1)).interval is None


def test_paired_difference_is_narrower_than_two_intervals():
    first, second = predictions(skill=0.8), predictions(skill=0.8)
    changed = second.predicted.copy()
    changed[:9] = (changed[:9] + 1) % 3
    worse = Predictions(
        labels=LABELS, true=second.true, predicted=changed, subjects=second.subjects
    )
    difference, (low, high) = paired_difference(first, worse)
    whole = bootstrap_interval(first)
    assert difference == pytest.approx(measure(first).macro_f1 - measure(worse).macro_f1)
    assert high - low < whole[1] - whole[0]
    assert paired_difference(first, first) == (0.0, (0.0, 0.0))


def test_a_paired_interval_is_of_the_difference():
    right = said(true=[0, 1, 2], predicted=[0, 1, 2])
    wrong = said(true=[0, 1, 2], predicted=[1, 2, 0])
    assert paired_difference(right, wrong, "accuracy") == (1.0, (1.0, 1.0))
    assert paired_difference(wrong, right, "accuracy") == (-1.0, (-1.0, -1.0))
    alone = said(true=[0, 1], predicted=[0, 0], subjects="aa")
    assert paired_difference(alone, alone) == (0.0, None)


FIRST = said(true=[0, 1], predicted=[0, 1])


@pytest.mark.parametrize(
    "other",
    [
        said(true=[0, 1, 1], predicted=[0, 1, 1]),
        said(true=[1, 0], predicted=[0, 1]),
        said(true=[0, 1], predicted=[0, 1], subjects="ba"),
        replace(FIRST, labels=("SITTING", "WALKING", "RUNNING")),
    ],
)
def test_paired_difference_needs_the_same_windows(other):
    message = "^a paired difference needs predictions of the same windows, in one order$"
    with pytest.raises(DataError, match=message):
        paired_difference(FIRST, other)


def test_calibration_restated_by_a_loop():
    p = predictions(probabilities=True)
    confidence, right = p.probabilities.max(1), p.probabilities.argmax(1) == p.true
    expected = 0.0
    for k in range(15):
        inside = (confidence > k / 15) & (confidence <= (k + 1) / 15)
        if inside.any():
            expected += inside.mean() * abs(confidence[inside].mean() - right[inside].mean())
    assert calibration_error(p) == pytest.approx(expected)
    assert reliability(p)[0].sum() == pytest.approx(1)
    rows = zip(p.probabilities, p.true, strict=True)
    assert brier(p) == pytest.approx(
        np.mean([sum((row[j] - (j == t)) ** 2 for j in range(3)) for row, t in rows])
    )


def test_a_sure_and_right_model_is_calibrated():
    true = np.array([0, 1, 2])
    p = Predictions(
        labels=LABELS,
        true=true,
        predicted=true,
        subjects=np.array(list("abc")),
        probabilities=np.eye(3),
    )
    assert (calibration_error(p), brier(p)) == (0.0, 0.0)


def test_a_sure_answer_is_in_the_last_bin_and_an_unsure_one_in_the_first():
    table = np.array([[0.4, 0.3, 0.3], [0.45, 0.5, 0.05], [0.2, 0.8, 0.0], [1 + 1e-7, 0, 0]])
    p = said([0, 0, 1, 0], table.argmax(1), probabilities=table)
    share, confidence, accuracy = reliability(p, bins=2)
    assert share.tolist() == [0.5, 0.5]
    assert confidence == pytest.approx([0.45, 0.9])
    assert accuracy.tolist() == [0.5, 1.0]
    assert calibration_error(p, bins=2) == pytest.approx(0.5 * 0.05 + 0.5 * 0.1)
    assert [len(column) for column in reliability(p)] == [15, 15, 15]
    unsure = said([0], [0], probabilities=table[:1])
    assert [column.tolist() for column in reliability(unsure, bins=2)] == [[1, 0], [0.4, 0], [1, 0]]


def test_what_needs_probabilities_is_measured_where_they_are():
    p = predictions(probabilities=True)
    m = measure(p)
    assert (m.calibration_error, m.brier) == (calibration_error(p), brier(p))
    without = measure(predictions())
    assert (without.calibration_error, without.brier) == (None, None)


def test_f1_by_subject_is_the_score_of_that_subject_alone():
    p = predictions()
    own = p.subjects == "person 2"
    assert measure(p).f1_by_subject["person 2"] == pytest.approx(
        f1_score(p.true[own], p.predicted[own], average="macro")
    )


def test_metrics_are_plain_json_with_the_promised_keys():
    plain = json.loads(json.dumps(measure(predictions(), windows_per_s=9.0).to_dict()))
    promised = {
        *("macro_f1", "balanced_accuracy", "accuracy", "interval", "unparsed_rate"),
        *("windows", "windows_per_s", "tokens_per_window", "llm_fingerprint"),
    }
    assert promised <= set(plain)
    assert (plain["windows"], plain["subjects"], plain["windows_per_s"]) == (300, 6, 9.0)
    m = measure(predictions())
    assert m.to_dict()["interval"] == list(m.interval)
    assert m.to_dict()["labels"] == list(m.labels) == list(LABELS)
    assert measure(predictions(subjects=1)).to_dict()["interval"] is None


def test_confusion_text_letter_by_letter():
    assert confusion_text([[5, 0, 1, 1], [0, 12345, 0, 0], [0, 0, 3, 0]], LABELS) == (
        "rows: truth, columns: answer, [?]: unparsed\n"
        "                        [0]   [1]   [2]   [?]\n"
        "SITTING           [0]     5     0     1     1\n"
        "WALKING           [1]     0 12345     0     0\n"
        "WALKING_UPSTAIRS  [2]     0     0     3     0"
    )
    assert confusion_text([[5, 0], [0, 0]], LABELS[:1]).splitlines()[2] == "SITTING  [0]    5"
    assert confusion_text([[0] * 4] * 3, LABELS).splitlines() == [
        "rows: truth, columns: answer, [?]: unparsed; not here: 3 of 3 labels",
        "     ",
    ]


def test_confusion_text_is_aligned():
    lines = confusion_text([[5, 0, 1, 0], [0, 12345, 0, 0], [0, 0, 3, 0]], LABELS).splitlines()
    assert len({len(line) for line in lines[1:]}) == 1
    assert lines[2].split() == ["SITTING", "[0]", "5", "0", "1"]


def test_labels_that_are_nowhere_are_left_out_of_the_confusion():
    lines = confusion_text([[0, 0, 2, 0], [0, 0, 0, 0], [0, 0, 3, 0]], LABELS).splitlines()
    assert lines[0].endswith("; not here: 1 of 3 labels")
    assert lines[1].split() == ["[0]", "[2]"]
    assert [line.split()[1:] for line in lines[2:]] == [["[0]", "0", "2"], ["[2]", "0", "3"]]


def test_nothing_to_evaluate_is_said():
    empty = np.array([], dtype=int)
    with pytest.raises(
        DataError, match=r"^no labelled window to evaluate; choose another --split or store$"
    ):
        Predictions(labels=LABELS, true=empty, predicted=empty, subjects=empty)


@pytest.mark.usefixtures("unchecked")
def test_lengths_that_differ_are_said():
    with pytest.raises(DataError, match="3 true labels, 2 predictions"):
        Predictions(
            labels=LABELS,
            true=np.array([0, 1, 2]),
            predicted=np.array([0, 1]),
            subjects=np.array(list("abc")),
        )


def test_calibration_needs_probabilities():
    message = "^these predictions have no probabilities; evaluate with --by score$"
    with pytest.raises(DataError, match=message):
        calibration_error(predictions())
