"""The configurations of benchmarks/accelerate: what `accelerate launch` makes of them."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from accelerate.commands.config import load_config_from_file
from safetensors.torch import load_file

from sensor2llm.adapter.adapter import SensorAdapter
from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.signal_encoder import SignalEncoder
from tests.llm.tiny import tiny_folder
from tests.models import normaliser
from tests.toy_store import SPEC, make_store
from tests.training.zero_runs import needs_deepspeed

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / "benchmarks" / "accelerate"
ENVIRONMENT = os.environ | {
    "ACCELERATE_USE_CPU": "1",
    "OMP_NUM_THREADS": "1",
    "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
}
SMALL = [
    "--llm_dtype=float32", "--projector.tokens=2", "--projector.hidden=16", "--projector.dropout=0",
    "--loop.steps=4", "--loop.batch_size=6", "--loop.precision=float32", "--loop.log_every=1",
    "--loop.validate_every=2", "--loop.gradient_accumulation=2", "--train_encoder=true",
]  # fmt: skip
PLAIN = ["--multi_gpu", "--mixed_precision=no", "--num_processes=2", "--num_machines=1"]
SCRIPT = """
import json, torch
from accelerate import PartialState
from sensor2llm.train_adapter import main
from sensor2llm.training import loop
from sensor2llm.training.sharding import Shards
from sensor2llm.training.zero import ZeroEngine

made = []
class WatchedEngine(ZeroEngine):
    def __init__(self, module, optimizer, config, device):
        super().__init__(module, optimizer, config, device)
        held = sum(len(group["params"][0]) for group in optimizer.param_groups)
        made.append([held, sum(p.numel() for p in module.parameters() if p.requires_grad)])
loop.ZeroEngine = WatchedEngine

class Watched(Shards):
    def __init__(self, module, device):
        super().__init__(module, device)
        parts = dict(module.named_parameters())
        trained = [p for p in parts.values() if p.requires_grad]
        held = sum(p.to_local().numel() for p in trained)
        made.append([held, sum(p.numel() for p in trained)])
loop.Shards = Watched

stop_if_asked = loop._Run._stop_if_asked
def stop(run):
    if run.progress.step == last:
        run.interrupt.asked = 1  # as Ctrl-C does
    stop_if_asked(run)
loop._Run._stop_if_asked = stop

for words, last in {runs!r}:
    assert main(words) == (0 if last is None else 130)
    torch.distributed.barrier()  # the first process writes what the next run reads
with open(f"{report}{{PartialState().process_index}}", "w") as file:
    json.dump(made, file)
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("launch")
    make_store(folder, people=5, each=9)
    torch.manual_seed(0)
    encoder = SignalEncoder(SPEC, EncoderConfig(width=8, pooled_steps=4))
    encoder.save_pretrained(folder / "encoder", {"normaliser": normaliser(SPEC).to_dict()})
    return folder


@pytest.fixture(scope="module")
def words(base) -> list[str]:
    given = ["--data", base / "store", "--llm", tiny_folder("llama"), "--encoder", base / "encoder"]
    return [*map(str, given), *SMALL]


def launch(base: Path, name: str, options: list[str], runs: list[tuple]) -> list[list]:
    """Run the verb in two processes, and give what each of them held of each run's weights.

    A run is its words, and the step after which it is stopped, or None.
    """
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
    script = base / f"run_{name}.py"  # a deepspeed.py would hide the package
    script.write_text(SCRIPT.format(runs=runs, report=base / f"{name}-report"))
    module = [sys.executable, "-m", "accelerate.commands.launch", *options]
    done = subprocess.run(
        [*module, f"--main_process_port={port}", str(script)],
        cwd=ROOT, env=ENVIRONMENT, capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-6000:].decode()
    return [json.loads((base / f"{name}-report{i}").read_text()) for i in (0, 1)]


def weights(adapter: Path) -> dict[str, torch.Tensor]:
    names = ("bridge.safetensors", "adapter_model.safetensors")
    return {k: v for name in names for k, v in load_file(adapter / name).items()}


@pytest.fixture(scope="module")
def expected(base, words) -> dict[str, torch.Tensor]:
    """Train in two processes without shards."""
    held = launch(base, "plain", PLAIN, [([*words, "--out", str(base / "plain")], None)])
    assert held == [[], []]
    return weights(base / "plain")


@pytest.mark.parametrize("kind", ["fsdp", pytest.param("deepspeed", marks=needs_deepspeed)])
def test_two_processes_with_shards_train_the_same_adapter_as_two_without(
    base, words, expected, kind
):
    config = ["--config_file", str(CONFIGS / f"{kind}.yaml")]
    broken = [*words, "--out", str(base / f"{kind}-resumed")]
    shards = launch(base, kind, config, [
        ([*words, "--out", str(base / kind)], None),
        (broken, 2),
        ([*broken, "--resume"], None),
    ])  # fmt: skip
    (held_here, total), (held_there, _) = shards[0][0], shards[1][0]
    # DeepSpeed fills the last part of each of its two groups up to a multiple of 4.
    assert total <= held_here + held_there < total + (8 if kind == "deepspeed" else 1)
    assert 0.3 * total < held_here < 0.7 * total
    for name in (kind, f"{kind}-resumed"):
        found = weights(base / name)
        assert found.keys() == expected.keys()
        for key, tensor in expected.items():
            close = torch.allclose(found[key], tensor, rtol=1e-3, atol=1e-5)
            assert close, (name, key, (found[key] - tensor).abs().max())
    adapter = SensorAdapter.load(base / kind)
    assert all(type(p) is torch.nn.Parameter for p in adapter.parameters())
    record = json.loads((base / f"{kind}-run" / "adapter" / "run.json").read_text())
    assert record["processes"] == 2


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_accelerate_reads_the_configuration_whole(path):
    config = load_config_from_file(str(path))
    given = yaml.safe_load(path.read_text())
    assert config.to_dict() | given == config.to_dict()
    assert config.num_processes == given["num_processes"] == 2


def test_both_kinds_are_there():
    kinds = {p.stem: load_config_from_file(str(p)).distributed_type for p in CONFIGS.iterdir()}
    assert {name: kind.value for name, kind in kinds.items()} == {
        "fsdp": "FSDP", "deepspeed": "DEEPSPEED",
    }  # fmt: skip
