"""Measure what labels cost: time and memory of scoring and training with few and with many.

    python -m benchmarks.speed.labels --out benchmarks/results/labels.json

A Llama of random weights, the bundled one's size with a vocabulary of 152,000, chooses from 6 and
from 200 labels. Its output head is fitted so that each window says its label as a trained adapter
does: the right first token stands out, a few others come within some nats of it. Each number of
labels is a process of its own in one thread: CPU time, the median of some rounds; memory is the
highest anonymous resident memory less what was held before. `agrees` counts the windows whose best
label is that of a forward over the whole tree, its probability within 0.001. One training step on
few windows is measured with the head in parts and with whole logits.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks.machine import record, write
from benchmarks.speed.adapter_speed import build_model, random_features, training_step
from benchmarks.speed.memory import MIB, PeakMemory

RESULTS = Path(__file__).resolve().parents[1] / "results" / "labels.json"
DOING = ("carrying", "cleaning", "climbing", "closing", "cutting", "drinking", "eating", "holding",
         "lifting", "moving", "opening", "packing", "painting", "pulling", "pushing", "reading",
         "repairing", "throwing", "washing", "watching")  # fmt: skip
THINGS = ("a bag", "a bottle", "a box", "a door", "a ladder", "a table", "bread", "clothes",
          "dishes", "windows")  # fmt: skip
LOGIT, OTHERS, NATS = 18.0, 4, 10.0
"""Of the right token; how many other first tokens come within so many nats of it."""


def label_names(count: int) -> tuple[str, ...]:
    """Give so many activities, their first words as different as can be."""
    return tuple(f"{doing} {thing}" for thing, doing in product(THINGS, DOING))[:count]


def build(labels: int, vocabulary: int, batch_size: int) -> tuple[Any, Any]:
    """Build an adapter on a random LLM, and windows of which it knows the labels."""
    import torch

    from benchmarks.speed.random_llm import load_llm

    names = label_names(labels)
    llm = load_llm(None, "auto", labels=names, vocabulary=vocabulary)
    model = build_model(llm, labels=names).eval()
    batch = random_features(model, batch_size)
    batch.labels.copy_(torch.randint(labels, (batch_size,)))
    fit_head(model, batch)
    return model, batch


def fit_head(model: Any, batch: Any) -> None:
    """Solve the output head's rows of label tokens for the windows' answers."""
    import torch

    from sensor2llm.llm.forward import run_tail

    answers, llm = model.prompting.answers, model.llm
    table, lengths = answers.table[batch.labels], answers.lengths[batch.labels]
    with torch.no_grad():
        prompt = model.build.for_batch(batch)
        assert llm.runner.splits_head
        states, _ = run_tail(llm, prompt, table[:, :-1], head=False)
    counted = torch.arange(table.shape[1]) < lengths[:, None]
    tokens = torch.tensor(answers.tree.edges[1].tolist()).unique()
    targets = (table[..., None] == tokens) * LOGIT
    first = torch.isin(tokens, table[:, 0]).nonzero()[:, 0]
    for row in range(len(batch)):
        others = first[torch.randperm(len(first))[:OTHERS]]
        near = LOGIT - NATS * torch.rand(len(others))
        targets[row, 0, others] = torch.maximum(targets[row, 0, others], near)
    rows = torch.linalg.lstsq(states[counted], targets[counted], driver="gelsd").solution
    llm.model.get_output_embeddings().weight.data[tokens] = rows.T


def measure(labels: int, options: argparse.Namespace) -> dict[str, Any]:
    """Measure one number of labels in this process."""
    import torch

    from sensor2llm.llm import runner

    torch.set_num_threads(1)
    torch.manual_seed(0)
    model, batch = build(labels, options.vocabulary, options.batch_size)
    scores = model.score(batch)
    figures: dict[str, Any] = {"labels": labels, "nodes": len(model.prompting.answers.tree)}
    figures["scoring"] = timed(lambda: model.score(batch), options.rounds)
    with torch.no_grad():
        exact = model.log_likelihoods(batch).softmax(-1)
        figures["whole_tree"] = timed(lambda: model.log_likelihoods(batch), 1)
    best = exact.argmax(-1)
    near = (exact - scores).gather(1, best[:, None])[:, 0].abs() < 1e-3
    figures["agrees"] = float((near & (scores.argmax(-1) == best)).float().mean())
    if not options.training_batch:
        return figures
    few = random_features(model, options.training_batch)
    step = training_step(model, few)
    figures["training_in_parts"] = timed(step, 1)
    runner.MOST_TRAINED_LOGITS = sys.maxsize
    figures["training_whole"] = timed(step, 1)
    return figures


def timed(run: Callable[[], Any], rounds: int) -> dict[str, float]:
    """Give CPU seconds and memory of a function."""
    import psutil

    before, seconds = psutil.Process().memory_info(), []
    with PeakMemory() as peak:
        for _ in range(rounds):
            started = time.process_time()
            run()
            seconds.append(time.process_time() - started)
    held = before.rss - before.shared
    return {
        "cpu_s": round(statistics.median(seconds), 3),
        "peak_mib": round((peak.anonymous - held) / MIB, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--labels", type=int, nargs=2, default=[6, 200])
    parser.add_argument("--vocabulary", type=int, default=152_000)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--training-batch", type=int, default=8, help="0 trains nothing")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS, help="JSON file")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(measure(options.child, options)))
        return
    started, runs = os.getloadavg(), []
    command = [sys.executable, "-m", "benchmarks.speed.labels", *sys.argv[1:]]
    for labels in options.labels:
        child = [*command, f"--child={labels}"]
        done = subprocess.run(child, check=True, stdout=subprocess.PIPE)
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    few, many = runs
    figures = {
        "times": round(many["scoring"]["cpu_s"] / few["scoring"]["cpu_s"], 2),
        "more_mib": round(many["scoring"]["peak_mib"] - few["scoring"]["peak_mib"], 1),
        "runs": runs,
    }
    write(record("speed.labels", figures, started), options.out)
    ways = ("scoring", "whole_tree", "training_in_parts", "training_whole")
    print(f"{'labels':>7}{'':20}{'CPU s':>8}{'MiB':>8}")
    for run, way in product(runs, ways[: None if options.training_batch else 2]):
        print(f"{run['labels']:>7}  {way:18}{run[way]['cpu_s']:>8.2f}{run[way]['peak_mib']:>8.0f}")
    print(f"{figures['times']} times as long, {figures['more_mib']} MiB more; ", end="")
    print(f"agrees on {many['agrees']:.1%}")


if __name__ == "__main__":
    main()
