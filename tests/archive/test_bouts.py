"""Labels summed up: time counts once, a gap ends a bout, another recording too."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from sensor2llm.archive.bouts import clock_text, label_bouts, summarise_labels
from sensor2llm.errors import DataError

MARCH = 1_709_251_140.0
"""2024-02-29 23:59:00 in seconds from 1970."""


def labels(starts, names, probabilities=None, **more) -> pa.Table:
    shares = probabilities or [1.0] * len(starts)
    columns = {"start_s": list(map(float, starts)), "label": list(names), "probability": shares}
    return pa.table(more | columns)


def test_neighbours_of_one_label_are_a_bout_with_their_mean_probability():
    table = labels([0, 2, 4, 6], "aabb", [0.5, 0.7, 0.9, 0.8])
    assert label_bouts(table, 2.0).to_pylist() == [
        {"label": "a", "start_s": 0.0, "end_s": 4.0, "duration_s": 4.0,
         "probability": pytest.approx(0.6), "windows": 2},
        {"label": "b", "start_s": 4.0, "end_s": 8.0, "duration_s": 4.0,
         "probability": pytest.approx(0.85), "windows": 2},
    ]  # fmt: skip


def spans(table, window_s=2.0):
    return [
        (b["label"], b["start_s"], b["end_s"]) for b in label_bouts(table, window_s).to_pylist()
    ]


def test_a_gap_ends_a_bout_and_rounding_is_no_gap():
    assert spans(labels([0, 2, 4.5, 6.50048828125], "aaaa")) == [
        ("a", 0, 4),
        ("a", 4.5, 8.50048828125),
    ]


@pytest.mark.parametrize("column", ["subject", "file"])
def test_another_recording_ends_a_bout(column):
    table = labels([0, 2, 4, 0], "aaaa", **{column: ["p", "p", "q", "q"]})
    assert spans(table) == [("a", 0, 4), ("a", 4, 6), ("a", 0, 2)]
    assert label_bouts(table, 2.0)[column].to_pylist() == ["p", "q", "q"]


def test_of_windows_that_overlap_bouts_lie_side_by_side():
    table = labels([0, 1, 2, 3], "aabb")
    assert spans(table) == [("a", 0, 2), ("b", 2, 5)]
    minutes = summarise_labels(table, 2.0)["minutes"].to_pylist()
    assert minutes == pytest.approx([2 / 60, 3 / 60])


def test_bouts_last_as_long_as_the_summary_says():
    rng = np.random.default_rng(0)
    starts = np.cumsum(rng.choice([1.0, 2.0, 5.0], 200))
    table = labels(starts, rng.choice(["a", "b", "c"], 200).tolist())
    seconds: dict[str, float] = {}
    for bout in label_bouts(table, 2.0).to_pylist():
        seconds[bout["label"]] = seconds.get(bout["label"], 0.0) + bout["duration_s"]
    summed = {row["label"]: 60 * row["minutes"] for row in summarise_labels(table, 2.0).to_pylist()}
    assert summed == pytest.approx(seconds)
    assert sum(summarise_labels(table, 2.0)["windows"].to_pylist()) == 200


def test_where_times_are_dates_minutes_are_a_day():
    table = labels(MARCH + np.array([0.0, 30.0, 60.0, 90.0]), "abaa")
    assert summarise_labels(table, 30.0).to_pylist() == [
        {"day": "2024-02-29", "label": "a", "minutes": 0.5, "windows": 1},
        {"day": "2024-02-29", "label": "b", "minutes": 0.5, "windows": 1},
        {"day": "2024-03-01", "label": "a", "minutes": 1.0, "windows": 2},
    ]


def test_where_times_count_from_the_start_there_is_no_day():
    assert summarise_labels(labels([0, 2], "ab"), 2.0).column_names == [
        "label", "minutes", "windows",
    ]  # fmt: skip


def test_windows_without_times_count_in_full_and_have_no_bouts():
    table = labels([0, 0, 0], "aab")
    assert summarise_labels(table, 30.0)["minutes"].to_pylist() == [1.0, 0.5]
    with pytest.raises(DataError, match="windows 1 and 2 both start at 0 s; bouts need the time"):
        label_bouts(table, 30.0)


def test_a_dataframe_gives_a_dataframe_and_notes_its_windows_length():
    frame = labels([0, 2], "aa").to_pandas()
    frame.attrs["window_s"] = 2.0
    found = label_bouts(frame)
    assert isinstance(found, pd.DataFrame)
    assert found["duration_s"].tolist() == [4.0]
    assert summarise_labels(frame)["minutes"].tolist() == pytest.approx([4 / 60])


def test_a_table_notes_its_windows_length():
    table = labels([0, 2], "aa").replace_schema_metadata({"window_s": "3"})
    assert label_bouts(table)["end_s"].to_pylist() == [5.0]


@pytest.mark.parametrize(
    ("table", "window_s", "message"),
    [
        (labels([0], "a"), None, "does not say how long its windows are; give window_s="),
        (labels([0], "a").drop_columns("label"), 2.0, "no column 'label'; it has start_s, prob"),
        (labels([], ""), 2.0, "has no rows; give some windows"),
        ([1, 2], 2.0, "cannot sum up list; give the table of `classify`"),
    ],
)
def test_what_cannot_be_summed_up(table, window_s, message):
    with pytest.raises(DataError, match=message):
        label_bouts(table, window_s)


def test_times_are_written_for_people():
    assert clock_text(12.5) == "12.50 s"
    assert clock_text(MARCH) == "2024-02-29 23:59:00"
