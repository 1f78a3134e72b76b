"""Every command on README, the site and cards is one that its program reads: options and files."""

import argparse
import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import jsonargparse
import pytest

from sensor2llm.cli.program import VERBS, load_verb
from sensor2llm.command import parse
from tests.conftest import REPOSITORY

PAGES = [
    REPOSITORY / "README.md",
    REPOSITORY / "CONTRIBUTING.md",
    *sorted((REPOSITORY / "docs").glob("*.md")),
    *sorted((REPOSITORY / "docs" / "results").glob("*.md")),
    *sorted((REPOSITORY / "adapters").glob("*/README.md")),
    *sorted((REPOSITORY / "benchmarks" / "results").glob("*/README.md")),
]
PLACES = {
    "RECIPE.yaml": "adapters/uci-har/recipe.yaml",
    "recipe.yaml": "adapters/uci-har/recipe.yaml",
    "GRID.yaml": "benchmarks/studies/headline.yaml",
}
"""Recipes that stand for a reader's own."""
PROGRAMS = ("sensor2llm", "tokenization_study", "benchmarks", "research", "tests")


class Parsed(BaseException):
    """Ends a program as soon as it has read its words."""


def commands(page: Path) -> Iterator[str]:
    """Give each line of a shell that a page shows, and each command within its text."""
    text = re.sub(r"\\\n\s*", " ", page.read_text(encoding="utf-8"))
    parts = re.split(r"```(\w*)\n(.*?)```", text, flags=re.DOTALL)
    prose, blocks = "\n".join(parts[::3]), "\n".join(parts[2::3])
    shown = [line.strip() for line in prose.splitlines() if line.startswith("    ")]
    within = [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", prose)]
    for line in [*shown, *within, *blocks.splitlines()]:
        yield from re.split(r" \| | && ", line.replace("\\|", "|"))


def words_of(command: str) -> list[str]:
    """Give a command's words without remarks; none where it starts nothing of ours."""
    text = re.split(r"\s{2,}", command.replace("…", "").strip())[0]
    if not re.match(r"(?:\w+=\S+ )?(?:sensor2llm |python -m |accelerate )", text):
        return []
    words = [PLACES.get(word, word) for word in shlex.split(text, comments=True)]
    words = words[words.index("-m") + 1 :] if "-m" in words else words
    return words if words and words[0].partition(".")[0] in PROGRAMS else []


def verb_of(words: list[str]) -> str:
    """Give the verb of `sensor2llm VERB` or `python -m sensor2llm.VERB`; "" for another program."""
    program, _, module = words[0].partition(".")
    if program == "tokenization_study" or (program == "sensor2llm" and not module):
        return words[1].replace("_", "-")
    return module.replace("_", "-") if program == "sensor2llm" else ""


def all_commands() -> list[tuple[str, str]]:
    """Give each page's commands once, those that have words behind their program."""
    pages = {page.relative_to(REPOSITORY).as_posix(): page for page in PAGES}
    once = {(name, *words_of(c)): c for name, page in pages.items() for c in commands(page)}
    return [(words[0], command) for words, command in once.items() if len(words) > 2]


def read(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a program read its words, and end there."""
    if verb := verb_of(words):
        behind = words[1:] if "." in words[0] else words[2:]
        if behind and verb != "VERB":
            parse(load_verb(verb).make_parser(), behind)
        return
    for kind in (argparse.ArgumentParser, jsonargparse.ArgumentParser):
        monkeypatch.setattr(kind, "parse_args", ended(kind.parse_args))
    monkeypatch.setattr("sys.argv", [words[0], *words[1:]])
    name = words[0] if (REPOSITORY / f"{words[0].replace('.', '/')}.py").is_file() else ""
    with pytest.raises(Parsed):
        importlib.import_module(name or f"{words[0]}.__main__").main()


def ended(parse_args):
    def parse_and_end(*positional, **options):
        parse_args(*positional, **options)
        raise Parsed

    return parse_and_end


@pytest.mark.parametrize(("page", "command"), all_commands(), ids=lambda text: text[:60])
def test_a_command_is_read_by_its_program(page, command, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    read(words_of(command), monkeypatch)


def test_files_of_this_repository_that_pages_name_are_there():
    words = {word for page in PAGES for command in commands(page) for word in command.split()}
    roots = "sensor2llm|tokenization_study|benchmarks|research|prompts|tests"
    named = {word for word in words if re.fullmatch(rf"(?:{roots})/[\w/.-]+", word)}
    outputs = {word for word in named if word.startswith("benchmarks/results/")}
    assert {"sensor2llm/signals/tables/", "benchmarks/recipes/any_motion.yaml"} <= named
    assert {name for name in named - outputs if not (REPOSITORY / name).exists()} == set()


def test_verbs_and_targets_of_make_that_pages_name_are_there():
    targets = set(re.findall(r"^([\w-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        for command in commands(page):
            if match := re.match(r"make ([a-z-]+)", command):
                assert match[1] in targets, (page.name, command)
            words = words_of(command)
            if words and (verb := verb_of(words)) and verb != "VERB":
                assert verb in {*VERBS, "audit", "compare"}, (page.name, command)
