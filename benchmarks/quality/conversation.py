"""Two turns of a chat: window A and its answer, then window B of another class.

    python -m benchmarks.quality.conversation --adapter uci-har --data stores/uci_har

The chat of the second turn holds both windows and the first answer, and the language model writes
the second answer itself. It should be what it writes for B alone; `first_again` is how often it
says A's answer once more. Pairs are drawn from the test people, A and B of different classes.
"""

import argparse
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.machine import record, write
from sensor2llm.errors import run_verb
from sensor2llm.evaluation.evaluation import recipe_split
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.tasks.classification import parse_label
from sensor2llm.tasks.loading import load_model

RESULTS = Path(__file__).resolve().parents[1] / "results"


def two_turns(
    model: SensorLanguageModel, store: WindowStore, *, pairs: int, seed: int
) -> dict[str, Any]:
    """Ask for `pairs` second answers, and for the same windows alone."""
    rng = np.random.default_rng(seed)
    labels = np.asarray(store.labels)
    test = recipe_split(model.adapter.recipe, store).test
    test = test[labels[test] >= 0]
    prompt = model.prompting.messages()
    # A system message stands at the beginning of a conversation only.
    again = [message for message in prompt if message["role"] != "system"]
    answers = model.prompting.answer_texts
    longest = int(model.prompting.answers.lengths.max()) + 1
    equal = first = right = alone_right = 0
    for _ in range(pairs):
        a = int(rng.choice(test))
        b = int(rng.choice(test[labels[test] != labels[a]]))
        heard = [model.features([replace(store[row], label=None)]) for row in (a, b)]
        replies = [model.generate(features, max_new_tokens=longest)[0] for features in heard]
        chat = [*prompt, {"role": "assistant", "content": replies[0]}, *again]
        second = model.reply(chat, heard, max_new_tokens=longest)
        equal += second == replies[1]
        first += second == replies[0]
        right += parse_label(second, answers) == labels[b]
        alone_right += parse_label(replies[1], answers) == labels[b]
    return {
        "pairs": pairs,
        "second_equals_alone": equal / pairs,
        "first_again": first / pairs,
        "second_right": right / pairs,
        "alone_right": alone_right / pairs,
    }


def main() -> None:
    """Measure, print and keep the shares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--adapter", default="uci-har")
    parser.add_argument("--data", type=Path, default=Path("stores/uci_har"))
    parser.add_argument("--pairs", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="results file; conversation_ADAPTER.json else")
    options = parser.parse_args()
    torch.set_num_threads(1)
    started = os.getloadavg()
    model, store = load_model(options.adapter), WindowStore.open(options.data)
    figures = two_turns(model, store, pairs=options.pairs, seed=options.seed)
    name = Path(options.adapter).name
    out = options.out or RESULTS / f"conversation_{name}.json"
    write(record("quality.conversation", {"adapter": name, **figures}, started), out)
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    raise SystemExit(run_verb(main))
