"""Two CPU processes under accelerate give what one gives."""

import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

SCRIPT = """
import sys
from pathlib import Path
from sensor2llm.training.config import LoopConfig
from sensor2llm.training.loop import fit
from tests.training.toy import ToyTask

config = LoopConfig(epochs=3, batch_size=12, learning_rate=0.05, precision="float32")
fit(ToyTask(), config, Path(sys.argv[1]), progress_bar=False)
"""


def train(folder: Path, processes: int) -> dict[str, torch.Tensor]:
    script = folder / "script.py"
    script.write_text(SCRIPT)
    root = Path(__file__).resolve().parents[2]
    out = folder / f"of{processes}"
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_machines=1"]
    launch += [f"--num_processes={processes}", "--mixed_precision=no", "--dynamo_backend=no"]
    launch += ["--main_process_port=0", str(script), str(out)]
    environment = {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(launch, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return load_file(out / "checkpoint/module.safetensors")


def test_two_processes_train_the_same_weights_as_one(tmp_path):
    one, two = train(tmp_path, 1), train(tmp_path, 2)
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=1e-4, atol=1e-6)
