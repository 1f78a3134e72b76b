"""The toy's runs that test_zero.py compares: in its own process, and in two under DeepSpeed."""

import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from accelerate import PartialState
from torch import distributed as dist

from sensor2llm.training.config import LoopConfig
from sensor2llm.training.loop import fit
from tests.training.toy import Deep

needs_deepspeed = pytest.mark.skipif(
    find_spec("deepspeed") is None, reason="needs deepspeed: pip install 'sensor2llm[deepspeed]'"
)
STOPPED_AT = 7
# 47 rows are batches of 16, 16 and 15: of the last, one process has a row less than the other.
UNEVEN = {"rows": 47, "gradient_accumulation": 12}
CASES = {
    "stage 2": {},
    "stage 1": {"stage": 1},
    "unclipped": {"max_grad_norm": 0.0},
    "parts": UNEVEN,
    "parts in stage 1": UNEVEN | {"stage": 1},
    "average of adam's": {"ema_decay": 0.5, "optimizer": "adam"},
    "bf16": {"precision": "bf16"},
}


def run(changes: dict, out: Path | None = None, stop: bool = False) -> tuple[dict, list[dict]]:
    """Fit the toy, or go on where it was stopped, and give its weights and its history."""
    changes = {"precision": "float32"} | changes
    os.environ["ACCELERATE_DEEPSPEED_ZERO_STAGE"] = str(changes.pop("stage", 2))
    task = Deep(rows=changes.pop("rows", 96), stop_at=STOPPED_AT if stop else None)
    before = [(name, p, set(vars(p))) for name, p in task.module.named_parameters()]
    config = LoopConfig(epochs=2, batch_size=12, log_every=1, **changes)
    result = fit(task, config, out, resume=True, progress_bar=False)
    for (name, given, attributes), now in zip(before, task.module.parameters(), strict=True):
        assert now is given, name
        assert set(vars(now)) == attributes, name
        assert now.untyped_storage().nbytes() == now.nbytes, name
    return task.module.state_dict(), result.history


def stop(out: Path) -> None:
    """Begin a run and stop it, as Ctrl-C does in every process."""
    try:
        run({}, out, stop=True)
    except KeyboardInterrupt:
        return
    raise AssertionError("not stopped")


def main(out: Path) -> None:
    """Make every case's run, one of them in two halves, and go on with a plain run's first half."""
    rank = PartialState(cpu=True).process_index
    found = {name: run(changes) for name, changes in CASES.items()}
    stop(out / "sharded")
    dist.barrier()  # the first process writes what both go on from
    if rank == 0:
        shutil.copytree(out / "sharded", out / "half of sharded")
    found["resumed"] = run({}, out / "sharded")
    found["resumed from plain"] = run({}, out / "half of plain")
    torch.save(found, out / f"found-{rank}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
