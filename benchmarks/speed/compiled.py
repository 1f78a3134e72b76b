"""Training with the frozen model's layers compiled (`--compile`), beside the same without.

    python -m benchmarks.speed.compiled --out benchmarks/results/compiled.json
    python -m benchmarks.speed.compiled --llms smollm2 --whole

Training steps in turn, in CPU time of one thread; what compiling costs first (the compiler's own
processes count), and once more for another batch size although shapes are dynamic; after how many
steps that is won back. With `--whole` the whole decoder is compiled, cache and attention too,
instead of its layers' parts.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.machine import record, write
from benchmarks.speed.adapter_speed import build_model, compare, random_features, training_step
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.llm.tuning.compilation import compile_layers


def measure(name: str, batch_size: int, pairs: int, whole: bool) -> dict[str, Any]:
    """Give what compiling costs in CPU seconds, how many times as fast a step is, when it pays."""
    torch.manual_seed(0)
    plain, fast = (build_model(FrozenLLM.load(name, device="cpu")) for _ in "ab")
    batch, other = (random_features(plain, size) for size in (batch_size, batch_size - 3))
    step, fast_step = training_step(plain, batch), training_step(fast, batch)
    other_step = training_step(fast, other)
    fast_step()  # shortcuts are tried before anything is compiled
    start = _spent_s()
    if whole:
        fast.llm.model.get_decoder().compile(dynamic=True)
    else:
        compile_layers(fast.llm.model, fast.llm.device)
    fast_step()
    compiling_s, start = _spent_s() - start, _spent_s()
    other_step()
    another_s = _spent_s() - start
    training = compare(fast_step, step, batch_size, pairs)
    rates = (training[name] for name in ("baseline_windows_per_s", "windows_per_s"))
    slow_s, fast_s = (batch_size / rate for rate in rates)
    pays = (compiling_s + another_s) / (slow_s - fast_s) if fast_s < slow_s else None
    return {
        "llm": name,
        "precision": str(plain.llm.model.dtype).removeprefix("torch."),
        "batch_size": batch_size,
        "compiling_s": round(compiling_s, 1),
        "another_batch_size_s": round(another_s, 1),
        "training": training,
        "pays_after_steps": None if pays is None else round(pays),
    }


def _spent_s() -> float:
    """Give the CPU seconds of this process and of those that it waited for."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def main(words: Sequence[str] | None = None) -> int:
    """Print and write it."""
    parser = argparse.ArgumentParser(prog="benchmarks.speed.compiled", description=__doc__)
    parser.add_argument("--llms", nargs="+", default=["bundled", "smollm2"], help="as in the verbs")
    parser.add_argument("--whole", action="store_true", help="the whole decoder, for comparison")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(words)
    started = os.getloadavg()
    # In this process, whose time is taken, and never from an earlier run.
    os.environ |= {"TORCHINDUCTOR_COMPILE_THREADS": "1", "TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1"}
    torch.set_num_threads(1)
    sizes = options.batch_size, options.pairs, options.whole
    rows = []
    for name in options.llms:
        rows.append(measure(name, *sizes))
        print(rows[-1], flush=True)
        torch.compiler.reset()
    write(record("speed.compiled", {"whole": options.whole, "rows": rows}, started), options.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
