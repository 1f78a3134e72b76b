"""What a study tells: tables with its numbers, pictures, JSON and Parquet."""

import json
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from sensor2llm.signals.config import SplitConfig
from sensor2llm.studies.config import LabelsConfig, MethodConfig, StoreConfig
from sensor2llm.studies.pictures import Curve, plot_curves, plot_methods
from sensor2llm.studies.report import write_report
from sensor2llm.studies.sections import _probability, table
from tests.studies.made_up import mostly_right, write_cells
from tests.studies.toy_study import CROSSL, make_study, write_store

PNG = b"\x89PNG"
SHARES = {"supervised": 0.6, "crossl": 0.8, "a | b": 0.7}
COMMAND = "python -m sensor2llm.study --config toy.yaml"


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    return write_store(tmp_path_factory.mktemp("report") / "store", people=10)


def told(study, **options):
    """Write made-up cells and their report; give its text, and its numbers."""
    write_cells(study, mostly_right(SHARES), **options)
    text = write_report(study, COMMAND)
    folder = study.report or study.out
    assert (folder / "README.md").read_text() == text
    return text, json.loads((folder / "results.json").read_text())


def cells_of(text: str, *starts: str) -> list[str]:
    """Give the cells of the one table row that starts so."""
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines()]
    found = [row for row in rows if row[: len(starts)] == list(starts)]
    assert len(found) == 1, (starts, found)
    return found[0]


def line_of(found, method, use="finetuned", **wanted):
    wanted = {"share": 1.0, "missing": [], "without": []} | wanted
    lines = [
        x for x in found["rows"]
        if x["method"] == method and x["use"] == use and all(x[k] == v for k, v in wanted.items())
    ]  # fmt: skip
    assert len(lines) == 1
    return lines[0]


def shown(line) -> str:
    low, high = line["interval"]
    return f"{line['macro_f1']:.3f} ({low:.3f} to {high:.3f})"


def test_the_table_of_methods_holds_the_numbers(path, tmp_path):
    study = make_study(tmp_path / "out", path, folds=(0, 1, 2), report=tmp_path / "report")
    text, found = told(study)
    line = line_of(found, "crossl", "fixed")
    low, high = line["difference_interval"]
    assert cells_of(text, "crossl", "fixed")[2:] == [
        shown(line),
        f"{line['mean_over_people']:.3f} ± {line['sd_over_people']:.3f}",
        "0.250",
        f"{line['difference']:+.3f} ({low:+.3f} to {high:+.3f})",
        f"{line['p']:.3f}",
        "3",
    ]
    assert cells_of(text, "supervised", "finetuned")[5:] == ["–", "–", "3"]
    assert "### toy: 6 people, 54 test windows" in text
    assert text.startswith(f"# Toy\n\n    {COMMAND}\n\n6 of 6 cells. macro-F1")
    assert "\n\n\n" not in text
    assert text.endswith("|\n")
    assert cells_of(text, "toy", "crossl") == ["toy", "crossl", "11", "12", "100", "3 of 3"]
    assert (tmp_path / "report" / "methods.png").read_bytes().startswith(PNG)


def test_a_small_p_is_not_told_as_none(path, tmp_path):
    write_cells(
        make_study(tmp_path, path, folds=(0, 1, 2, 3, 4)),
        lambda cell, line, true: true if cell.method == "crossl" else (true + 1) % 3,
    )
    text = write_report(make_study(tmp_path, path, folds=(0, 1, 2, 3, 4)), COMMAND)
    # Ten people who are all as much better: a normal approximation, since all ties.
    assert 0.001 < float(cells_of(text, "crossl", "fixed")[6]) < 0.003
    assert _probability(0.00099) == "< 0.001"
    assert _probability(None) == "–"


def test_the_json_says_how_and_with_what_it_was_made(path, tmp_path):
    study = make_study(tmp_path, path)
    _, found = told(study)
    assert (found["name"], found["command"], found["cells"]) == ("Toy", COMMAND, 4)
    assert {"python", "torch", "sensor2llm"} <= set(found["versions"])
    assert json.loads(write_report(study, COMMAND, as_json=True)) == found
    assert [row["method"] for row in found["rows"]] == ["supervised", "crossl", "crossl"]


def test_unfinished_cells_are_counted(path, tmp_path):
    study = make_study(tmp_path, path)
    told(study)
    (tmp_path / "cells" / "toy-crossl-seed0-fold1.npz").unlink()
    assert "3 of 4 cells." in write_report(study, "")
    assert write_report(study, "").startswith("# Toy\n\n3 of 4 cells.")


def test_parquet_holds_the_same_rows_with_intervals_as_columns(path, tmp_path):
    study = make_study(tmp_path, path)
    _, found = told(study, missing=((), ("watch_acc", "watch_gyro")))
    rows = pq.read_table(tmp_path / "results.parquet").to_pylist()
    assert len(rows) == len(found["rows"]) == 6
    for row, line in zip(rows, found["rows"], strict=True):
        for name in ("interval", "difference_interval"):
            between = row.pop(f"{name}_low"), row.pop(f"{name}_high")
            assert list(between) == (line.pop(name) or [None, None])
        assert row == line


def test_parquet_columns_have_the_same_types_in_every_study(path, tmp_path):
    study = make_study(tmp_path / "a", path)
    alone = make_study(tmp_path / "b", path, methods={"supervised": MethodConfig()})
    told(study, missing=((), ("watch_acc",)))
    told(alone)
    schemas = [pq.read_schema(tmp_path / name / "results.parquet") for name in "ab"]
    assert schemas[0].equals(schemas[1])


# The published table.


def test_published_cells_stand_beside_ours_and_those_we_lack_below(path, tmp_path):
    published = {
        "supervised finetuned": {"toy": ".879 (.12)"},
        "crossl fixed": {"toy": ".802"},
        "cocoa fixed": {"toy": ".839"},
        "DeepConvLSTM": {"toy": ".718 (.18)"},
    }
    text, found = told(make_study(tmp_path, path, published=published))
    assert cells_of(text, "supervised", "finetuned")[-1] == ".879 (.12)"
    assert cells_of(text, "crossl", "fixed")[-1] == ".802"
    assert cells_of(text, "crossl", "finetuned")[-1] == "–"
    assert cells_of(text, "cocoa", "fixed") == ["cocoa", "fixed", *["–"] * 6, ".839"]
    assert cells_of(text, "DeepConvLSTM") == ["DeepConvLSTM", *["–"] * 7, ".718 (.18)"]
    assert found["published"] == published


def test_a_published_cell_without_a_use_stands_beside_every_use(path, tmp_path):
    text, _ = told(make_study(tmp_path, path, published={"crossl": {"toy": ".9"}}))
    for use in ("fixed", "finetuned"):
        assert cells_of(text, "crossl", use)[-1] == ".9"


def test_without_published_cells_there_is_no_column(path, tmp_path):
    text, _ = told(make_study(tmp_path, path))
    assert "published" not in text


# Options, labels, missing modalities.


def test_numeric_options_become_a_curve_each(path, tmp_path):
    listed = {"similarity": [1, 25], "mask": ["random", "temporal"], "masking_ratio": [0.1, 0.5]}
    study = make_study(
        tmp_path, path, methods={"crossl": replace(CROSSL, options=listed, use=("fixed",))},
        baseline="crossl similarity=1 mask=random masking_ratio=0.1",
    )  # fmt: skip
    text, found = told(study)
    for option, values in (("similarity", ("1", "25")), ("masking_ratio", ("0.1", "0.5"))):
        heads = cells_of(text, f"toy: {option.replace('_', ' ')}")
        assert heads[1:] == list(values)
        assert (tmp_path / f"{option}.png").read_bytes().startswith(PNG)
        assert f"]({option}.png)" in text
    cells = cells_of(text, "crossl similarity=25 mask=temporal, fixed")
    lines = [
        line_of(found, f"crossl similarity=25 mask=temporal masking_ratio={ratio}", "fixed")
        for ratio in (0.1, 0.5)
    ]
    assert cells[1:] == [shown(line) for line in lines]
    assert not (tmp_path / "mask.png").exists()


def test_label_shares_become_a_curve_with_differences(path, tmp_path):
    labels = LabelsConfig(shares=(0.1, 1.0), by=("block", "subject"))
    text, found = told(make_study(tmp_path, path, labels=labels))
    part = text.split("Difference to `supervised` with the same labels:")
    assert len(part) == 2
    few, full = (line_of(found, "crossl", share=s, by="block") for s in (0.1, 1.0))
    assert cells_of(part[0], "crossl, finetuned")[1:] == [shown(few), shown(full)]
    by_people = line_of(found, "crossl", share=0.1, by="subject")
    assert cells_of(part[0], "crossl, finetuned, share of people")[1:] == [
        shown(by_people), shown(full),
    ]  # fmt: skip
    assert cells_of(part[1], "crossl, finetuned")[1].startswith(f"{few['difference']:+.3f} (")
    assert cells_of(part[0], "toy: labels")[1:] == ["10 %", "100 %"]
    assert (tmp_path / "labels.png").read_bytes().startswith(PNG)


def test_missing_modalities_are_told_by_number_and_set_by_set(path, tmp_path):
    sets = ((), ("watch_acc",), ("phone_acc",), ("watch_acc", "watch_gyro"))
    text, found = told(make_study(tmp_path, path), missing=sets)
    lines = [line_of(found, "crossl", "fixed", missing=list(one)) for one in sets]
    mean = (lines[1]["macro_f1"] + lines[2]["macro_f1"]) / 2
    assert cells_of(text, "crossl, fixed")[1:] == [
        f"{value:.3f}" for value in (lines[0]["macro_f1"], mean, lines[3]["macro_f1"])
    ]
    heads = cells_of(text, "missing", "supervised, finetuned")
    column = heads.index("crossl, fixed")
    assert cells_of(text, "watch_acc, watch_gyro")[column] == shown(lines[3])
    assert cells_of(text, "nothing")[column] == shown(lines[0])
    assert "## Missing when windows are judged" in text
    assert "## Missing when labels are learnt" not in text
    assert (tmp_path / "missing.png").read_bytes().startswith(PNG)


def test_missing_when_labels_are_learnt_has_a_section_of_its_own(path, tmp_path):
    gone = ("watch_acc", "watch_gyro")
    text, found = told(make_study(tmp_path, path), without=(gone,))
    assert "## Missing when labels are learnt, and afterwards" in text
    assert "## Missing when windows are judged" not in text
    line = line_of(found, "crossl", without=list(gone), missing=list(gone))
    heads = cells_of(text, "missing", "supervised, finetuned")
    cell = cells_of(text, "watch_acc, watch_gyro")[heads.index("crossl, finetuned")]
    assert cell == shown(line)
    assert (tmp_path / "missing_finetuning.png").read_bytes().startswith(PNG)


def test_one_test_person_has_no_interval(path, tmp_path):
    store = StoreConfig(path=path, split=SplitConfig(kind="loso"))
    text, found = told(make_study(tmp_path, path, stores={"toy": store}, folds=(0,)))
    line = line_of(found, "crossl")
    assert (line["interval"], line["p"], line["sd_over_people"]) == (None, None, 0)
    assert cells_of(text, "crossl", "finetuned")[2] == f"{line['macro_f1']:.3f}"
    assert "### toy: 1 people" not in text
    assert "### toy: 1 person, 9 test windows" in text


# Parts.


def test_a_bar_in_a_name_does_not_end_its_cell(path, tmp_path):
    study = make_study(tmp_path, path, methods={"a | b": CROSSL}, baseline="a | b")
    text, _ = told(study)
    assert "| a \\| b | fixed |" in text
    assert table(["x"], [["a|b"]]) == ["| x |", "|---|", "| a\\|b |"]


def test_pictures_bear_many_methods_stores_and_points_without_intervals(tmp_path):
    def line(i, **more):
        return {"macro_f1": 0.5 + i / 100, "interval": (0.4, 0.7) if i % 2 else None, **more}

    lines = [
        line(i, store=store, method=f"method {i}", use=use)
        for i in range(10) for store in "ab" for use in ("fixed", "finetuned")
    ]  # fmt: skip
    assert plot_methods(lines, tmp_path / "m.png").read_bytes().startswith(PNG)
    curves = {
        store: {Curve(f"method {i}", "fixed"): {x: line(i) for x in (1, 10)} for i in range(20)}
        for store in "ab"
    }
    drawn = plot_curves(curves, tmp_path / "c.png", xlabel="x", log=True)
    assert drawn.read_bytes().startswith(PNG)
    assert str(Curve("crossl", "fixed", "share of people")) == "crossl, fixed, share of people"
