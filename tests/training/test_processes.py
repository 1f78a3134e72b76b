"""Two CPU processes under accelerate give what one gives."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

SCRIPT = """
import sys
from pathlib import Path
from accelerate import PartialState
from sensor2llm.training.config import LoopConfig
from sensor2llm.training.loop import fit
from tests.training.toy import ToyTask

config = LoopConfig(epochs=3, batch_size=12, learning_rate=0.05, precision="float32")
fit(ToyTask(), config, Path(sys.argv[1]), progress_bar=False)
print("processes:", PartialState().num_processes)
"""


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def train(folder: Path, processes: int) -> dict[str, torch.Tensor]:
    script = folder / "script.py"
    script.write_text(SCRIPT)
    root = Path(__file__).resolve().parents[2]
    out = folder / f"of{processes}"
    launch = [sys.executable]
    if processes > 1:
        # On CPUs accelerate starts several processes only with --multi_gpu.
        launch += ["-m", "accelerate.commands.launch", "--multi_gpu", "--mixed_precision=no"]
        launch += [f"--num_processes={processes}", "--num_machines=1", "--dynamo_backend=no"]
        launch += [f"--main_process_port={free_port()}"]
    launch += [str(script), str(out)]
    environment = os.environ | {
        "ACCELERATE_USE_CPU": "1",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(root),
    }
    done = subprocess.run(
        launch, cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count(f"processes: {processes}") == processes
    return load_file(out / "checkpoint/module.safetensors")


def test_two_processes_train_the_same_weights_as_one(tmp_path):
    one, two = train(tmp_path, 1), train(tmp_path, 2)
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=1e-4, atol=1e-6)
