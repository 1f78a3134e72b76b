"""Training in several processes, by benchmarks/accelerate/ddp.yaml and `accelerate launch`."""

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

from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.train_adapter import main
from sensor2llm.training.record import MetricsFile
from tests.llm.tiny import tiny_folder
from tests.models import normaliser
from tests.toy_store import SPEC, make_store

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "benchmarks" / "accelerate" / "ddp.yaml"
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
SCRIPT = """
import torch
from sensor2llm.train_adapter import main
from sensor2llm.training import loop

stop_if_asked = loop._Run._stop_if_asked
def stop(run):
    if run.progress.step == last:
        run.interrupt.asked = 1  # as Ctrl-C does
    stop_if_asked(run)
loop._Run._stop_if_asked = stop

for words, last in {runs!r}:
    assert main(words) == (0 if last is None else 130)
    torch.distributed.barrier()  # the first process writes what the next run reads
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("launch")
    make_store(folder, people=5, each=9)
    torch.manual_seed(0)
    encoder = SignalEncoder(SPEC, EncoderConfig(width=8, pooled_steps=4, dropout=0.0))
    encoder.save_pretrained(folder / "encoder", {"normaliser": normaliser(SPEC).to_dict()})
    return folder


@pytest.fixture(scope="module")
def words(base) -> list[str]:
    given = ["--data", base / "store", "--llm", tiny_folder("llama"), "--encoder", base / "encoder"]
    return [*map(str, given), *SMALL]


def launch(base: Path, options: list[str], runs: list[tuple]) -> subprocess.CompletedProcess:
    """Run the verb in two processes; a run is its words, and the step it is stopped after."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
    script = base / "run_twice.py"
    script.write_text(SCRIPT.format(runs=runs))
    module = [sys.executable, "-m", "accelerate.commands.launch", *options]
    return subprocess.run(
        [*module, f"--main_process_port={port}", str(script)],
        cwd=ROOT, env=ENVIRONMENT, capture_output=True,
    )  # fmt: skip


def weights(adapter: Path) -> dict[str, torch.Tensor]:
    names = ("bridge.safetensors", "adapter_model.safetensors")
    return {k: v for name in names for k, v in load_file(adapter / name).items()}


def steps_of(adapter: Path) -> list[float]:
    """Give the losses and the gradients' norms of a run."""
    file = adapter.with_name(f"{adapter.name}-run") / "adapter" / "metrics.jsonl"
    lines = [line for line in MetricsFile.read(file) if "loss" in line]
    assert len(lines) == 4
    return [line[key] for line in lines for key in ("loss", "grad_norm")]


def test_two_processes_train_the_adapter_of_one_and_go_on_where_they_were_stopped(base, words):
    assert main([*words, "--out", str(base / "one")]) == 0
    expected = weights(base / "one")
    broken = [*words, "--out", str(base / "resumed")]
    done = launch(base, ["--config_file", str(CONFIG)], [
        ([*words, "--out", str(base / "two")], None),
        (broken, 2),
        ([*broken, "--resume"], None),
    ])  # fmt: skip
    assert done.returncode == 0, done.stderr[-6000:].decode()
    assert done.stdout.count(b"llm unchanged: True") == 2  # once a run that came to its end
    for name in ("two", "resumed"):
        trained = weights(base / name)
        assert trained.keys() == expected.keys()
        for key, tensor in expected.items():
            torch.testing.assert_close(trained[key], tensor, rtol=1e-3, atol=1e-5)
        assert steps_of(base / name) == pytest.approx(steps_of(base / "one"), rel=1e-4)
    record = json.loads((base / "two-run" / "adapter" / "run.json").read_text())
    assert record["processes"] == 2


def test_accelerate_reads_the_configuration_whole():
    config = load_config_from_file(str(CONFIG))
    plain = yaml.safe_load(CONFIG.read_text())
    assert config.to_dict() | plain == config.to_dict()
    assert config.num_processes == plain["num_processes"] == 2


@pytest.mark.parametrize(("variable", "name"), [("FSDP", "FSDP"), ("DEEPSPEED", "DeepSpeed")])
def test_a_launch_that_asks_for_shards_is_refused_in_a_line(
    base, words, monkeypatch, capsys, variable, name
):
    monkeypatch.setenv(f"ACCELERATE_USE_{variable}", "true")
    assert main([*words, "--out", str(base / "sharded")]) == 2
    assert capsys.readouterr().err == (
        "error: training spreads over processes without shards, and the launch asks for "
        f"{name}; what is trained is small: launch with benchmarks/accelerate/ddp.yaml\n"
    )
    assert not (base / "sharded").exists()
