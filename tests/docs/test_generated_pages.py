"""Pages that come from the code say what the code says."""

import re

import pytest

from docs import docstrings, generated_pages
from sensor2llm.cli.program import VERBS
from sensor2llm.signals.tables import config
from sensor2llm.signals.tables.keys import clock, modality, origin
from tests.conftest import REPOSITORY
from tokenization_study.checks.catalogue import PITFALLS

OWN_DATA = (REPOSITORY / "docs" / "own_data.md").read_text(encoding="utf-8")


def test_the_command_line_has_every_verb_and_no_path_of_this_machine():
    text = generated_pages.command_line()
    assert [f"## {verb.replace('_', '-')}" in text for verb in VERBS] == [True] * len(VERBS)
    assert "## tokenization_study audit" in text
    assert str(REPOSITORY) not in text


def test_a_program_without_help_is_an_error():
    with pytest.raises(RuntimeError, match="has no help"):
        generated_pages._help(lambda words: 2, ["verb"])


def test_every_key_of_a_description_is_explained():
    keys = {*config._KEYS, *modality.KEYS, *clock.KEYS, *origin._ANNOTATION_KEYS}
    assert {key for key in keys if f"| `{key}` |" not in OWN_DATA} == set()


def test_every_error_that_is_explained_is_one_of_the_readers():
    rows = re.findall(r"^\| (`.*?) \| .* \|$", OWN_DATA.split("## Errors and what to do")[1], re.M)
    sayings = [text for row in rows for text in re.findall(r"`(.+?)`", row)]
    source = generated_pages.reader_errors() + "".join(
        path.read_text(encoding="utf-8") for path in sorted(generated_pages.READER.rglob("*.py"))
    )
    words = re.sub(r'\{[^{}"]*\}', "…", " ".join(re.sub(r'"\s*f?"', "", source).split()))
    pieces = [piece.strip(" '") for saying in sayings for piece in saying.split("…")]
    assert len(sayings) > 20
    assert {piece for piece in pieces if piece not in words} == set()


def test_the_readers_errors_are_found_with_their_variable_places():
    text = generated_pages.reader_errors()
    assert "- `overlap must be from 0 to below 1, got …`" in text


def test_every_pitfall_is_in_the_list():
    text = generated_pages.pitfalls()
    assert text.count("\n") == len(PITFALLS) + 2
    assert all(f"| `{name}` |" in text for name in PITFALLS)


def test_the_layers_are_the_contracts():
    rows = generated_pages.layer_rows()
    assert generated_pages.layers().count("\n") == len(rows) + 2
    assert "`bridge`, `encoders`" in generated_pages.layers()


def test_every_package_says_what_it_is():
    rows = re.findall(r"`(\w+)/` \| \d+ \| (.*) \|", generated_pages.tree())
    assert len(rows) == len(generated_pages.packages())
    assert [name for name, text in rows if not text] == []


@pytest.mark.parametrize("name", ["bridge", "signals", "adapter", "moved"])
def test_a_package_page_lists_names_only_of_what_people_import(name):
    package = "sensor2llm" if name == "moved" else f"sensor2llm.{name}"
    page = generated_pages.package_page(package)
    inner = f".. automodule:: {package}.{'moved' if name == 'moved' else 'config'}"
    if inner in page:
        documented = page.split(inner)[1].lstrip("\n ").startswith(":members:")
        assert documented is (name != "moved")


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [
        ("Give `a` and ``b``.", "Give ``a`` and ``b``."),
        ("Add |x| * 2.", r"Add \|x\| \* 2."),
        ("Files:\n    a.json   one\nMore.", "Files:\n\n::\n\n        a.json   one\n\nMore."),
        ("| a | b |\n|---|---|", "\n\n::\n\n    | a | b |\n    |---|---|"),
        ("Rules:\n- one\n  line\n- two", "Rules:\n\n- one\n  line\n- two"),
        ("Args:\n    x: the `x`.", "Args:\n    x: the ``x``."),
        (">>> f('|')\n'`'", ">>> f('|')\n'`'"),
    ],
)
def test_a_docstring_becomes_restructured_text(docstring, expected):
    lines = docstrings.convert(docstring.split("\n"))
    assert "\n".join(lines).strip() == expected.strip()


def test_every_place_that_the_architecture_names_is_there():
    text = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
    places = re.findall(r"`((?:sensor2llm|tokenization_study|tests)/[\w/]+(?:\.py|/))`", text)
    assert len(places) > 20
    assert [place for place in places if not (REPOSITORY / place).exists()] == []
