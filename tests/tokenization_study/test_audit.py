"""The audit from its Python side: real data, round trips, reports, bad input."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from sensor2llm.errors import ConfigError, DataError
from sensor2llm.signals.serialisation.serialise import SERIALISERS, SerialiserConfig
from tests.tokenization_study.constructed import characters, whole_numbers
from tokenization_study.audit import audit
from tokenization_study.config import AuditConfig, InputConfig
from tokenization_study.report.report import FILES, check_target

VALUES = np.round(np.random.default_rng(0).normal(size=(2, 300)), 3)
CASE_STUDY = "data/wisdm2019/case_study_1600_first_10769_chars.txt"
BLOCKED = """
import sys
for name in ("torch", "transformers", "peft"):
    sys.modules[name] = None
import numpy as np
from tokenization_study.__main__ import main
np.savez(sys.argv[1] + "/a.npz", x=np.random.default_rng(0).normal(size=(3, 200)))
folder = sys.argv[1]
code = main(["audit", folder + "/a.npz", "--tokenizer", "bundled", "--out", folder + "/o"])
assert not any(sys.modules.get(name) for name in ("torch", "transformers", "peft"))
sys.exit(code)
"""


@pytest.fixture(scope="module")
def report():
    return audit(VALUES, [characters(name="letters"), whole_numbers(name="numbers")],
                 ["plain", "fixed"], data=InputConfig(rate_hz=50, unit="g"))  # fmt: skip


def test_the_published_case_study_exactly(shared, tokenizer_files):
    names = [f"{n}={tokenizer_files}/openai/{n}_base.tiktoken" for n in ("r50k", "cl100k")]
    found = audit(shared / CASE_STUDY, names, ["as_written"])
    assert [(m.characters, m.tokens) for m in found.measures] == [(10769, 6077), (10769, 5334)]


def test_the_audit_runs_without_torch_transformers_and_peft(tmp_path):
    done = subprocess.run([sys.executable, "-c", BLOCKED, tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "o" / "report.html").exists()


@pytest.mark.parametrize("name", SERIALISERS)
def test_every_serialiser_reports_an_error_within_its_bound(name):
    found = audit(VALUES, [characters()], [name])
    error, bound = found.round_trips[name]
    assert error <= bound
    assert found.measures[0].values == VALUES.size


def test_separators_and_units_are_options():
    form = SerialiserConfig(separator=" ; ", unit=" mg", decimals=1)
    found = audit(VALUES, [characters()], ["fixed"], form=form)
    assert "".join(text for text, _ in found.renderings[0].lines[0]).startswith("0.1 mg ; -0.1 mg")


def test_bins_may_have_letters_for_digits():
    form = SerialiserConfig(bin_base=36)
    found = audit(VALUES, [characters()], ["bins"], form=form)
    assert found.measures[0].values == VALUES.size


def test_a_missing_value_is_no_number():
    values = np.where(np.arange(300) % 3 == 0, np.nan, VALUES[0])
    assert audit(values, [characters()], ["plain"]).measures[0].values == 200


@pytest.mark.parametrize("name", SERIALISERS)
def test_a_missing_value_takes_no_token(name):
    """A sparse column costs what its numbers cost, whatever word a form has for the gaps."""
    dense = np.round(np.random.default_rng(3).uniform(1, 9, 128), 2)
    sparse = np.where(np.arange(128) % 16 == 0, np.round(dense * 3, 2), np.nan)
    report = audit(np.stack([dense, sparse]), [characters()], [name])
    tokens = report.measures[0].tokens - audit(dense, [characters()], [name]).measures[0].tokens
    alone = audit(sparse[::16], [characters()], [name]).measures[0].tokens
    # What is left is what stands between two columns: a cell's separator in each row of a csv.
    # A scale is taken from both columns, so that a number may have a digit more or less.
    assert -9 <= tokens - alone <= (128 if name == "csv" else 9)
    assert report.measures[0].values == 136
    text = "".join(t for line in report.renderings[0].lines for t, _ in line)
    assert "N" not in text
    assert "null" not in text
    note = "120 of 256 values are missing: no text is written for them"
    assert report.source.notes == [note]
    assert note in report.markdown()


@pytest.mark.parametrize("form", [
    SerialiserConfig(missing="gap", unit=" bpm"),
    SerialiserConfig(row_lead="7,A", timestamp_start=5, row_end=""),
    SerialiserConfig(channel_separator=" | "),
])  # fmt: skip
def test_no_word_for_a_missing_value_is_written(form):
    values = np.array([[1.5, np.nan, np.nan], [np.nan, 2.5, np.nan], [np.nan] * 3])
    for name in ("csv", "plain", "json"):
        (line, *more) = audit(values, [characters()], [name], form=form).renderings[0].lines
        text = "\n".join("".join(t for t, _ in each) for each in [line, *more])
        assert form.missing not in text
        assert "null" not in text
        if name == "csv" and form.row_lead:
            assert text.splitlines() == ["7,A,5,1.5,,", "7,A,50000005,,2.5,", "7,A,100000005,,,"]


def test_large_integers_keep_their_digits():
    found = audit(np.array([2**60 + 1, 7]), [characters()], ["plain", "fixed"])
    texts = ["".join(t for t, _ in r.lines[0]) for r in found.renderings]
    assert texts == [f"{2**60 + 1}, 7", f"{2**60 + 1}.00, 7.00"]


def test_huge_integers_are_audited_as_text():
    lines = [f"{10**30 + i},{i}" for i in range(40)]
    found = audit(lines, [characters(), whole_numbers(name="n")], ["as_written"])
    assert found.measures[0].values == 80
    long = {f.tokenizer: f for f in found.findings if f.pitfall == "long_integers"}
    assert long["rule"].outcome.checked == 40


def test_integers_stay_integers():
    found = audit(np.arange(5), [characters()], ["plain"])
    assert "".join(text for text, _ in found.renderings[0].lines[0]) == "0, 1, 2, 3, 4"


@pytest.mark.parametrize(
    ("values", "serialisers", "message"),
    [
        (VALUES, ["speling"], "unknown serialiser 'speling'; choose from plain, .*, as_written$"),
        (VALUES, ["plain", "plain"], "serialiser 'plain' is given twice"),
        (VALUES, ["as_written"], "values has no text of its own"),
        (np.array([1e300, 2.0]), ["delta"], r"does not fit 2\^53"),
        (np.array([np.inf]), ["plain"], "1 values are infinite"),
        (["none"], ["as_written"], "no number in the text"),
    ],
)
def test_bad_input_is_one_line(values, serialisers, message):
    with pytest.raises((DataError, ConfigError), match=message) as caught:
        audit(values, [characters()], serialisers)
    assert "\n" not in str(caught.value)


def test_the_json_says_how_it_was_made(report):
    plain = json.loads(json.dumps(report.to_dict()))
    assert plain["schema"] == 1
    assert {"schema", "command", "versions", "method", "input", "tokenizers", "measures",
            "findings",
            "pitfalls", "remedies", "recommendations", "encoded_inputs", "renderings",
            "comparison", "round_trips", "worst", "config", "citation"} == set(plain)  # fmt: skip
    assert len(plain["findings"]) == 4 * len(plain["pitfalls"])
    assert plain["encoded_inputs"][0]["tokens_per_window"] == 8


def test_a_row_a_tokenizer_and_serialiser_as_a_data_frame(report, monkeypatch):
    frame = report.to_frame()
    assert len(frame) == 4
    assert {"tokenizer", "serialiser", "tokens_per_value", "float_split"} <= set(frame.columns)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ConfigError, match="needs pandas"):
        report.to_frame()


def test_the_recommendation_is_steady_and_faithful(report):
    assert [r.tokenizer for r in report.recommendations] == ["letters", "numbers"]
    for recommendation in report.recommendations:
        own = {r.form: r for r in report.remedies if r.tokenizer == recommendation.tokenizer}
        assert own[recommendation.form].error <= 0.02
        assert "times fewer" in recommendation.text


def test_no_sentence_of_the_report_is_cut(report):
    text, page = report.markdown(), report.html()
    long = [r.text for r in report.recommendations] + report.method
    assert min(len(r.text) for r in report.recommendations) > 150
    for sentence in [*long, *report.text().splitlines()[1:5]]:
        assert sentence.rstrip(".") in text
    assert all(sentence in page for sentence in long)
    named = replace(report, command="python -m tokenization_study audit " + "x" * 200)
    assert "x" * 200 in named.markdown()


def test_a_long_text_of_the_input_is_cut():
    found = audit(["9" * 500 + ".5\n", "1.25\n"], [whole_numbers()], ["as_written"]).markdown()
    assert "9" * 91 not in found


def test_the_report_is_its_pages_and_what_papers_take(report, tmp_path):
    report.save(tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(FILES)
    (tmp_path / "out" / "README.md").write_text("kept")
    report.save(tmp_path / "out")
    assert (tmp_path / "out" / "README.md").read_text() == "kept"


def test_an_unwritable_place_leaves_nothing(report, tmp_path):
    (tmp_path / "file").write_text("x")
    for target in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(DataError, match="cannot write to"):
            report.save(target)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "data.csv").write_text("1")
    with pytest.raises(DataError, match=r"holds other files \(data.csv\)"):
        report.save(tmp_path / "full")
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["data.csv", "file", "full"]


def test_a_place_of_somebody_else_is_refused_before_the_audit(tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(DataError, match="is not yours to write"):
        check_target(tmp_path / "new" / "below")


def test_the_page_needs_nothing_from_outside(report):
    page = report.html()
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page
    for outside in ("<script", "<link", "<img", "src=", "url(", "http"):
        assert outside not in page
    assert page.count("<svg") == 4
    for pitfall in report.to_dict()["pitfalls"]:
        assert f'id="{pitfall["id"]}"' in page


HOSTILE = '<script>alert("x")</script>|`[a](b)'


def test_a_hostile_cell_is_shown_as_text(tmp_path):
    path = tmp_path / "<b>bold.csv"
    rows = "".join(f"{HOSTILE.replace(chr(34), chr(39))},{i}.5\n" for i in range(30))
    path.write_text(f"{HOSTILE.replace(chr(34), '')},x\n{rows}")
    found = audit(path, [characters(name="<i>t"), characters(name="u")], ["as_written", "plain"])
    page, text = found.html(), found.markdown()
    assert "<script" not in page
    assert "<b>bold" not in page
    assert "<i>" not in page
    assert "&lt;" in page
    outside = [line for line in text.splitlines() if "<script" in line.split("`")[0]]
    assert not outside
    assert "# What tokenizers do to &lt;b&gt;bold.csv" in text


def test_ids_stand_behind_every_token(report):
    assert 'title="2"' in report.html()


def test_a_comparison_is_shown_where_it_was_run(report):
    rows = [{"row": "plain, zero-shot", "macro_f1": 0.16, "interval": [0.1, 0.2], "more": {}}]
    with_rows = replace(report, comparison={"rows": rows})
    assert "plain, zero-shot" in with_rows.html()
    assert "0.10 to 0.20" in with_rows.markdown()
    assert "the same frozen model" not in report.html()


def test_prices_are_shown_where_a_price_is_given(report):
    assert "price a window" not in report.html()
    priced = audit(
        VALUES, [characters()], ["plain"], config=AuditConfig(price_per_million_tokens=2)
    )
    assert "price a window" in priced.html()
