"""The suite of speed: what grows, what is taken of each part, what is called slower."""

import json
from dataclasses import replace

import pytest

from benchmarks import speed_tables
from benchmarks.speed import cost, suite

SMALL = cost.Point(windows=2, length=64, labels=2, modalities=1, sensors=1, llm_width=32)
FIGURE = {"least": 0.9, "median": 1.0, "most": 1.2}


def test_every_point_differs_from_the_base_on_one_axis():
    points = cost.points(cost.AXES, cost.BASE)
    assert points[0] == cost.BASE
    assert len(set(points)) == len(points) == 1 + sum(len(v) - 1 for v in cost.AXES.values())
    for point in points[1:]:
        changed = [axis for axis in cost.AXES if getattr(point, axis) != getattr(cost.BASE, axis)]
        assert len(changed) == 1


def test_each_round_gives_the_cost_over_the_bases_own(monkeypatch):
    """Labels cost 10 ms and training 20; twice the labels three times as much."""
    monkeypatch.setattr(
        cost.Measurement, "__init__", lambda self, point: setattr(self, "point", point)
    )
    times = {SMALL: 1.0, replace(SMALL, labels=4): 3.0}
    monkeypatch.setattr(cost.Measurement, "label", lambda self: 10 * times[self.point])
    monkeypatch.setattr(cost.Measurement, "train", lambda self: 20 * times[self.point])
    rows = cost.measure({"labels": (2, 4)}, 2, SMALL)
    assert [(r["verb"], r["axis"], r["labels"], r["ms_a_window"], r["times"]) for r in rows] == [
        ("label", "base", 2, [10, 10], [1, 1]), ("train", "base", 2, [20, 20], [1, 1]),
        ("label", "labels", 4, [30, 30], [3, 3]), ("train", "labels", 4, [60, 60], [3, 3]),
    ]  # fmt: skip
    assert suite.growth({"rows": rows}) == {"label, labels 4": [3, 3], "train, labels 4": [3, 3]}


def test_a_point_is_labelled_and_trained():
    measurement = cost.Measurement(SMALL)
    assert measurement.model.score(measurement.batch).shape == (2, 2)
    assert measurement.label() > 0
    assert measurement.train() > 0
    assert len(measurement.model.adapter.spec.modalities) == 1


def test_parts_give_costs_of_which_less_is_better():
    ratios = {
        "training_against_llm_alone": {"ratio": 0.5},
        "scoring_against_bare_forward": {"ratio": 0.8},
    }
    assert suite.beside_llm({"auto": ratios}) == {
        "train over the LLM alone": [2.0], "label over a bare forward": [1.25],
    }  # fmt: skip
    stores = {"store": {"anonymous_mib": 200}, "store_of_8_times_the_size": {"anonymous_mib": 210}}
    assert suite.memory(stores) == {"memory, store of 8 times the size": [1.05]}
    answers = {"classify": {"times": 1.2}, "chat": {"times": 1.3}}
    assert suite.start({"first_answer": answers}) == {
        "first answer of classify": [1.2], "first answer of chat": [1.3],
    }  # fmt: skip
    labels = {"runs": [{"labels": 6}, {"labels": 200}], "times": 3.5}
    assert suite.many_labels(labels) == {"label, 200 labels over 6": [3.5]}
    assert suite.audit({"values": 20_000, "ratio": 1.4}) == {
        "audit of 20,000 values as raw lines": [1.4]
    }


def test_a_summary_has_least_median_and_most():
    assert suite.summary([3, 1, 2.00049]) == {"least": 1, "median": 2.0, "most": 3}


@pytest.mark.parametrize(("median", "named"), [(1.1, False), (1.2, False), (1.21, True)])
def test_slower_is_more_than_a_tenth_and_beyond_all_committed_rounds(median, named):
    now = {"label": FIGURE | {"median": median}, "new": FIGURE}
    expected = [f"label: 1.00 before, {median:.2f} now"] if named else []
    assert suite.slower(now, {"label": FIGURE}) == expected


def test_where_nothing_is_committed_nothing_is_slower(tmp_path):
    assert suite.committed(tmp_path / "bench.json") == {}
    assert suite.committed(suite.ROOT / "benchmarks" / "results" / "no_such.json") == {}
    assert suite.slower({"label": FIGURE}, {}) == []


def test_a_run_is_written_and_a_busy_machine_named(tmp_path, monkeypatch, capsys):
    out = tmp_path / "bench.json"
    monkeypatch.setattr(suite, "run_part", lambda part, quick: {part.module: [1.0, 2.0, 1.5]})
    monkeypatch.setattr(suite, "committed", lambda path: {"figures": {"memory": FIGURE}})
    monkeypatch.setattr(suite.os, "getloadavg", lambda: (3.0, 3.0, 3.0))
    monkeypatch.setattr("sys.argv", ["suite", "--quick", "--out", str(out)])
    suite.main()
    captured = capsys.readouterr()
    assert captured.err == "this machine is busy (load 3.0): figures may be off\n"
    assert captured.out.splitlines()[-1] == "slower: memory: 1.00 before, 1.50 now"
    result = json.loads(out.read_text(encoding="utf-8"))
    assert result["busy"] is True
    assert result["figures"]["memory"] == {"least": 1.0, "median": 1.5, "most": 2.0}


def test_the_page_shows_growth_and_the_rest_and_copes_with_no_run(tmp_path):
    assert speed_tables.cost(tmp_path / "none.json") == ""
    path = tmp_path / "bench.json"
    figures = {"label, labels 1,024": FIGURE, "train over the LLM alone": FIGURE}
    result = {"quick": True, "busy": False, "cores": 2, "seconds": 120, "command": "bench"}
    path.write_text(json.dumps(result | {"figures": figures}), encoding="utf-8")
    text = speed_tables.cost(path)
    assert "| labels | 1,024 | 1.00 (0.90 to 1.20) | – |" in text
    assert "| train over the LLM alone | 1.00 (0.90 to 1.20) |" in text
    assert "bench    # a quick run, no record; idle machine, 2 cores, 2 minutes" in text
