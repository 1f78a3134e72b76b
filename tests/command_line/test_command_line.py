"""Recipe files that cannot be: one line that names the option, for every kind of mistake."""

import pytest

from sensor2llm.command import parse, read_recipe, recipe_parser, to_config
from sensor2llm.errors import ConfigError
from sensor2llm.recipes.config import Recipe

LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 30))


@pytest.fixture(scope="module")
def parser():
    return recipe_parser("train_adapter", None, Recipe)


def read(parser, tmp_path, text):
    path = tmp_path / "own.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return to_config(parser, parse(parser, [f"--config={path}", "--out=o"]), Recipe)


def test_a_recipe_file_is_read(parser, tmp_path):
    recipe = read(parser, tmp_path, "projector: {tokens: 4}\nloop: {budget_s: null, epochs: 2}\n")
    assert (recipe.projector.tokens, recipe.loop.epochs, recipe.loop.budget_s) == (4, 2, None)


def test_a_typed_mapping_may_be_longer_than_a_path(parser):
    words = ["--config", f"{{data: {'d' * 5_000}}}"]
    assert to_config(parser, parse(parser, words), Recipe).data.name == "d" * 5_000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1: x", "1 is no option's name; put quotes around it"),
        ("on: x", "True is no option's name; put quotes around it"),
        ("projector: {null: 2}", "None is no option's name"),
        ("lora: {modules: [{1: 2}]}", "1 is no option's name"),
        ("loop: null", "^loop has fields of its own, such as loop.epochs; got null"),
        ("loop:\nout: o", "^loop has fields of its own"),
        ("new_encoder: {supervised: {augment: 0}}",
         r"^new_encoder.supervised.augment has fields of its own, such as "
         r"new_encoder.supervised.augment.\w+; got 0"),
        ("projector: {tokens: null}", "^projector.tokens must be a whole number, got null; leave"),
        ("projector: {dropout: null}", "^projector.dropout must be a number, got null"),
        ("encoder: null", "^encoder must be given, got null"),
        ("tasks: {classification: {weight: null}}", "^a value is null or of another type"),
        ("projector: {tokens: x}", "projector.tokens must be a whole number, got 'x'"),
        ("projecter: {tokens: 2}", "unknown field 'projecter.tokens'; did you mean projector.to"),
        ("- a", "expected a YAML mapping of option names to values"),
        ("a: [", "own.yaml is no YAML: while parsing"),
        ("prompt: a\nprompt: b", r"own.yaml is no YAML: the key 'prompt' is there twice"),
        (LAUGHS, "own.yaml is no YAML: more than 100000 values"),
        ("{a: " * 9_000, "own.yaml is no YAML: nested deeper than 64"),
        (b"\xff\xfe", "own.yaml is no YAML: not UTF-8"),
        ("prompt: " + "9" * 5_000, "own.yaml is no YAML: Exceeds the limit"),
        ("loop: '" + LAUGHS.replace("\n", "\n\n  ") + "'", "^loop"),
    ],
)  # fmt: skip
def test_a_recipe_that_cannot_be_is_one_line(parser, tmp_path, text, message):
    with pytest.raises(ConfigError, match=message) as caught:
        read(parser, tmp_path, text)
    assert len(str(caught.value)) <= 293


def test_a_missing_recipe_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"recipe file .*none\.yaml.* does not exist"):
        read_recipe(tmp_path / "none.yaml", Recipe)
