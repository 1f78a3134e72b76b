"""Show how tokenizers treat raw sensor numbers, and what that costs.

python -m tokenization_study audit recording.csv --tokenizer bundled cl100k_base --out audit
python -m tokenization_study audit STORE --tokenizer gpt2.json --serialiser plain digits_spaced
cat lines.txt | python -m tokenization_study audit - --tokenizer bundled --fail-on high --json
"""

import sys
from importlib.util import find_spec

from sensor2llm.errors import ConfigError, run_verb

VERBS = {
    "audit": "what tokenizers do to your numbers",
    "compare": "the same windows as raw numbers and as encoded inputs",
}


def main(argv: list[str] | None = None) -> int:
    """Run the verb that the first argument names; without one, list them."""
    given = list(sys.argv[1:] if argv is None else argv)
    known = [name for name in VERBS if find_spec(f"tokenization_study.{_module(name)}")]
    if not given or given[0] in ("-h", "--help"):
        lines = [f"  {name:<10}{VERBS[name]}" for name in known]
        print(
            "\n".join(["usage: python -m tokenization_study VERB [options]", "", __doc__, *lines])
        )
        return 0
    if given[0] not in known:
        return run_verb(lambda: _refuse(given[0], known))
    from importlib import import_module

    verb = import_module(f"tokenization_study.{_module(given[0])}")
    return run_verb(lambda: verb.run(given[1:]))


def _module(verb: str) -> str:
    return f"{verb}_command"


def _refuse(name: str, known: list[str]) -> int:
    raise ConfigError(f"unknown verb {name!r}; choose from {', '.join(known)}")


if __name__ == "__main__":
    sys.exit(main())
