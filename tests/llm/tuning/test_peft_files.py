"""PEFT's files without PEFT; that PEFT reads and writes the same is tested with each kind."""

import json
import subprocess
import sys
from pathlib import Path

import peft
import pytest
import torch

from sensor2llm.llm.tuning.lora import LoraWeights
from sensor2llm.llm.tuning.peft_files import CONFIG_FILE, EVERY_KIND, WEIGHTS_FILE
from sensor2llm.llm.tuning.prefix_tuning import LearnedPrefix
from sensor2llm.llm.tuning.soft_prompt import SoftPrompt

UPDATES = {"layers.0.q": (torch.randn(2, 8), torch.randn(8, 2))}
PLAIN = {"task_type": "CAUSAL_LM", "base_model_name_or_path": "owner/model", "inference_mode": True}
KINDS = {
    "soft prompt": (
        SoftPrompt(torch.randn(4, 8)),
        peft.PromptTuningConfig(
            num_virtual_tokens=4, token_dim=8, num_transformer_submodules=1, **PLAIN
        ),
    ),
    "prefix": (
        LearnedPrefix(torch.randn(4, 3, 2, 2, 8)),
        peft.PrefixTuningConfig(
            num_virtual_tokens=4, token_dim=16, num_transformer_submodules=1,
            num_attention_heads=2, num_layers=3, encoder_hidden_size=16, **PLAIN,
        ),
    ),
    "LoRA": (
        LoraWeights(UPDATES, alpha=4, dropout=0.1, targets=("q",)),
        peft.LoraConfig(r=2, lora_alpha=4, lora_dropout=0.1, target_modules=["q"], **PLAIN),
    ),
    "LoRA by a pattern, of maps stored transposed": (
        LoraWeights(UPDATES, alpha=4.5, targets=r".*\.q", fan_in_fan_out=True),
        peft.LoraConfig(
            r=2, lora_alpha=4.5, target_modules=r".*\.q", fan_in_fan_out=True, **PLAIN
        ),
    ),
}  # fmt: skip
USE = """
import sys
from pathlib import Path
import numpy as np
from sensor2llm import SensorLanguageModel, Window
from sensor2llm.adapter.adapter import SensorAdapter

golden, out = Path(sys.argv[1]), Path(sys.argv[2])
for kind in ("adapter", "inside"):
    model = SensorLanguageModel.from_pretrained(golden / kind, "bundled", device="cpu")
    shapes = {m.name: (len(m.channels), m.steps) for m in model.adapter.spec.modalities}
    model.score([Window({name: np.ones(shape) for name, shape in shapes.items()}, "s")])
    SensorAdapter.load(model.adapter.save(out / kind))
import sensor2llm.classify
print("peft" in sys.modules)
"""


@pytest.mark.parametrize("kind", KINDS)
def test_the_configuration_is_what_peft_writes(kind, tmp_path):
    ours, theirs = KINDS[kind]
    ours.save_peft(tmp_path / "ours", "owner/model")
    theirs.save_pretrained(str(tmp_path / "theirs"))
    text, expected = ((tmp_path / who / CONFIG_FILE).read_text() for who in ("ours", "theirs"))
    if peft.__version__ == EVERY_KIND["peft_version"]:
        assert text == expected
    written, known = json.loads(text), json.loads(expected)
    for name in (written.keys() & known.keys()) - {"peft_version"}:
        assert written[name] == known[name], name
    files = sorted(path.name for path in (tmp_path / "ours").iterdir())
    assert files == [CONFIG_FILE, WEIGHTS_FILE]


def test_adapters_are_read_used_and_written_without_peft(tmp_path):
    golden = Path(__file__).resolve().parents[2] / "golden" / "format2"
    words = [sys.executable, "-c", USE, str(golden), str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("False\n", 0), done.stderr
    written = {path.parent.name for path in tmp_path.rglob(CONFIG_FILE)}
    assert written == {"adapter", "lora", "prefix"}
