"""The comparison of raw-number prompts with encoded inputs, on a tiny LLM."""

import json
import shutil
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sensor2llm.datasets.simulation.config import SimulationConfig
from sensor2llm.datasets.simulation.simulate import simulate_store
from sensor2llm.errors import ConfigError
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.llm.templates import PromptTemplate
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.tasks.loading import load_model
from tests.models import LABELS, small_adapter, text_adapter, tiny_llm
from tests.signals.stores import SPEC
from tests.verbs import llm_folder, save_store
from tokenization_study.__main__ import main
from tokenization_study.comparison import (
    forest,
    prompted,
    prompts,
    rows,
    run,
    states,
    table,
    unprompted,
)
from tokenization_study.comparison.config import ComparisonConfig
from tokenization_study.comparison.sample import stratified_sample
from tokenization_study.comparison.texts import WindowTexts

CONFIG = ComparisonConfig(
    windows=12, validation_windows=6, train_windows=12, epochs=1, learned=1, shots=2,
    serialisers=("plain", "digits_spaced"), rate_hz=4.0, soft_tokens=2, free_text=True,
)  # fmt: skip


ZERO_SHOT_ONLY = {"shots": 0, "soft_tokens": 0, "learned": 0}


@pytest.fixture(scope="module", autouse=True)
def few_trees():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forest, "TREES", 9)
        yield


@pytest.fixture(scope="module")
def folders(tmp_path_factory, llm):
    base = tmp_path_factory.mktemp("comparison")
    template = PromptTemplate.load("activity")
    loaded = FrozenLLM.load(llm, dtype="float32", device="cpu")
    adapter = small_adapter(loaded, template=template).save(base / "adapter")
    return adapter, save_store(base / "store"), base / "out"


@pytest.fixture(scope="module")
def llm(tmp_path_factory):
    """Give a tiny LLM whose context holds every prompt of numbers."""
    folder = tmp_path_factory.mktemp("llm") / "long"
    shutil.copytree(llm_folder(), folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 4096}))
    return str(folder)


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


def test_windows_beyond_the_context_count_as_wrong(folders, monkeypatch, llm):
    model = load_model(str(folders[0]), llm)
    asked = prompts.text_model(model.adapter, model.llm, "zero_shot", {})
    texts = ("1, 2", "1, 2, 3, 4, 5, 6, 7, 8, 9")
    positions = prompts.positions_of(asked, texts)
    monkeypatch.setattr(FrozenLLM, "context", int(positions[0]))
    answers = prompts.ask(asked, prompts.TextRows(texts, np.array([0, 0])), CONFIG)
    assert answers.fits.tolist() == [True, False]
    assert answers.scored[1] == answers.written[1] == -1
    assert answers.scored[0] >= 0
    assert answers.probabilities is None


def test_examples_are_as_many_as_fit(folders, monkeypatch, tmp_path, llm):
    monkeypatch.setattr(FrozenLLM, "context", 40)
    adapter, store, _ = folders
    few = replace(CONFIG, serialisers=("plain",), soft_tokens=0, shots=4)
    found = run.compare(str(adapter), store, tmp_path, few, llm=llm)
    row = row_of(found, "plain", "few-shot")
    assert row["prompt"] == "few-shot, 1 examples"
    assert row["not_fitting"] == row["windows"]
    assert row["note"] == "not run: no window fits the context"


def test_a_row_that_is_too_dear_is_timed_and_says_so(folders, monkeypatch, tmp_path, llm):
    """It is run once there is time, and stays when there is less again."""
    monkeypatch.setattr(prompted, "time_window", lambda *_: 30.0)
    adapter, store, _ = folders
    few = replace(CONFIG, serialisers=("plain",), **ZERO_SHOT_ONLY)
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


TEXTS = ("1, 2", "3, 4, 5, 6, 7", "5, 7, 8", "2, 2, 2")


@pytest.mark.parametrize("form", ["zero_shot", "few_shot"])
def test_a_window_is_timed_as_it_is_asked(folders, monkeypatch, llm, form):
    """Nothing of the timed window is cached before; what examples all windows share, is."""
    examples = {"examples": [{"numbers": "1, 1", "label": "rest"}]}
    model = load_model(str(folders[0]), llm)
    model = prompts.text_model(model.adapter, model.llm, form, examples if "few" in form else {})
    ran, known = [], FrozenLLM.run

    def counted(self, vectors, *inputs, **options):
        ran.append(vectors.shape[0] * vectors.shape[1])
        return known(self, vectors, *inputs, **options)

    monkeypatch.setattr(FrozenLLM, "run", counted)
    monkeypatch.setattr(prompts, "time", SimpleNamespace(perf_counter=lambda: sum(ran)))
    timed = prompts.time_window(model, prompts.TextRows(TEXTS, np.zeros(4, int)))
    prompt, tree = model.prompting.ids(signal=TEXTS[1]), model.prompting.answers.tree
    other = model.prompting.ids(signal=TEXTS[0])
    head = next(i for i in range(len(prompt)) if prompt[i] != other[i])
    assert timed == len(prompt) + len(tree) - (head if form == "few_shot" else 0)


def test_windows_score_alone_what_they_score_together(folders, monkeypatch, llm):
    model = load_model(str(folders[0]), llm, dtype="float32")
    model = prompts.text_model(model.adapter, model.llm, "zero_shot", {})
    windows = prompts.TextRows(TEXTS, np.zeros(4, int))
    batches, known = [], type(model).score
    monkeypatch.setattr(type(model), "score", lambda m, b: batches.append(len(b)) or known(m, b))
    alone = prompts.ask(model, windows, CONFIG).probabilities
    monkeypatch.setattr(prompts, "runs_alone", lambda _: False)
    np.testing.assert_allclose(prompts.ask(model, windows, CONFIG).probabilities, alone, atol=1e-5)
    assert batches == [1, 1, 1, 1, 4]


def test_a_killed_reading_of_states_goes_on(folders, monkeypatch, tmp_path, llm):
    model = load_model(str(folders[0]), llm)
    asked = prompts.text_model(model.adapter, model.llm, "zero_shot", {})
    texts = [f"{i}, 2" for i in range(5)]
    monkeypatch.setattr(states, "AT_ONCE", 2)
    whole = states.read_states(asked, texts, tmp_path / "whole")
    known, read = states.window_states, []

    def killed(model, text):
        if len(read) == 3:
            raise KeyboardInterrupt
        read.append(text)
        return known(model, text)

    monkeypatch.setattr(states, "window_states", killed)
    with pytest.raises(KeyboardInterrupt):
        states.read_states(asked, texts, tmp_path / "part")
    read.clear()
    np.testing.assert_array_equal(states.read_states(asked, texts, tmp_path / "part"), whole)
    assert read == texts[2:]
    ids = asked.prompting.ids(signal=texts[0])
    assert whole.shape == (5, 2, 1 + model.llm.layers, model.llm.hidden_width)
    last = model.llm.run(model.llm.embed(torch.tensor([ids])), states=True).hidden_states
    np.testing.assert_allclose(whole[0, 0, -1], last[-1][0, -1].float(), atol=1e-2)
    np.testing.assert_allclose(whole[0, 1, 1], last[1][0].float().mean(0), atol=1e-2)


def test_a_probe_takes_the_layer_that_validation_people_choose():
    """Layer 1 of the last position holds the labels; the others hold noise."""
    generator, labels = np.random.default_rng(0), {}
    read = {}
    for part, count in (("train", 60), ("validation", 30), ("test", 30)):
        labels[part] = np.arange(count) % 3
        read[part] = generator.normal(size=(count, 2, 3, 4)).astype(np.float16)
        read[part][:, 0, 1, :3] += 6 * np.eye(3)[labels[part]]
    predicted, chosen = states.probe_states(read, labels, 3)
    assert predicted.tolist() == labels["test"].tolist()
    assert (chosen["layer"], chosen["pooling"]) == (1, "the last position")


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        ((0.95, 0.35, 0.85, 0.75, 0.65), "a random forest 0.850 with all labels or 0.750 with as"),
        ((0.95, 0.35, 0.85, 0.75, 0.65), "states of the prompt reaches 0.650: 83 % of the gap"),
        ((0.95, 0.35, 0.25, None, None), "a random forest 0.250: 0 % of the gap"),
        ((0.95, 0.35, None, None, None), ""),
        ((0.35, 0.95, 0.85, None, None), ""),
    ],
)
def test_the_page_says_what_the_numbers_hold(verdict, words):
    names = ("encoded", "best_raw", "best_forest", "best_forest_as_many_labels", "best_states")
    figures = {f"{name}_macro_f1": value for name, value in zip(names, verdict, strict=True)}
    sentence = table.blindness_sentence(figures)
    assert words in sentence
    assert bool(words) == bool(sentence)


def test_the_sample_keeps_shares_of_people_and_labels():
    people = np.repeat([0, 1, 2], [100, 200, 300])
    labels = np.tile([0, 1, 1, 1], 150)
    rows = np.arange(600) * 7
    chosen = stratified_sample(rows, people, labels, 60, seed=1)
    assert len(set(chosen.tolist())) == 60
    assert set(chosen.tolist()) <= set(rows.tolist())
    found = Counter(zip(people[chosen // 7].tolist(), labels[chosen // 7].tolist(), strict=True))
    whole = Counter(zip(people.tolist(), labels.tolist(), strict=True))
    assert all(abs(found[cell] - whole[cell] / 10) < 1 for cell in whole)
    assert stratified_sample(rows, people, labels, 60, seed=1).tolist() == chosen.tolist()
    assert stratified_sample(rows, people, labels, 60, seed=2).tolist() != chosen.tolist()


def test_reduced_numbers_have_the_stated_rate_and_decimals(folders):
    store = WindowStore.open(folders[1])
    texts = WindowTexts(store, np.arange(len(store)), CONFIG, 4.0)
    window, lines = texts.reduced(0), texts.write("plain", [0])[0].split("\n")
    assert set(window) <= set(store.spec.names)
    for modality in store.spec.modalities:
        rate = modality.rate_hz
        if (values := window.get(modality.name)) is not None:
            assert values.shape[1] == modality.steps * min(4.0, rate) / rate if rate else 1
            np.testing.assert_array_equal(values, np.round(values, 2))
        assert any(line.startswith(modality.name) for line in lines)
    alone = WindowTexts(store, np.arange(len(store)), replace(CONFIG, modality=store.spec.names[0]))
    assert len(alone.write("plain", [0])[0].split("\n")) == len(alone.modalities[0].channels)


def test_a_forest_gets_exactly_the_numbers_of_the_text(folders):
    store = WindowStore.open(folders[1])
    texts = WindowTexts(store, np.arange(len(store)), CONFIG, 4.0)
    written = [
        float(number)
        for line in texts.write("plain", [0])[0].split("\n")
        if not line.endswith((":", "missing"))
        for number in line.split(", ")
    ]
    numbers = texts.numbers("plain", np.arange(3))
    assert numbers[0][~np.isnan(numbers[0])].tolist() == written
    facts, text = texts.numbers("facts", np.arange(3)), texts.write("facts", [0])[0]
    held = facts[0][~np.isnan(facts[0])]
    assert len(held) > 3
    assert all(f"{value:g}" in text for value in held)


def test_beats_have_no_rate_and_are_written_whole(tmp_path):
    store = simulate_store(
        tmp_path / "beats", SimulationConfig(scenario="rhythm", subjects=3, sessions=1, bout_s=150)
    )
    texts = WindowTexts(store, np.arange(len(store)), replace(CONFIG, decimals=0), 4.0)
    (modality,) = texts.modalities
    assert (texts.rates, texts.reduces) == ("each value", False)
    whole = store[0].signals[modality.name]
    np.testing.assert_array_equal(texts.reduced(0)[modality.name], np.round(whole))
    assert "rate_hz" not in texts.variables("plain")


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
