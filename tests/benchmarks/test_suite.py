"""The suite of speed: what grows, what is taken of each part, what is called slower."""

import json
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import speed_tables
from benchmarks.cost_picture import draw_growth
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
    run = {"times": 1.04, "growth_mib": 20}
    assert suite.memory({"train": run, "use": run | {"times": 1.0}}) == {
        "memory of train, 64 times the store": [1.04], "memory of use, 64 times the store": [1.0],
    }  # fmt: skip
    answers = {"classify": {"times": 1.2}, "chat": {"times": 1.3}}
    assert suite.start({"first_answer": answers}) == {
        "first answer of classify": [1.2], "first answer of chat": [1.3],
    }  # fmt: skip
    runs = [{"labels": 6, "agrees": 1.0}, {"labels": 200, "agrees": 0.75}]
    assert suite.many_labels({"runs": runs, "times": 3.5, "more_mib": 81.5}) == {
        "label, 200 labels over 6": [3.5], "label, 200 labels, MiB more than 6": [81.5],
        "label, 200 labels, share of windows unlike the whole tree": [0.25],
    }  # fmt: skip
    ray = {"windows": 4096, "workers": 2, "ratio": 2.0, "differing": 3}
    used = {"adapter": "uci-har", "llm": "smollm2", "scoring": {"ratio": 0.8}, "ray": ray}
    assert suite.in_use(used) == {
        "label with the encoder over a bare forward, smollm2": [1.25],
        "classify on ray, uci-har, 4,096 windows, 2 workers over one": [0.5],
        "rows that differ on ray, uci-har, 4,096 windows": [3],
    }
    row = {"values": 20_000, "ratio": 1.4, "bare": [{"tokenizer": "t5"}]}
    assert suite.audit({"numbers": [row], "raw_lines": [row | {"ratio": 1.2}]}) == {
        "audit by t5, 20,000 numbers": [1.4], "audit by t5, 20,000 raw lines": [1.2],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("label, 200 labels over 6", 4),
        ("label, 200 labels, MiB more than 6", 200),
        ("label, labels 200", None),
        ("label with the encoder over a bare forward, bundled", 1 / 0.85),
        ("label with the encoder over a bare forward, smollm2", 1 / 0.95),
        ("classify a store over scoring alone", 1 / 0.9),
        ("classify on ray, uci-har, 4,096 windows, 2 workers over one", 1 / 1.6),
        ("rows that differ on ray, uci-har, 4,096 windows", 0),
        ("memory of use, 64 times the store", 1.05),
        ("first answer of chat", 1.3),
        ("audit by t5, 999,936 numbers", 1.6),
        ("audit by r50k, 999,936 numbers", None),
        ("audit by r50k, 999,936 raw lines", 1.4),
        ("audit by r50k, 299,904 raw lines", 1.7),
        ("audit by t5, 299,904 raw lines", 1.6),
        ("audit by t5, 1,000,000 raw lines", 1.4),
    ],
)
def test_what_is_aimed_at_is_the_least_of_what_is_asked_for(name, most):
    assert suite.aim(name) == most


def test_a_line_says_whether_a_figure_is_reached():
    figure = {"median": 1.4}
    assert suite.line("first answer of chat", figure | {"aim": None}).endswith("1.40")
    ends = {1.4: "1.40   at most 1.40: reached", 1.3: "1.40   at most 1.30: missed"}
    for most, end in ends.items():
        assert suite.line("first answer of chat", figure | {"aim": most}).endswith(end)


def test_what_a_part_needs_and_lacks_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(suite, "TOKENIZERS", tmp_path / "none.tar.xz")
    monkeypatch.setattr(suite, "find_spec", lambda name: None)
    monkeypatch.setenv("SENSOR2LLM_CACHE", str(tmp_path))
    assert suite.without_tokenizers() == "SENSOR2LLM_SHARED names no folder with tokenizers"
    assert suite.without_ray() == 'ray is not installed: pip install ".[ray]"'
    assert suite.without_smollm2() == "smollm2 is not here: sensor2llm get smollm2"


def test_others_tokenizers_are_unpacked_and_named(tmp_path, monkeypatch):
    source = tmp_path / "tokenizers"
    for file in suite.FILES.values():
        (source / file).parent.mkdir(parents=True, exist_ok=True)
        (source / file).write_text(file)
    with tarfile.open(tmp_path / "all.tar.xz", "w:xz") as archive:
        archive.add(source, "tokenizers")
    monkeypatch.setattr(suite, "TOKENIZERS", tmp_path / "all.tar.xz")
    option, bundled, *files = suite.unpack_tokenizers(tmp_path / "out")
    assert (option, bundled, len(files)) == ("--tokenizers", "bundled", 4)
    assert files[-1].startswith("t5=")
    assert Path(files[-1].removeprefix("t5=")).read_text() == "t5/spiece.model"


def test_a_part_that_fails_ends_the_run_with_what_it_said():
    part = suite.Part("no_such_module", (), (), suite.growth)
    with pytest.raises(SystemExit, match=r"no_such_module failed:\n[\s\S]*No module named"):
        suite.run_part(part, quick=True)


def test_every_part_is_a_module_and_takes_its_words():
    for part in suite.PARTS:
        path = suite.ROOT / "benchmarks" / "speed" / f"{part.module}.py"
        text = path.read_text(encoding="utf-8")
        for word in (*part.words, *part.quick):
            assert not word.startswith("--") or f'"{word}"' in text, (part.module, word)


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
    parts = (
        suite.Part("memory", (), (), suite.memory),
        suite.Part("audit", (), (), suite.audit, lacks=lambda: "t5 is not here"),
    )
    monkeypatch.setattr(suite, "PARTS", parts)
    monkeypatch.setattr(suite, "run_part", lambda part, quick: {part.module: [1.0, 2.0, 1.5]})
    monkeypatch.setattr(suite, "committed", lambda path: {"figures": {"memory": FIGURE}})
    monkeypatch.setattr(suite.os, "getloadavg", lambda: (3.0, 3.0, 3.0))
    monkeypatch.setattr("sys.argv", ["suite", "--quick", "--out", str(out)])
    suite.main()
    captured = capsys.readouterr()
    assert captured.err.splitlines() == [
        "this machine is busy (load 3.0): figures may be off",
        "left out: t5 is not here",
    ]
    result = json.loads(out.read_text(encoding="utf-8"))
    assert captured.out.splitlines()[-2:] == [
        f"the committed run computed in another precision than {result['precision']}",
        "slower: memory: 1.00 before, 1.50 now",
    ]
    assert (result["busy"], result["left_out"]) == (True, ["t5 is not here"])
    figure = {"least": 1.0, "median": 1.5, "most": 2.0, "aim": None}
    assert result["figures"] == {"memory": figure}
    assert out.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_the_page_says_after_how_many_steps_compiling_pays(tmp_path):
    assert speed_tables.compiled(tmp_path / "none.json") == ""
    row = {"llm": "bundled", "batch_size": 32, "compiling_s": 6.5, "another_batch_size_s": 0.1}
    row |= {"precision": "bfloat16"}
    row |= {"training": {"ratio": 1.052}, "pays_after_steps": 1040}
    never = row | {"training": {"ratio": 0.99}, "pays_after_steps": None}
    path = tmp_path / "compiled.json"
    path.write_text(json.dumps({"command": "compiled", "rows": [row, never]}), encoding="utf-8")
    text = speed_tables.compiled(path)
    assert "| bundled | bfloat16 | 32 | 6.5 | 0.1 | 1.05 | 1,040 steps |" in text
    assert "| bundled | bfloat16 | 32 | 6.5 | 0.1 | 0.99 | never |" in text
    assert text.endswith("\n\n    compiled\n")


def test_the_page_shows_growth_aims_and_the_rest_and_copes_with_no_run(tmp_path):
    assert speed_tables.cost(tmp_path / "none.json") == ""
    path = tmp_path / "bench.json"
    figures = {"label, labels 1,024": FIGURE, "train over the LLM alone": FIGURE | {"aim": None}}
    figures |= {"near": FIGURE | {"aim": 1.0}, "far": FIGURE | {"aim": 0.99}}
    result = {"quick": True, "busy": False, "cores": 2, "seconds": 120, "command": "bench"}
    result["precision"] = "float32"
    result |= {"left_out": ["ray is not installed"], "figures": figures}
    path.write_text(json.dumps(result), encoding="utf-8")
    text = speed_tables.cost(path)
    assert "| labels | 1,024 | 1.00 (0.90 to 1.20) | – |" in text
    assert "| train over the LLM alone | 1.00 (0.90 to 1.20) | – |  |" in text
    assert "| near | 1.00 (0.90 to 1.20) | 1.00 | reached |" in text
    assert "| far | 1.00 (0.90 to 1.20) | 0.99 | missed |" in text
    assert "\n\nLeft out: ray is not installed.\n\n    bench    # a quick run" in text
    assert "idle machine, 2 cores, float32, 2 minutes" in text
    assert "![" not in text
    draw_growth(figures, path.with_suffix(".png"))
    assert "](../../benchmarks/results/bench.png)\n\n| cost" in speed_tables.cost(path)
