"""The comparison of raw-number prompts with encoded inputs, on a tiny LLM."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from sensor2llm.errors import ConfigError
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.tasks.loading import load_model
from tests.models import LABELS, text_adapter, tiny_llm
from tests.signals.stores import SPEC
from tests.tokenization_study.comparison.small import CONFIG, ZERO_SHOT_ONLY
from tests.verbs import llm_folder, save_store
from tokenization_study.__main__ import main
from tokenization_study.comparison import prompted, prompts, rows, run, unprompted
from tokenization_study.comparison.texts import WindowTexts


@pytest.fixture(scope="module")
def report(folders, llm):
    adapter, store, out = folders
    return run.compare(str(adapter), store, out, CONFIG, llm=llm, command="typed")


def row_of(report, given, prompt):
    return next(
        r for r in report["rows"] if r["input"].endswith(given) and r["prompt"].startswith(prompt)
    )


def test_every_promised_row_is_there(report):
    asked = Counter((r["input"], r["prompt"].partition(",")[0]) for r in report["rows"])
    for form in ("raw numbers: plain", "raw numbers: digits_spaced"):
        assert asked[form, "zero-shot"] == asked[f"{form}, full rate", "zero-shot"] == 1
    assert asked["summary statistics", "zero-shot"] == 1
    for how in ("few-shot", "learned soft prompt", rows.STATES):
        # The best form on validation people, and the statistics.
        assert sum(count for (_, prompt), count in asked.items() if prompt == how) == 2
        assert asked["summary statistics", how] == 1
    for numbers in ("raw numbers", "raw numbers, full rate", "summary statistics"):
        assert asked[numbers, rows.FOREST] == 2
    assert asked["encoded inputs", "adapter"] == 1
    assert asked["nothing", "the most frequent training label"] == 1
    assert asked["encoder features", "logistic regression"] == 1
    assert asked["encoded inputs", "signal taken away (text only)"] == 1
    assert len({tuple(row) for row in report["rows"]}) == 1
    judged = {r["windows"] for r in report["rows"]}
    assert judged == {report["windows"]}
    assert {r["not_fitting"] for r in report["rows"]} == {0}
    (timed,) = [r for r in report["rows"] if r["macro_f1"] is None]
    assert timed["input"].endswith("full rate")  # the form that is not the best


def test_rows_say_what_they_saw(report, folders):
    encoded = row_of(report, "encoded inputs", "adapter")
    plain = row_of(report, "plain", "zero-shot")
    full = row_of(report, "plain, full rate", "zero-shot")
    assert encoded["sensors"] == plain["sensors"] == full["sensors"]
    assert plain["sensors"] == ", ".join(WindowStore.open(folders[1]).spec.names)
    assert full["rates"] == encoded["rates"] != plain["rates"]
    assert "4 Hz" in plain["rates"]
    store = WindowStore.open(folders[1])
    values = [sum(v.size for v in store[i].signals.values()) for i in report["index"]]
    assert full["numbers"] == encoded["numbers"] == np.mean(values) > plain["numbers"]
    assert plain["numbers"] == row_of(report, "raw numbers", rows.FOREST)["numbers"]
    assert row_of(report, "summary statistics", "zero-shot")["sensors"] == plain["sensors"]
    labels = {(r["input"], r["prompt"]): r["labels"] for r in report["rows"]}
    assert labels["raw numbers: plain", "zero-shot"] == 0
    assert {n for (_, how), n in labels.items() if how.startswith("few-shot")} <= {1, 2}
    assert labels["summary statistics", "learned soft prompt"] == CONFIG.train_windows
    assert labels["raw numbers", f"{rows.FOREST}, as many labels as the LLM's rows"] == 12
    assert labels["raw numbers", f"{rows.FOREST}, all labels"] == encoded["labels"] > 12


def test_rows_count_every_position(report, folders, llm):
    model = load_model(str(folders[0]), llm)
    encoded = row_of(report, "encoded inputs", "adapter")
    assert encoded["positions"] == model.tokens_per_window
    plain = row_of(report, "plain", "zero-shot")
    store = WindowStore.open(folders[1])
    texts = WindowTexts(store, np.arange(len(store)), CONFIG, CONFIG.rate_hz)
    asked = prompts.text_model(model.adapter, model.llm, "zero_shot", texts.variables("plain"))
    text = texts.write("plain", [0])[0]
    words = len(model.llm.encode(asked.prompting.text(signal=text)))
    answer = asked.prompting.answers.table.shape[1]
    assert prompts.positions_of(asked, [text]).tolist() == [words + answer]
    full = row_of(report, "plain, full rate", "zero-shot")
    assert full["positions"] > plain["positions"]


NEVER = {
    prompted: ("ask", "learn_prompt", "measure_prior", "time_window", "read_states"),
    unprompted: ("evaluate_adapter", "predict_by_forest"),
}


def test_a_second_run_asks_nothing_again(report, folders, monkeypatch, llm):
    def never(*_, **__):
        raise AssertionError("a kept row was measured again")

    for module, names in NEVER.items():
        for name in names:
            monkeypatch.setattr(module, name, never)
    adapter, store, out = folders
    again = run.compare(str(adapter), store, out, CONFIG, llm=llm, command="typed")
    assert again == report


def test_other_prompts_are_measured_anew(report, folders, monkeypatch, llm):
    asked = []
    known = prompted.ask
    monkeypatch.setattr(prompted, "ask", lambda *a, **k: asked.append(1) or known(*a, **k))
    adapter, store, out = folders
    other = replace(CONFIG, serialisers=("plain",), decimals=1, **ZERO_SHOT_ONLY)
    run.compare(str(adapter), store, out.with_name("other"), other, llm=llm)
    before = len(asked)
    changed = replace(other, decimals=3)
    run.compare(str(adapter), store, out.with_name("other"), changed, llm=llm)
    assert before == 4  # plain and facts, test and validation people
    assert len(asked) == 6  # the facts do not depend on decimals


def test_other_data_in_the_same_folder_are_measured_anew(folders, monkeypatch, tmp_path, llm):
    """Though the windows that are judged are the same: examples and priors are of the others."""
    asked = []
    known = prompted.ask
    monkeypatch.setattr(prompted, "ask", lambda *a, **k: asked.append(1) or known(*a, **k))
    few = replace(CONFIG, serialisers=("plain",), **ZERO_SHOT_ONLY)
    store = save_store(tmp_path / "store")
    for _ in range(2):
        run.compare(str(folders[0]), store, tmp_path / "out", few, llm=llm)
    assert len(asked) == 4  # plain and facts, test and validation people
    windows = list(WindowStore.open(store))
    windows[0] = replace(windows[0], start_s=0.5)
    WindowStore.write(store, SPEC, windows, LABELS, source="made up")
    run.compare(str(folders[0]), store, tmp_path / "out", few, llm=llm)
    assert len(asked) == 8


def test_a_row_that_is_too_dear_is_timed_and_says_so(folders, monkeypatch, tmp_path, llm):
    """It is run once there is time, and stays when there is less again."""
    monkeypatch.setattr(prompted, "time_window", lambda *_: 30.0)
    adapter, store, _ = folders
    few = replace(CONFIG, serialisers=("plain",), **ZERO_SHOT_ONLY | {"free_text": True})
    dear = row_of(run.compare(str(adapter), store, tmp_path, few, llm=llm), "plain", "zero")
    assert (dear["macro_f1"], dear["seconds_per_window"]) == (None, 30.0)
    # What is asked, in label scoring and in the LLM's own words; a prior; and to choose the form.
    asked = 2 * dear["windows"] + few.train_windows + few.validation_windows
    assert dear["note"] == f"not run: would take {asked * 30 / 60:.0f} min"
    long = replace(few, row_minutes=1000.0)
    ran = row_of(run.compare(str(adapter), store, tmp_path, long, llm=llm), "plain", "zero")
    assert ran["macro_f1"] is not None
    again = run.compare(str(adapter), store, tmp_path, few, llm=llm)
    assert row_of(again, "plain", "zero") == ran


def test_the_verb_writes_what_the_audit_shows(report, folders, capsys, tmp_path, llm):
    adapter, store, out = folders
    words = [
        *("--adapter", adapter, "--data", store, "--out", out, "--llm", llm),
        *("--windows", 12, "--validation-windows", 6, "--train-windows", 12, "--epochs", 1),
        *("--learned", 1, "--shots", 2, "--rate-hz", 4, "--soft-tokens", 2),
        *("--serialisers", "[plain,digits_spaced]", "--free-text", "true", "--json"),
    ]
    assert main(["compare", *map(str, words)]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["rows"] == report["rows"]
    table = (out / "comparison.md").read_text()
    assert "| raw numbers: plain | zero-shot |" in table
    numbers = tmp_path / "numbers.txt"
    numbers.write_text("0.5, 0.6, 0.7\n1.5, 1.25, 1.75\n")
    written = ["--comparison", str(out / "comparison.json"), "--out", str(tmp_path / "audit")]
    assert main(["audit", str(numbers), "--tokenizer", "bundled", *written]) == 0
    assert "learned soft prompt" in (tmp_path / "audit" / "report.html").read_text()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (["--serialisers", "[runes]"], "unknown serialiser 'runes'; choose from plain"),
        (["--modality", "ecg"], "no modality 'ecg' in the store; choose from"),
        (["--windows", "0"], "windows must be positive, got 0"),
        (["--adapter", "nowhere"], "no adapter 'nowhere'"),
        (["--data", "nowhere"], "nowhere"),
    ],
)
def test_wrong_input_is_one_line(folders, capsys, tmp_path, changed, message, llm):
    adapter, store, _ = folders
    given = {"--adapter": adapter, "--data": store, "--llm": llm, "--out": tmp_path / "o"}
    given |= dict(zip(changed[::2], changed[1::2], strict=True))
    words = [str(word) for pair in given.items() for word in pair]
    assert main(["compare", *words]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "o").exists()


def test_an_adapter_that_reads_text_is_refused(folders, tmp_path):
    adapter = text_adapter(tiny_llm()).save(tmp_path / "text")
    with pytest.raises(ConfigError, match="needs an adapter with an encoder"):
        run.compare(str(adapter), folders[1], tmp_path / "o", CONFIG, llm=llm_folder())
