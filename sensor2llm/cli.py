"""The console script: `sensor2llm VERB …` does what `python -m sensor2llm.VERB …` does."""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec

from sensor2llm.errors import ConfigError, run_verb

VERBS = {
    "prepare": "turn a published data set or your own table into a window store",
    "pretrain_encoder": "pretrain a signal encoder on a store, without labels",
    "train_adapter": "train the adapter that lets a frozen LLM hear the signals",
    "evaluate": "measure an adapter or an encoder on a store",
    "classify": "label the windows of a recording",
    "study": "compare ways to make an encoder, over stores, folds and seeds",
    "chat": "talk with the LLM about a window",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the verb that the first argument names; without one, list them.

    Returns:
        The verb's exit code; 2 for an unknown verb, with one line on stderr.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    verbs = _installed()
    if not given or given[0] in ("-h", "--help", "help"):
        print(_listing(verbs))
        return 0
    name = given[0].replace("-", "_")
    if name not in verbs:
        return run_verb(lambda: _refuse(given[0], verbs))
    return int(import_module(f"sensor2llm.{name}").main(given[1:]))


def _installed() -> dict[str, str]:
    return {name: text for name, text in VERBS.items() if find_spec(f"sensor2llm.{name}")}


def _listing(verbs: dict[str, str]) -> str:
    width = max(map(len, verbs)) + 2
    lines = [f"  {name:<{width}}{text}" for name, text in verbs.items()]
    head = ["usage: sensor2llm VERB [options]", "", "verbs:"]
    return "\n".join([*head, *lines, "", "`sensor2llm VERB --help` lists the options of a verb."])


def _refuse(name: str, verbs: dict[str, str]) -> int:
    raise ConfigError(f"unknown verb {name!r}; choose from {', '.join(verbs)}")


if __name__ == "__main__":
    sys.exit(main())
