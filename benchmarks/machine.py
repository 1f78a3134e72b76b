"""What a measurement depends on beside the code, and the file that it goes to."""

import json
import os
import platform
import shlex
import sys
from pathlib import Path
from typing import Any


def record(
    module: str,
    figures: dict[str, Any],
    started: tuple[float, float, float],
    package: str = "benchmarks",
) -> dict[str, Any]:
    """Give a result: the command, the machine, the precision it computes in, what was measured.

    Args:
        module: what is run, in `package`.
        figures: what it found.
        started: `os.getloadavg()` from before it.
        package: where the module is.
    """
    # What is measured without torch is not to have it in memory.
    import torch

    from sensor2llm.llm.checkpoint import choose_dtype

    return {
        "command": shlex.join(["python", "-m", f"{package}.{module}", *sys.argv[1:]]),
        "cores": os.cpu_count(),
        "precision": str(choose_dtype("auto", torch.device("cpu"))).removeprefix("torch."),
        "python": platform.python_version(),
        "load_average_before": started,
        "load_average_after": os.getloadavg(),
        **figures,
    }


def write(result: dict[str, Any], out: Path | None) -> None:
    """Write a result as JSON, where a file is given."""
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
