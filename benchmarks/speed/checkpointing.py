"""What recomputing a frozen LLM's layers saves in training, and what it costs.

    python -m benchmarks.speed.checkpointing --llm bundled --length 512 1024

A forward over input embeddings and its backward to them, as adapter training does, with
`llm_checkpointing` and without it, each in a process of its own. Memory is the process's highest
anonymous resident memory (resident less shared) less what it held before the first forward; time
is CPU time in one thread, the median step.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.machine import record, write
from benchmarks.speed.memory import MIB, PeakMemory

RESULTS = Path(__file__).resolve().parents[1] / "results" / "checkpointing.json"


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Run some steps in this process."""
    import psutil
    import torch

    from sensor2llm.llm.forward import Prompt, tail_logits
    from sensor2llm.llm.frozen import FrozenLLM

    torch.set_num_threads(1)
    torch.manual_seed(0)
    llm = FrozenLLM.load(options.llm, device="cpu", checkpointing=options.child == "on")
    length = options.length[0]
    vectors = (
        torch.randn(options.batch_size, length, llm.width, dtype=llm.dtype) * llm.embedding_std
    )
    positions, tail = torch.arange(length)[None], torch.full((1, 3), llm.pad_id)
    before = psutil.Process().memory_info()
    seconds = []
    with PeakMemory() as peak:
        for _ in range(options.steps):
            started = time.process_time()
            inputs = vectors.clone().requires_grad_()
            tail_logits(llm, Prompt(inputs, positions), tail).float().square().mean().backward()
            seconds.append(time.process_time() - started)
    assert inputs.grad is not None
    return {
        "length": length,
        "checkpointing": llm.checkpointing,
        "peak_mib": (peak.anonymous - (before.rss - before.shared)) / MIB,
        "cpu_s_a_step": statistics.median(seconds),
        "gradient_norm": float(inputs.grad.float().norm()),
    }


def main() -> None:
    """Measure each length both ways."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--llm", default="bundled", help="folder or name of the LLM")
    parser.add_argument("--length", type=int, nargs="+", default=[512, 1024], help="positions")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS, help="JSON file")
    parser.add_argument("--child", choices=["on", "off"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(measure(options)))
        return
    started, runs = os.getloadavg(), []
    for length in options.length:
        for switch in ("off", "on"):
            child = [sys.executable, "-m", "benchmarks.speed.checkpointing", f"--llm={options.llm}",
                     f"--batch-size={options.batch_size}", f"--steps={options.steps}",
                     f"--length={length}", f"--child={switch}"]  # fmt: skip
            done = subprocess.run(child, check=True, stdout=subprocess.PIPE)
            runs.append(json.loads(done.stdout.splitlines()[-1]))
    settings = {"llm": options.llm, "batch_size": options.batch_size, "threads": 1}
    write(record("speed.checkpointing", {**settings, "runs": runs}, started), options.out)
    print(f"{'positions':>10}{'checkpointing':>15}{'peak MiB':>10}{'CPU s a step':>14}")
    for run in runs:
        print(
            f"{run['length']:>10}{'on' if run['checkpointing'] else 'off':>15}"
            f"{run['peak_mib']:>10.0f}{run['cpu_s_a_step']:>14.2f}"
        )


if __name__ == "__main__":
    main()
