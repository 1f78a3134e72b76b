"""The one program: `sensor2llm VERB …` does what `python -m sensor2llm.VERB …` does."""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from sensor2llm.errors import ConfigError, run_verb

VERBS = {
    "init": "look at your files and write their description",
    "prepare": "turn a published data set or your own table into a window store",
    "pretrain-encoder": "pretrain a signal encoder on a store, without labels",
    "train-adapter": "train the adapter that lets a frozen LLM hear the signals",
    "evaluate": "measure an adapter or an encoder on a store",
    "classify": "label the windows of recordings",
    "listen": "label a running device: a stream, lines, or a file played as one",
    "fit-axes": "propose how a device's axes are to be turned for an adapter",
    "chat": "talk with the LLM about a window",
    "serve": "serve adapters over HTTP, as OpenAI's chat and more",
    "mcp": "give assistants tools that label files and answer about windows",
    "study": "compare ways to make an encoder, over stores, folds and seeds",
    "get": "get a named language model into the cache",
    "list": "show adapters, encoders, data sets, prompts, LLMs and tokenizers by name",
    "completion": "print what completes verbs and options in your shell",
}
PLUGINS = "sensor2llm.verbs"
"""Entry points of packages that bring verbs: a module with `main` and `make_parser` each."""
MODULES = {"get": "cli.get", "list": "cli.listing", "completion": "cli.completion",
           "fit-axes": "cli.fit_axes"}  # fmt: skip
"""Verbs whose module has another name."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the verb that the first argument names; without one, list them.

    Returns:
        The verb's exit code; 2 for an unknown verb, with one line on stderr.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help", "help"):
        print(_overview())
        return 0
    if words[0] == "--version":
        from sensor2llm import __version__

        print(f"sensor2llm {__version__}")
        return 0
    verb = words[0].replace("_", "-")
    if verb not in VERBS and verb not in all_verbs():
        return run_verb(lambda: _refuse(words[0]))
    return int(load_verb(verb).main(words[1:]))


def module_name(verb: str) -> str:
    """Give the module of a verb that this package has itself."""
    return f"sensor2llm.{MODULES.get(verb, verb.replace('-', '_'))}"


def all_verbs() -> list[str]:
    """Give every verb, those of other packages behind our own that work on data."""
    verbs = list(VERBS)
    verbs[verbs.index("list") : 0] = sorted(entry_points(group=PLUGINS).names)
    return verbs


def load_verb(verb: str) -> Any:
    """Import a verb's module."""
    if verb in VERBS:
        return import_module(module_name(verb))
    return entry_points(group=PLUGINS)[verb].load()


def summary(verb: str) -> str:
    """Say in one line what a verb does."""
    if verb in VERBS:
        return VERBS[verb]
    line = str(load_verb(verb).__doc__).splitlines()[0].rstrip(".")
    return line[:1].lower() + line[1:]


def _overview() -> str:
    verbs = all_verbs()
    width = max(map(len, verbs)) + 2
    return "\n".join(
        ["usage: sensor2llm VERB [options]", "", "Let a frozen language model hear sensors.", ""]
        + [f"  {verb:<{width}}{summary(verb)}" for verb in verbs]
        + ["", "`sensor2llm VERB --help` shows a verb's options; `--version` the version."]
    )


def _refuse(verb: str) -> int:
    raise ConfigError(f"unknown verb {verb!r}; choose from {', '.join(all_verbs())}")


if __name__ == "__main__":
    sys.exit(main())
