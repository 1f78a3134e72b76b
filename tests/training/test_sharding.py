"""Shards of what is trained, in a group of one process; two are in tests/recipes/test_launch.py."""

from types import SimpleNamespace

import pytest
import torch
from torch import distributed as dist
from torch import nn
from torch.distributed.tensor import DTensor

from sensor2llm.errors import ConfigError
from sensor2llm.training import loop
from sensor2llm.training.config import LoopConfig
from sensor2llm.training.loop import fit
from sensor2llm.training.sharding import Shards, wants_shards, whole, whole_states
from sensor2llm.training.weights import load_weights, move_states
from tests.training.toy import Deep

CPU = torch.device("cpu")


@pytest.fixture(scope="module", autouse=True)
def _group(tmp_path_factory):
    place = tmp_path_factory.mktemp("group") / "meeting"
    dist.init_process_group("gloo", init_method=f"file://{place}", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


class Two(nn.Module):
    """A frozen and a trained layer, and one under two names."""

    def __init__(self):
        super().__init__()
        self.frozen = nn.Linear(3, 3).requires_grad_(False)
        self.first = nn.Linear(3, 3)
        self.again = nn.Linear(3, 3)
        self.again.weight = self.first.weight

    def forward(self, inputs):
        return self.again(self.first(self.frozen(inputs)))


def test_the_module_is_as_before_afterwards_with_the_weights_of_now():
    module = Two()
    parameters, kind = dict(module.named_parameters()), type(module)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    shards = Shards(module, CPU)
    assert isinstance(module.first.weight, DTensor)
    assert module.again.weight is module.first.weight
    assert module.frozen.weight is parameters["frozen.weight"]
    with torch.no_grad():
        module.first.weight.add_(1)
    shards.undo()
    assert type(module) is kind
    now = dict(module.named_parameters())
    assert {name for name in now if now[name] is not parameters[name]} == set()
    assert module.again.weight is module.first.weight
    assert not any(m._state_dict_pre_hooks for m in module.modules())
    assert not any(m._load_state_dict_pre_hooks for m in module.modules())
    for name, tensor in module.state_dict().items():
        more = 1 if name in ("first.weight", "again.weight") else 0
        torch.testing.assert_close(tensor, before[name] + more)
    Shards(module, CPU).undo()  # another stage may train it again


def test_a_part_of_the_module_can_be_called_while_its_weights_are_together():
    module, inputs = Two(), torch.randn(5, 3)
    expected = module(inputs)
    shards = Shards(module, CPU)
    torch.testing.assert_close(shards.root(inputs), expected)
    with torch.no_grad(), shards.together():
        assert not isinstance(module.first.weight, DTensor)
        torch.testing.assert_close(module(inputs), expected)
    assert isinstance(module.first.weight, DTensor)


def test_whole_weights_go_in_and_come_out():
    module, given = Two(), Two().state_dict()
    shards = Shards(module, CPU)
    load_weights(module, given | {"nowhere": torch.ones(1)})
    for name, tensor in module.state_dict().items():
        torch.testing.assert_close(whole(tensor), given[name])
    optimizer = torch.optim.AdamW(p for p in module.parameters() if p.requires_grad)
    shards.root(torch.randn(5, 3)).sum().backward()
    optimizer.step()
    (state,) = whole_states([optimizer])
    assert state["state"][0]["exp_avg"].shape == (3, 3)
    assert not any(isinstance(v, DTensor) for s in state["state"].values() for v in s.values())


@pytest.mark.parametrize(
    "changes",
    [{}, {"ema_decay": 0.5}, {"gradient_accumulation": 3}],
    ids=["adamw", "average", "accumulation"],
)
def test_a_run_with_shards_ends_with_the_weights_of_one_without(tmp_path, monkeypatch, changes):
    config = LoopConfig(epochs=4, batch_size=12, precision="float32", log_every=1, **changes)
    plain = Deep()
    expected = fit(plain, config, progress_bar=False)

    monkeypatch.setattr(loop, "wants_shards", lambda *given: True)
    sharded = Deep()
    found = fit(sharded, config, tmp_path / "whole", progress_bar=False)
    with pytest.raises(KeyboardInterrupt):
        fit(Deep(stop_at=17), config, tmp_path / "broken", progress_bar=False)
    resumed = Deep()
    fit(resumed, config, tmp_path / "broken", resume=True, progress_bar=False)

    ours, theirs = (
        [line["grad_norm"] for line in result.history if "grad_norm" in line]
        for result in (found, expected)
    )
    assert len(ours) == found.steps
    assert ours == pytest.approx(theirs, rel=1e-4)
    for other in (sharded, resumed):
        for (name, one), two in zip(
            plain.module.named_parameters(), other.module.parameters(), strict=True
        ):
            assert type(two) is nn.Parameter, name
            torch.testing.assert_close(two, one, rtol=1e-4, atol=1e-6)


def test_the_checkpoint_of_a_run_with_shards_serves_one_without(tmp_path, monkeypatch):
    config = LoopConfig(epochs=4, batch_size=12, precision="float32")
    whole_run = Deep()
    fit(whole_run, config, progress_bar=False)
    monkeypatch.setattr(loop, "wants_shards", lambda *given: True)
    with pytest.raises(KeyboardInterrupt):
        fit(Deep(stop_at=17), config, tmp_path, progress_bar=False)
    monkeypatch.undo()
    resumed = Deep()
    fit(resumed, config, tmp_path, resume=True, progress_bar=False)
    for one, two in zip(whole_run.module.parameters(), resumed.module.parameters(), strict=True):
        torch.testing.assert_close(two, one, rtol=1e-4, atol=1e-6)


def test_muon_with_shards_is_refused_in_a_line(monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    two = SimpleNamespace(num_processes=2)
    with pytest.raises(ConfigError, match="muon needs whole matrices, which FSDP cuts up; take"):
        wants_shards(two, LoopConfig(optimizer="muon"))
    assert wants_shards(two, LoopConfig())
    assert not wants_shards(SimpleNamespace(num_processes=1), LoopConfig(optimizer="muon"))


def test_all_of_an_optimisers_state_goes_where_the_parameters_are():
    task = Deep()
    optimizer = torch.optim.AdamW(task.module.parameters(), fused=True)
    for parameter in task.module.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    move_states([optimizer], torch.device("meta"))
    kinds = {v.device.type for state in optimizer.state.values() for v in state.values()}
    assert kinds == {"meta"}
