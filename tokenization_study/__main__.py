"""Show how tokenizers treat raw sensor numbers, and what that costs.

python -m tokenization_study audit recording.csv --tokenizer bundled cl100k_base --out audit
python -m tokenization_study audit STORE --tokenizer gpt2.json --serialiser plain digits_spaced
cat lines.txt | python -m tokenization_study audit - --tokenizer bundled --fail-on high --json
"""

import sys
from importlib import import_module

from sensor2llm.errors import ConfigError, run_verb

VERBS = {
    "audit": "what tokenizers do to your numbers",
    "compare": "the same windows as raw numbers and as encoded inputs",
}


def main(argv: list[str] | None = None) -> int:
    """Run the verb that the first argument names; without one, list them."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help"):
        verbs = [f"  {name:<10}{text}" for name, text in VERBS.items()]
        usage = "usage: python -m tokenization_study VERB [options]"
        print("\n".join([usage, "", str(__doc__), *verbs]))
        return 0
    if words[0] not in VERBS:
        return run_verb(lambda: _refuse(words[0]))
    return int(import_module(f"tokenization_study.{words[0]}_command").main(words[1:]))


def _refuse(name: str) -> int:
    raise ConfigError(f"unknown verb {name!r}; choose from {', '.join(VERBS)}")


if __name__ == "__main__":
    sys.exit(main())
