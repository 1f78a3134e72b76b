"""The frozen model compiled by torch, beside the same model as it is: does it ever pay?

    python -m benchmarks.speed.compiled
    python -m benchmarks.speed.compiled --llm smollm2 --batch-size 16

Training steps and label scoring in turn, in CPU time of one thread, and what compiling costs first:
once for training, again for another batch size although shapes are dynamic, and once for scoring.
"""

import argparse
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.machine import record, write
from benchmarks.speed.adapter_speed import build_model, compare, random_features, training_step
from benchmarks.speed.random_llm import load_llm
from sensor2llm.llm.frozen import FrozenLLM


def measure(name: str | None, batch_size: int, pairs: int) -> dict[str, Any]:
    """Give what compiling costs in CPU seconds, and how many times as fast each verb is."""
    plain, fast = (
        build_model(FrozenLLM.load(name) if name else load_llm(None, "auto")) for _ in "ab"
    )
    batch, other = (random_features(plain, size) for size in (batch_size, batch_size - 3))
    step, fast_step = training_step(plain, batch), training_step(fast, batch)
    other_step = training_step(fast, other)
    fast_step()  # shortcuts are tried before anything is compiled
    fast.llm.model.get_decoder().compile(dynamic=True)
    costs = {"training": _seconds(fast_step), "another batch size": _seconds(other_step)}
    training = compare(fast_step, step, batch_size, pairs)
    with torch.no_grad():
        costs["scoring"] = _seconds(lambda: fast.score(batch))
        scoring = compare(lambda: fast.score(batch), lambda: plain.score(batch), batch_size, pairs)
    return {"compiling_s": costs, "training": training, "scoring": scoring}


def _seconds(run: Callable[[], Any]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def main(words: Sequence[str] | None = None) -> int:
    """Print and write it."""
    parser = argparse.ArgumentParser(prog="benchmarks.speed.compiled", description=__doc__)
    parser.add_argument("--llm", help="as in the verbs; default: random weights, the bundled shape")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(words)
    started = os.getloadavg()
    # In this process, whose time is taken, and never from an earlier run.
    os.environ |= {"TORCHINDUCTOR_COMPILE_THREADS": "1", "TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1"}
    torch.set_num_threads(1)
    figures = measure(options.llm, options.batch_size, options.pairs)
    print(figures)
    write(
        record("speed.compiled", {"llm": options.llm or "random"} | figures, started), options.out
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
