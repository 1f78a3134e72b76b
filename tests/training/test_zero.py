"""Runs under DeepSpeed: what it is asked for, and two processes against one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from sensor2llm.errors import ConfigError
from sensor2llm.training import zero_config
from sensor2llm.training.config import LoopConfig
from sensor2llm.training.devices import build_accelerator
from sensor2llm.training.zero_config import zero_settings
from tests.training.zero_runs import CASES, STOPPED_AT, needs_deepspeed, run, stop

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def _installed(monkeypatch):
    monkeypatch.setattr(zero_config, "find_spec", lambda name: name)


@pytest.mark.usefixtures("_installed")
def test_deepspeed_is_told_the_stage_and_the_loop_s_clipping_and_to_divide_nothing(monkeypatch):
    given = zero_settings(LoopConfig(max_grad_norm=0.5, gradient_accumulation=4))
    assert given["zero_optimization"] == {"stage": 2}
    assert given["gradient_clipping"] == 0.5
    assert given["gradient_accumulation_steps"] == 1
    monkeypatch.setenv("ACCELERATE_DEEPSPEED_ZERO_STAGE", "1")
    assert zero_settings(LoopConfig())["zero_optimization"] == {"stage": 1}


@pytest.mark.usefixtures("_installed")
@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("ACCELERATE_DEEPSPEED_ZERO_STAGE", "3", "zero_stage is 3, .* 2 or 1; .*fsdp.yaml"),
        ("ACCELERATE_DEEPSPEED_ZERO_STAGE", "0", "zero_stage is 0, "),
        ("ACCELERATE_DEEPSPEED_OFFLOAD_OPTIMIZER_DEVICE", "cpu", "offload_optimizer_device is cpu"),
        ("ACCELERATE_DEEPSPEED_OFFLOAD_PARAM_DEVICE", "nvme", "offload_param_device is nvme"),
        ("ACCELERATE_DEEPSPEED_CONFIG_FILE", "ds.json", "deepspeed_config_file is ds.json"),
        ("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4", "steps is 4, .* loop.gradient_accum"),
        ("ACCELERATE_GRADIENT_CLIPPING", "1.0", "gradient_clipping is 1.0, .* loop.max_grad_norm"),
    ],
)
def test_what_deepspeed_cannot_do_here_is_refused_in_a_line(monkeypatch, variable, value, message):
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError, match=message):
        build_accelerator(LoopConfig(), None)


@pytest.mark.usefixtures("_installed")
def test_muon_under_deepspeed_is_refused_in_a_line():
    with pytest.raises(ConfigError, match=r"muon needs whole matrices, .* adamw or adam"):
        zero_settings(LoopConfig(optimizer="muon"))


def test_deepspeed_that_is_not_installed_is_named_with_its_extra(monkeypatch):
    monkeypatch.setattr(zero_config, "find_spec", lambda name: None)
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    with pytest.raises(ConfigError, match=r"pip install 'sensor2llm\[deepspeed\]'"):
        build_accelerator(LoopConfig(), None)


@pytest.mark.usefixtures("_installed")
def test_one_process_has_nothing_to_shard(monkeypatch):
    expected, _ = run({})
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    found, _ = run({})
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


@pytest.fixture(scope="module")
def sharded(tmp_path_factory) -> Path:
    """Make the runs in two processes under DeepSpeed."""
    out = tmp_path_factory.mktemp("zero")
    stop(out / "half of plain")
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    asked = {"ACCELERATE_USE_CPU": "1", "ACCELERATE_USE_DEEPSPEED": "true", "PYTHONPATH": path}
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    done = subprocess.run(
        [*launch, "-m", "tests.training.zero_runs", str(out)],
        cwd=ROOT, env=os.environ | asked, capture_output=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-6000:].decode()
    assert b"deepspeed" not in done.stdout.lower()
    return out


def found(sharded: Path, name: str) -> tuple[dict[str, torch.Tensor], list[dict]]:
    """Give a run's weights, which both processes have, and its history."""
    (weights, history), (others, _) = (torch.load(sharded / f"found-{i}.pt")[name] for i in (0, 1))
    assert all(torch.equal(others[name], tensor) for name, tensor in weights.items())
    return weights, history


def assert_same(weights: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    for name, tensor in expected.items():
        torch.testing.assert_close(weights[name], tensor, rtol=1e-4, atol=1e-6, msg=name)


@needs_deepspeed
@pytest.mark.parametrize("name", [name for name in CASES if name != "bf16"])
def test_two_processes_under_deepspeed_end_with_the_weights_of_one_without(sharded, name):
    expected, history = run(CASES[name])
    weights, ours = found(sharded, name)
    assert_same(weights, expected)
    for field in ("loss", "grad_norm", "learning_rate"):
        values = [line[field] for line in history if field in line]
        assert [line[field] for line in ours if field in line] == pytest.approx(values, rel=1e-4)
        assert bool(values) == (field != "grad_norm" or name != "unclipped")


@needs_deepspeed
def test_bf16_is_computed_as_without_deepspeed(sharded):
    _, ours = found(sharded, "bf16")
    (_, same), (_, other) = run(CASES["bf16"]), run({})
    assert ours[0]["loss"] == pytest.approx(same[0]["loss"], rel=1e-6)
    assert ours[0]["loss"] != pytest.approx(other[0]["loss"], rel=1e-6)


@needs_deepspeed
def test_a_run_under_deepspeed_goes_on_from_its_own_checkpoint_and_from_a_plain_run_s(sharded):
    expected, _ = run({})
    for name in ("resumed", "resumed from plain"):
        weights, history = found(sharded, name)
        assert_same(weights, expected)
        assert history[0]["step"] > STOPPED_AT - 1


@needs_deepspeed
def test_a_plain_run_goes_on_from_the_checkpoint_of_one_under_deepspeed(sharded):
    weights, history = run({}, sharded / "half of sharded")
    assert_same(weights, run({})[0])
    assert history[0]["step"] > STOPPED_AT - 1
