"""Label scoring's forward as torch runs it, beside the same forward exported to OpenVINO.

    pip install openvino nncf
    python -m benchmarks.speed.exported --data stores/uci_har

Prompt and label tree of an adapter's windows run through the language model, in bf16: by our code,
and compiled by OpenVINO, with the weights as they are and packed into 8 bits. All ways run in turn,
in CPU time of one thread, and give labels. An exported engine would be taken into the product where
it wins 1.3 times at equal labels. Neither package is a dependency.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.machine import record, write
from sensor2llm.llm.forward import tail_mask
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.signals.store.store import WindowStore

Inputs = tuple[Tensor, Tensor, Tensor]
Run = Callable[[], Tensor]


class ExportedForward(nn.Module):
    """The language model from vectors to the logits at the label tree's places, in float32."""

    def __init__(self, llm: nn.Module, places: Tensor) -> None:
        super().__init__()
        self.llm, self.places = llm, places

    def forward(self, vectors: Tensor, mask: Tensor, positions: Tensor) -> Tensor:
        """Give the logits (row, place, vocabulary)."""
        rest = {"attention_mask": mask, "position_ids": positions, "logits_to_keep": self.places}
        return self.llm(inputs_embeds=vectors, use_cache=False, **rest).logits


def inputs_of(model: SensorLanguageModel, store: WindowStore, windows: int) -> Inputs:
    """Give vectors, mask and positions of whole prompts with their label tree."""
    tree = model.prompting.answers.tree
    chosen = np.linspace(0, len(store) - 1, windows).astype(int)
    batch = model.features([store[int(place)] for place in chosen])
    prompt = model.build.for_batch(batch, prefix=False)
    nodes = model.llm.embed(torch.tensor([tree.tokens])).expand(windows, -1, -1)
    vectors = torch.cat([prompt.vectors, nodes.to(prompt.vectors.dtype)], 1).float()
    places = prompt.positions[:, -1:] + 1 + torch.tensor(tree.depths)
    positions = torch.cat([prompt.positions, places], 1).expand(windows, -1).contiguous()
    return vectors, tail_mask(prompt, len(tree), tree, torch.float32).contiguous(), positions


def engines(model: SensorLanguageModel, inputs: Inputs, places: Tensor) -> dict[str, Run]:
    """Give the forward by each way, each from the same inputs to float32 logits."""
    import nncf
    import openvino

    ours = model.llm.model
    vectors, mask, positions = inputs
    half = (vectors.bfloat16(), mask.bfloat16(), positions)
    torch_run = ExportedForward(ours, places)
    runs: dict[str, Run] = {"torch, bf16": lambda: torch_run(*half).float()}
    exact = ExportedForward(type(ours)(ours.config), places)
    exact.llm.load_state_dict(ours.state_dict())
    exact.llm.set_attn_implementation("eager")
    graph = openvino.convert_model(exact.float().eval(), example_input=inputs)
    settings = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "bf16", "NUM_STREAMS": "1"}
    arrays = [value.numpy() for value in inputs]
    for name, compress in (("OpenVINO, bf16", False), ("OpenVINO, 8-bit weights", True)):
        if compress:
            graph = nncf.compress_weights(graph, mode=nncf.CompressWeightsMode.INT8_ASYM)
        compiled = openvino.Core().compile_model(graph, "CPU", settings)
        runs[name] = lambda compiled=compiled: torch.from_numpy(compiled(arrays)[0])
    return runs


def measure(runs: dict[str, Run], model: SensorLanguageModel, rounds: int) -> list[dict[str, Any]]:
    """Time the ways in turn; give each one's gain over the first and how many labels agree."""
    tree = model.prompting.answers.tree
    parents, tokens = tree.edges
    scores = {}
    for name, run in runs.items():
        logits = run()
        at_edges = logits[:, parents, tokens] - logits.logsumexp(-1)[:, parents]
        scores[name] = tree.log_likelihoods(at_edges)
    timed = [{name: _timed(run) for name, run in runs.items()} for _ in range(rounds)]
    first = next(iter(runs))
    return [
        {
            "engine": name,
            "gain": statistics.median(one[first] / one[name] for one in timed),
            "labels_equal": _equal(scores[name], scores[first]),
            "greatest_difference_nats": (scores[name] - scores[first]).abs().max().item(),
        }
        for name in runs
    ]


def _equal(scores: Tensor, others: Tensor) -> float:
    return (scores.argmax(-1) == others.argmax(-1)).float().mean().item()


def _timed(run: Run) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def main(words: Sequence[str] | None = None) -> int:
    """Print and write the gains."""
    parser = argparse.ArgumentParser(prog="benchmarks.speed.exported", description=__doc__)
    parser.add_argument("--adapter", default="uci-har")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--windows", type=int, nargs="+", default=[8, 64], help="a batch")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(words)
    started = os.getloadavg()
    torch.set_num_threads(1)
    model = SensorLanguageModel.from_pretrained(options.adapter, dtype="bfloat16", device="cpu")
    store = WindowStore.open(options.data)
    rows = []
    with torch.no_grad():
        for windows in options.windows:
            inputs = inputs_of(model, store, windows)
            length, tree = inputs[0].shape[1], len(model.prompting.answers.tree)
            runs = engines(model, inputs, torch.arange(length - tree - 1, length))
            for row in measure(runs, model, options.rounds):
                rows.append({"batch": windows, "positions": length} | row)
                print(rows[-1], flush=True)
    write(
        record("speed.exported", {"adapter": options.adapter, "rows": rows}, started), options.out
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
