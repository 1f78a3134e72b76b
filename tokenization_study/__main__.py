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
    words = list(sys.argv[1:] if argv is None else argv)
    verbs = [name for name in VERBS if find_spec(f"tokenization_study.{_module(name)}")]
    if not words or words[0] in ("-h", "--help"):
        lines = [f"  {name:<10}{VERBS[name]}" for name in verbs]
        print(
            "\n".join(["usage: python -m tokenization_study VERB [options]", "", __doc__, *lines])
        )
        return 0
    if words[0] not in verbs:
        return run_verb(lambda: _refuse(words[0], verbs))
    from importlib import import_module

    verb = import_module(f"tokenization_study.{_module(words[0])}")
    return run_verb(lambda: verb.run(words[1:]))


def _module(verb: str) -> str:
    return f"{verb}_command"


def _refuse(name: str, verbs: list[str]) -> int:
    raise ConfigError(f"unknown verb {name!r}; choose from {', '.join(verbs)}")


if __name__ == "__main__":
    sys.exit(main())
