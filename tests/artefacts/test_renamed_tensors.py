"""Weights whose names were others before are read as what they are."""

import json
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from sensor2llm.adapter.adapter import SensorAdapter
from sensor2llm.adapter.builders import build_cross_attention, build_projector
from sensor2llm.adapter.files import BRIDGE
from sensor2llm.artefacts.manifest import hash_files
from sensor2llm.artefacts.renamed_tensors import rename_tensors
from sensor2llm.bridge.config import PROJECTOR_KINDS, ProjectorConfig
from sensor2llm.bridge.number_head import NumberHead, Target
from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.signal_encoder import SignalEncoder
from tests.models import small_adapter, tiny_llm
from tests.signals.stores import SPEC

# torch's own attention is called so in every release.
OF_BEFORE = [
    (r"(?<!attention)(?<!among)(?<!across)\.in_proj\.", ".enter."),
    (r"(?<!attention)(?<!among)(?<!across)\.out_proj\.", ".leave."),
]
TARGET = Target(name="label", unit="", mean=0.0, scale=1.0, decimals=0)


def adapter_of(kind: str) -> SensorAdapter:
    """Build an adapter with this projector, each window's scale and a number head."""
    llm = tiny_llm()
    config = ProjectorConfig(kind=kind, tokens=2, hidden=16, scale=True)
    encoder = SignalEncoder(SPEC, EncoderConfig(width=8, pooled_steps=4))
    changes = {"encoder": encoder, "projector_config": config}
    changes |= {"projector": build_projector(config, encoder, llm.width, 1.0)}
    if kind == "cross_attention":
        sizes = (llm.layers, llm.hidden_width)
        changes["cross_attention"] = build_cross_attention(
            config, torch.zeros(1, llm.width), *sizes
        )
    return small_adapter(llm, head=NumberHead(llm.hidden_width, TARGET), **changes)


def write_as_before(folder: Path) -> set[str]:
    """Give the tensors of an adapter's file the names that they had."""
    tensors = load_file(folder / BRIDGE)
    for pattern, old in OF_BEFORE:
        tensors = {re.sub(pattern, old, name): tensor for name, tensor in tensors.items()}
    save_file(tensors, folder / BRIDGE)
    manifest = json.loads((folder / "sensor2llm.json").read_text())
    manifest["files"] |= hash_files(folder, [BRIDGE])
    (folder / "sensor2llm.json").write_text(json.dumps(manifest))
    return set(tensors)


@pytest.mark.parametrize("kind", PROJECTOR_KINDS)
def test_an_adapter_of_before_has_the_very_same_weights(kind, tmp_path):
    adapter = adapter_of(kind)
    names = write_as_before(adapter.save(tmp_path / "adapter"))
    assert {"projector.scale.enter.weight", "head.leave.bias"} <= names
    found = SensorAdapter.load(tmp_path / "adapter").state_dict()
    expected = adapter.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_a_module_that_is_still_called_so_keeps_its_name():
    tensors = {"leave.bias": torch.zeros(1), "enter.bias": torch.ones(1)}
    assert list(rename_tensors(tensors, ["leave.bias"])) == ["leave.bias", "in_proj.bias"]
