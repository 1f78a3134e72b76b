"""Which families and layouts `llm_families` runs: each a folder that it makes."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.robustness import llm_zoo
from benchmarks.robustness.llm_zoo import CHATML, NO_SYSTEM, THINKING, WIDTH

REFUSES_SYSTEM = CHATML.replace(
    "{% for message in messages %}",
    "{% for message in messages %}{% if message['role'] == 'system' %}"
    "{{ raise_exception('no system role') }}{% endif %}",
)
# Attention over all positions, windows of every kind, experts, shared keys and values.
ATTENTION = (
    "apertus", "arcee", "biogpt", "bitnet", "bloom", "codegen", "cohere", "cohere2", "ctrl",
    "deepseek_v2", "deepseek_v3", "diffllama", "dots1", "ernie4_5", "ernie4_5_moe", "exaone4",
    "falcon", "gemma", "gemma2", "gemma3_text", "gemma3n_text", "gemma4_text", "glm", "glm4",
    "glm4_moe", "gpt2", "gpt_bigcode", "gpt_neo", "gpt_neox", "gpt_oss", "gptj", "granite",
    "granitemoe", "helium", "hunyuan_v1_dense", "jetmoe", "llama", "llama4_text", "ministral",
    "ministral3", "mistral", "mixtral", "modernbert-decoder", "mpt", "nanochat", "nemotron",
    "olmo", "olmo2", "olmo3", "olmoe", "openai-gpt", "opt", "persimmon", "phi", "phi3", "phimoe",
    "qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "seed_oss", "smollm3", "stablelm", "starcoder2",
    "vaultgemma", "xglm",
)  # fmt: skip
# States that go from token to token, alone or beside attention.
RECURRENT = (
    "bamba", "falcon_h1", "falcon_mamba", "granitemoehybrid", "jamba", "kimi_linear", "lfm2",
    "lfm2_moe", "mamba", "mamba2", "minimax", "nemotron_h", "olmo_hybrid", "qwen3_5_text",
    "qwen3_next", "recurrent_gemma", "rwkv", "xlstm", "zamba2",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class PromptLayout:
    """Describe one folder.

    Args:
        name: of the row.
        family: its `model_type`.
        template: the chat template.
        tokenizer: further settings of the tokenizer.
        changes: of the family's small configuration.
        spoil: what is done to the folder afterwards.
    """

    name: str
    family: str
    template: str | None = CHATML
    tokenizer: Mapping[str, Any] = field(default_factory=dict)
    changes: Mapping[str, Any] = field(default_factory=dict)
    spoil: Callable[[Path], None] | None = None

    def build(self, folder: Path) -> None:
        """Write the folder."""
        llm_zoo.build(
            self.family, folder, template=self.template, tokenizer=self.tokenizer, **self.changes
        )
        if self.spoil is not None:
            self.spoil(folder)


def _only_adapter(folder: Path) -> None:
    (folder / "config.json").unlink()
    (folder / "model.safetensors").rename(folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA"}', encoding="utf-8")


def _only_gguf(folder: Path) -> None:
    (folder / "config.json").unlink()
    (folder / "model.safetensors").rename(folder / "model-Q4_1.gguf")


def _pointer(name: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        lines = ("version https://git-lfs.github.com/spec/v1", "oid sha256:0", "size 9", "")
        (folder / name).write_text("\n".join(lines), encoding="utf-8")

    return spoil


def _own_code(file: str, kind: str) -> Callable[[Path], None]:
    """Let a configuration name code in the folder, which leaves a trace where it runs."""

    def spoil(folder: Path) -> None:
        path = folder / file
        config = json.loads(path.read_text(encoding="utf-8"))
        config |= {"model_type": "own", "auto_map": {kind: "own.Own"}}
        config.pop("architectures", None)
        if kind == "AutoTokenizer":
            config |= {"tokenizer_class": "Own", "auto_map": {kind: ["own.Own", None]}}
        path.write_text(json.dumps(config), encoding="utf-8")
        trace = f"open({str(folder / 'was_run')!r}, 'w')\n"
        (folder / "own.py").write_text(trace, encoding="utf-8")

    return spoil


def _spread(**changes: Any) -> dict[str, Any]:
    return {"changes": changes}


WINDOWED = ["sliding_attention", "full_attention"]
LAYOUTS = (
    *(PromptLayout(name=f"window of 16: {family}", family=family, **_spread(**changes))
      for family, changes in {
          "mistral": {"sliding_window": 16},
          "phi3": {"sliding_window": 16},
          "qwen2": {"sliding_window": 16, "use_sliding_window": True, "layer_types": WINDOWED},
          "gemma2": {"sliding_window": 16},
          "gemma3_text": {"sliding_window": 16, "layer_types": WINDOWED},
          "gemma3n_text": {"sliding_window": 16},
          "gemma4_text": {"sliding_window": 16},
          "cohere2": {"sliding_window": 16, "layer_types": WINDOWED},
          "exaone4": {"sliding_window": 16, "layer_types": WINDOWED},
          "olmo3": {"sliding_window": 16, "layer_types": WINDOWED},
          "gpt_oss": {"sliding_window": 16},
          "gpt_neo": {"window_size": 16},
          "recurrent_gemma": {"attention_window_size": 16},
          "llama4_text": {"attention_chunk_size": 16},
      }.items()),
    PromptLayout(name="keys and values shared by layers: gemma4_text", family="gemma4_text",
           **_spread(num_hidden_layers=4, layer_types=WINDOWED * 2, num_kv_shared_layers=2)),
    PromptLayout(name="keys and values shared by layers: gemma3n_text", family="gemma3n_text",
           **_spread(num_hidden_layers=4, layer_types=WINDOWED * 2, num_kv_shared_layers=2,
                     activation_sparsity_pattern=[0.9, 0.0, 0.0, 0.0])),
    PromptLayout(name="tied head", family="llama", **_spread(tie_word_embeddings=True)),
    PromptLayout(name="untied head", family="llama", **_spread(tie_word_embeddings=False)),
    PromptLayout(name="rows of the vocabulary that are no token", family="qwen2",
           **_spread(vocab_size=512)),
    PromptLayout(name="alibi: falcon", family="falcon", **_spread(alibi=True)),
    PromptLayout(name="embeddings of another width: opt", family="opt",
           **_spread(word_embed_proj_dim=WIDTH // 2)),
    PromptLayout(name="rotary scaling by length: llama", family="llama", **_spread(
        max_position_embeddings=128,
        rope_parameters={"rope_type": "dynamic", "factor": 4.0, "rope_theta": 10000.0})),
    PromptLayout(name="no chat template", family="gpt2", template=None),
    PromptLayout(name="template opens a thought", family="qwen2", template=THINKING),
    PromptLayout(name="template leaves the system out", family="llama", template=NO_SYSTEM),
    PromptLayout(name="template refuses a system", family="llama", template=REFUSES_SYSTEM),
    PromptLayout(name="clean_up_tokenization_spaces", family="gpt2",
           tokenizer={"clean_up_tokenization_spaces": True}),
    PromptLayout(name="context shorter than the prompt", family="gpt2",
           **_spread(max_position_embeddings=16)),
    PromptLayout(name="a decoder of a family of encoders: bert", family="bert",
           **_spread(is_decoder=True)),
    PromptLayout(name="encoder-decoder: t5", family="t5"),
    PromptLayout(name="encoder-decoder: bart", family="bart"),
    PromptLayout(name="masked: bert", family="bert"),
    PromptLayout(name="masked: roberta", family="roberta"),
    PromptLayout(name="masked: electra", family="electra"),
    PromptLayout(name="masked: distilbert", family="distilbert"),
    PromptLayout(name="a PEFT adapter only", family="llama", spoil=_only_adapter),
    PromptLayout(name="a GGUF file only", family="llama", spoil=_only_gguf),
    PromptLayout(name="Git LFS pointer: weights", family="llama",
                 spoil=_pointer("model.safetensors")),
    PromptLayout(name="Git LFS pointer: tokenizer", family="llama",
                 spoil=_pointer("tokenizer.json")),
    PromptLayout(name="own code: model", family="llama",
                 spoil=_own_code("config.json", "AutoConfig")),
    PromptLayout(name="own code: tokenizer", family="llama",
           spoil=_own_code("tokenizer_config.json", "AutoTokenizer")),
)  # fmt: skip
FAMILIES = tuple(PromptLayout(name=family, family=family) for family in (*ATTENTION, *RECURRENT))
