"""Tables, figures, hashes and the citation that a paper takes from an audit."""

import csv
import hashlib
import io
import json
from xml.etree import ElementTree

import numpy as np
import pytest

from tests.tokenization_study.constructed import characters, whole_numbers
from tokenization_study.audit import audit
from tokenization_study.checks.catalogue import PITFALLS
from tokenization_study.report import page, papers
from tokenization_study.tokenizers.tokenizers import load_tokenizer

VALUES = np.round(np.random.default_rng(0).normal(size=(2, 300)), 3)


@pytest.fixture(scope="module")
def report():
    return audit(VALUES, [characters(name="a_b"), whole_numbers(name="100%")], ["plain", "fixed"])


def test_csv_has_a_row_a_tokenizer_and_form_and_a_row_a_finding(report):
    files = papers.files(report)
    measures = list(csv.DictReader(io.StringIO(files["measures.csv"])))
    findings = list(csv.DictReader(io.StringIO(files["pitfalls.csv"])))
    assert [(m["tokenizer"], m["serialiser"]) for m in measures] == [
        ("a_b", "plain"), ("100%", "plain"), ("a_b", "fixed"), ("100%", "fixed"),
    ]  # fmt: skip
    assert float(measures[0]["tokens_per_value"]) == report.measures[0].tokens_per_value
    assert len(findings) == 4 * len(PITFALLS)
    assert {f["severity"] for f in findings} <= {"none", "low", "medium", "high", "not checked"}


def test_latex_tables_have_equal_rows_and_escaped_names(report):
    for name in ("measures.tex", "pitfalls.tex"):
        text = papers.files(report)[name]
        rows = [line for line in text.splitlines() if line.endswith(r"\\")]
        assert len({row.replace(r"\&", "").count("&") for row in rows}) == 1
        assert r"a\_b" in text
        assert r"100\%" in text
    assert papers.latex(r"a\b~{x}#1$&^") == (
        r"a\textbackslash{}b\textasciitilde{}\{x\}\#1\$\&\textasciicircum{}"
    )


def test_figures_are_svg_with_every_finding_and_chart(report):
    files = papers.files(report)
    name = "{http://www.w3.org/2000/svg}"
    heat, charts = (ElementTree.fromstring(files[f]) for f in ("pitfalls.svg", "tokens.svg"))
    assert len(heat.findall(f"{name}rect")) == 4 * len(PITFALLS)
    assert len(charts.findall(f"{name}g")) == 4


def test_the_page_begins_with_the_three_worst_pitfalls(report):
    view = page.view(report)
    worst = [detail["severity"] for detail in view["three_worst"]]
    order = ["not checked", "none", "low", "medium", "high"]
    assert worst == sorted((d["severity"] for d in view["details"]), key=order.index)[:-4:-1]
    html = report.html()
    places = [html.index(f"<b>{d['pitfall'].name}</b>") for d in view["three_worst"]]
    assert places == sorted(places)
    assert places[-1] < html.index("In short") < html.index("Pitfalls by tokenizer")
    assert html.count('<small class="hint">') == html.count('<div class="scroll"')


def test_the_input_is_hashed_whatever_it_is(tmp_path):
    def sha256(values):
        return audit(values, [characters()], None).to_dict()["input"]["sha256"]

    path = tmp_path / "lines.txt"
    path.write_bytes(b"1.5\n2.5\n")
    expected = hashlib.sha256(path.read_bytes()).hexdigest()
    assert sha256(path) == expected
    assert sha256(["1.5\n", "2.5"]) == hashlib.sha256(b"1.5\n\n2.5").hexdigest()
    assert sha256(VALUES) == hashlib.sha256(VALUES.tobytes()).hexdigest()


def test_standard_input_is_hashed_as_it_is_read(monkeypatch):
    import types

    data = b"1.5\n2.5\n"
    monkeypatch.setattr("sys.stdin", types.SimpleNamespace(buffer=io.BytesIO(data)))
    report = audit("-", [characters()])
    assert report.sha256 == hashlib.sha256(data).hexdigest()


def test_a_tokenizer_states_its_files_and_the_page_how_to_cite(tmp_path):
    bundled = load_tokenizer("bundled")
    report = audit(VALUES, [bundled], ["fixed"])
    (tokenizer,) = report.to_dict()["tokenizers"]
    assert list(tokenizer["sha256"]) == ["tokenizer.json"]
    (digest,) = tokenizer["sha256"].values()
    html = report.html()
    for part in (digest, report.sha256, "@software{sensor2llm,"):
        assert part in html
    assert json.loads(json.dumps(report.to_dict()))["citation"].startswith("@software{")
