"""Dashes and underscores are one; a list has spaces, commas or brackets."""

from importlib import import_module
from pathlib import Path

import pytest

from research.bundled_llm import __main__ as bundled_llm
from sensor2llm import prepare as prepare_verb
from sensor2llm import pretrain_encoder, study, train_adapter
from sensor2llm.command import parse, to_config, verb_parser
from sensor2llm.errors import ConfigError
from sensor2llm.pretraining.config import EncoderRecipe
from sensor2llm.recipes.config import Recipe
from sensor2llm.studies.config import StudyConfig

GRID = "name: n\nstores: {toy: {path: p}}\nmethods: {supervised: {}}\n"


def recipe(*words: str) -> Recipe:
    parser = train_adapter.make_parser()
    return to_config(parser, parse(parser, list(words)), Recipe)


@pytest.mark.parametrize(
    "words",
    [
        ["--loop.learning-rate", "0.5"],
        ["--loop.learning_rate", "0.5"],
        ["--loop.learning-rate=0.5"],
        ["--loop.learning_rate=0.5"],
    ],
)
def test_dashes_and_underscores_are_one(words):
    assert recipe(*words).loop.learning_rate == 0.5


def test_fields_of_a_mapping_have_dashes_too():
    tasks = recipe("--tasks.question-answering.per-window", "7").tasks
    assert tasks["question_answering"].per_window == 7


def test_a_value_keeps_its_dashes():
    assert (
        recipe("--encoder", "uci-har-encoder", "--prompt=my_own-prompt").prompt == "my_own-prompt"
    )


def test_an_option_that_was_given_dashes_is_found_by_both():
    parser = verb_parser("prepare", "Do.")
    parser.add_argument("--report-only", action="store_true")
    assert parse(parser, ["--report-only"]).report_only
    assert parse(parser, ["--report_only"]).report_only


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["--loop.learning_rate", "x"], "loop.learning-rate must be a number, got 'x'"),
        (["--llm_dtype", "x"], "unknown llm-dtype 'x'; choose from auto, float32"),
        (["--loop.learning_rat", "1"], "unknown option '--loop.learning-rat'; did you mean loop.l"),
        (["--label_fraction"], "--label-fraction needs a value"),
        (["--resume=3"], "--resume takes no value"),
        (["--lora.modules", "--resume"], "--lora.modules needs a value"),
        (["--tasks.classification.weight", "x"], "tasks: weight must be a number, got 'x'"),
        (["--tasks.classification.wieght", "1"], "tasks: unknown field 'wieght'; did you mean w"),
        (["--tasks.classification.colour", "1"], "tasks: unknown field 'colour'; fields are wei"),
        (["--tasks", "3"], "tasks must be a mapping of names to values, got '3'"),
        (["--loop", "nowhere"], "loop has fields of its own, such as --loop.NAME VALUE; 'nowhere'"),
        (["--split.kind", "x"], "unknown split.kind 'x'; choose from published, subject"),
        (["--new-encoder.encoder.kernels", "1,x"], "new-encoder.encoder.kernels must be a list of"),
        (["--config", "nowhere.yaml"], "recipe file 'nowhere.yaml' does not exist"),
        (["--config", "."], "recipe file '.' is a folder"),
        (["--config", "{colour: 1}"], "{colour: 1}: unknown field 'colour'"),
    ],
)  # fmt: skip
def test_errors_show_dashes_where_words_were_typed(words, name):
    with pytest.raises(ConfigError) as caught:
        recipe(*words)
    assert str(caught.value).startswith(name)


def test_a_file_of_a_groups_fields_is_checked_as_words_are(tmp_path):
    file = tmp_path / "loop.yaml"
    file.write_text("epochs: 3\n")
    assert recipe("--loop", str(file)).loop.epochs == 3
    file.write_text("epochs: many\n")
    with pytest.raises(ConfigError, match=r"^loop\.epochs must be a whole number, got 'many'"):
        recipe("--loop", str(file))


def spelled(name: str, *items: str) -> list[list[str]]:
    """Write a list in every way that it may be typed."""
    commas = ",".join(items)
    return [
        [name, *items],
        [name, commas],
        [f"{name}={commas}"],
        [name, f"{commas},"],
        [name, *(f"{item}," for item in items[:-1]), items[-1]],
    ]


@pytest.mark.parametrize("words", [*spelled("--folds", "0", "2"), ["--folds", "[0,", "2]"]])
def test_a_list_of_numbers(words, tmp_path):
    (tmp_path / "grid.yaml").write_text(GRID)
    parser = study.make_parser()
    words = [f"--config={tmp_path / 'grid.yaml'}", *words, "--report-only"]
    options = parse(parser, words)
    assert options.report_only
    assert to_config(parser, options, StudyConfig).folds == (0, 2)


@pytest.mark.parametrize("words", spelled("--labels.shares", "0.1", "1.0"))
def test_a_list_of_shares(words, tmp_path):
    (tmp_path / "grid.yaml").write_text(GRID)
    parser = study.make_parser()
    options = parse(parser, [f"--config={tmp_path / 'grid.yaml'}", *words])
    assert to_config(parser, options, StudyConfig).labels.shares == (0.1, 1.0)


@pytest.mark.parametrize("words", spelled("--lora.modules", "q_proj", "v_proj"))
def test_a_list_of_words(words):
    assert recipe(*words, "--lora.rank", "2").lora.modules == ("q_proj", "v_proj")


def test_a_word_of_a_list_that_looks_like_a_number_stays_a_word():
    assert recipe("--lora.modules", "1", "true").lora.modules == ("1", "true")


@pytest.mark.parametrize("words", spelled("--encoder.kernels", "7", "5", "3"))
def test_a_list_of_an_encoder(words):
    parser = pretrain_encoder.make_parser()
    options = parse(parser, ["--data", "d", "--out", "o", *words])
    assert tuple(to_config(parser, options, EncoderRecipe).encoder.kernels) == (7, 5, 3)


@pytest.mark.parametrize("words", spelled("--stores", "a", "b"))
def test_a_list_of_stores(words):
    options = parse(prepare_verb.make_parser(), ["joined", "--out", "o", *words])
    assert options.stores == [Path("a"), Path("b")]


def test_a_file_whose_name_has_a_comma_is_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a,b").mkdir()
    words = ["joined", "--out", "o", "--stores", "a,b", "c,d"]
    assert parse(prepare_verb.make_parser(), words).stores == [Path("a,b"), Path("c"), Path("d")]


def test_a_recording_is_never_divided():
    parser = import_module("sensor2llm.classify").make_parser()
    options = parse(parser, ["adapter", "a,b.csv", "c.csv"])
    assert options.file == [Path("a,b.csv"), Path("c.csv")]


@pytest.mark.parametrize("words", spelled("--stages", "chat", "finish"))
def test_a_list_of_stages(words, tmp_path, monkeypatch):
    stages = []
    monkeypatch.setattr(
        "research.bundled_llm.run.pretrain", lambda *_, **more: stages.extend(more["stages"]) or {}
    )
    assert bundled_llm.main(["--corpus", "c", "--out", str(tmp_path), *words]) == 0
    assert stages == ["chat", "finish"]
