"""Small language models of every family that transformers has, with random weights.

    folder = build("lfm2", Path("lfm2"))        two layers, width 32, a tokenizer of its own

A family's configuration is its own default with small numbers in place of large ones; what does not
go together by itself is in `SETTINGS`. Every weight is drawn, those too that start as zeros or ones
(gates, scales, biases): a part that adds nothing would hide that it is left out.
"""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

LAYERS, WIDTH, HEADS, CONTEXT = 2, 32, 4, 512
SMALL: dict[str, Any] = {
    **dict.fromkeys(("hidden_size", "d_model", "n_embd", "dim", "embedding_size"), WIDTH),
    **dict.fromkeys(("word_embed_proj_dim", "attention_hidden_size", "lru_width"), WIDTH),
    **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers"), LAYERS),
    **dict.fromkeys(("encoder_layers", "decoder_layers"), LAYERS),
    **dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "num_heads"), HEADS),
    **dict.fromkeys(("decoder_attention_heads", "encoder_attention_heads"), HEADS),
    **dict.fromkeys(("intermediate_size", "ffn_dim", "n_inner", "dff"), 2 * WIDTH),
    **dict.fromkeys(("decoder_ffn_dim", "encoder_ffn_dim"), 2 * WIDTH),
    **dict.fromkeys(("max_position_embeddings", "n_positions", "max_seq_len", "n_ctx"), CONTEXT),
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts"), 4),
    **dict.fromkeys(("moe_intermediate_size", "shared_expert_intermediate_size"), WIDTH),
    **dict.fromkeys(("n_group", "topk_group", "n_groups", "mamba_n_groups"), 1),
    **dict.fromkeys(("n_shared_experts", "first_k_dense_replace"), 1),
    **dict.fromkeys(("q_lora_rank", "kv_lora_rank", "time_step_rank", "mamba_dt_rank"), 8),
    **dict.fromkeys(("qk_rope_head_dim", "qk_nope_head_dim", "v_head_dim", "head_dim"), 8),
    **dict.fromkeys(("global_head_dim", "query_pre_attn_scalar", "rotary_dim"), 8),
    **dict.fromkeys(("linear_key_head_dim", "linear_value_head_dim"), 8),
    **dict.fromkeys(("mamba_d_state", "ssm_state_size", "state_size"), 8),
    **dict.fromkeys(("mamba_n_heads", "mamba_num_heads", "linear_num_value_heads"), HEADS),
    **dict.fromkeys(("mamba_d_head", "mamba_head_dim"), 2 * WIDTH // HEADS),
    **dict.fromkeys(("mamba_chunk_size", "chunk_size"), 16),
    **dict.fromkeys(("num_key_value_heads", "num_global_key_value_heads"), 2),
    **dict.fromkeys(("linear_num_key_heads", "num_experts_per_tok", "mamba_expand"), 2),
    **dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id"), 0),
    "initializer_range": 0.2,
    "init_std": 0.2,
    "mamba_d_ssm": 2 * WIDTH,
    "hidden_size_per_layer_input": 8,
    "num_kv_shared_layers": 0,
    "laurel_rank": 4,
}
# What a family needs beside: its layers of both kinds, sizes that depend on each other.
SETTINGS: dict[str, dict[str, Any]] = {
    "bamba": {"attn_layer_indices": [1]},
    "deepseek_v2": {"num_key_value_heads": HEADS, "head_dim": None},
    "deepseek_v3": {"num_key_value_heads": HEADS, "head_dim": None},
    "gemma3n_text": {"activation_sparsity_pattern": [0.95, 0.0],
                     "layer_types": ["sliding_attention", "full_attention"]},
    "gemma4_text": {"head_dim": 8, "num_key_value_heads": 2, "global_head_dim": 16},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]]},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1},
    "kimi_linear": {"num_key_value_heads": HEADS, "head_dim": None},
    "lfm2": {"layer_types": ["conv", "full_attention"]},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"], "num_dense_layers": 1},
    "mamba2": {"num_heads": 8, "head_dim": 8},
    "recurrent_gemma": {"num_hidden_layers": 3},
    "zamba2": {"layers_block_type": ["linear_attention", "hybrid"], "n_mamba_heads": HEADS,
               "adapter_rank": 8, "num_key_value_heads": HEADS, "head_dim": 2 * WIDTH // HEADS,
               "attention_hidden_size": 2 * WIDTH},
}  # fmt: skip


def shrink(family: str, **changes: Any) -> Any:
    """Give a family's configuration with small numbers.

    Args:
        family: its `model_type`.
        **changes: other values; None leaves the family's own.
    """
    from transformers import CONFIG_MAPPING

    kind = CONFIG_MAPPING[family]
    own = kind()
    values = {name: value for name, value in SMALL.items() if _is_set(kind, own, name)}
    if getattr(own, "layer_types", None) and _is_set(kind, own, "layer_types"):
        kinds = list(dict.fromkeys(own.layer_types))
        values["layer_types"] = (kinds * LAYERS)[: max(LAYERS, len(kinds))]
        values["num_hidden_layers"] = len(values["layer_types"])
    values |= SETTINGS.get(family, {}) | changes
    return kind(**{name: value for name, value in values.items() if value is not None})


def _is_set(kind: type, own: Any, name: str) -> bool:
    stored = getattr(kind, "attribute_map", {}).get(name, name)
    computed = getattr(kind, stored, None)
    if isinstance(computed, property) and computed.fset is None:
        return False
    try:
        return hasattr(own, name)
    except Exception:
        return False  # differs by layer


@torch.no_grad()
def draw(config: Any, seed: int = 0) -> Any:
    """Build a model and draw every weight."""
    from transformers import AutoModel, AutoModelForCausalLM
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

    causal = type(config) in MODEL_FOR_CAUSAL_LM_MAPPING and not config.is_encoder_decoder
    kind = AutoModelForCausalLM if causal else AutoModel
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = kind.from_config(config, dtype=torch.float32)
        for parameter in model.parameters():
            if float(parameter.std(unbiased=False)) == 0:
                parameter.add_(0.1 * torch.randn_like(parameter))
    return model


CORPUS = [
    "Which activity is it: walking, walking upstairs, walking downstairs, sitting, standing?",
    "User: Rhythm? Assistant: atrial fibrillation. System: be short and say only what you see.",
    "The heart rate is 72 beats a minute, 0.5 m/s2, -9.81, 480, 481, 482; sleep 412 minutes.",
] * 4
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# Thinks whatever is asked, as QwQ and DeepSeek-R1 do.
THINKING = CHATML.replace("assistant\n{% endif %}", "assistant\n<think>\n{% endif %}")
# Leaves the system's text out without a word.
NO_SYSTEM = CHATML.replace(
    "{% for message in messages %}",
    "{% for message in messages if message['role'] != 'system' %}",
)


def make_tokenizer(template: str | None = CHATML, **options: Any) -> Any:
    """Give a byte-level tokenizer of some 400 tokens with a chat template."""
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(_trained()),
        eos_token=SPECIALS[0],
        pad_token=SPECIALS[0],
        additional_special_tokens=SPECIALS[1:],
        **options,
    )
    tokenizer.chat_template = template
    return tokenizer


@functools.cache
def _trained() -> str:
    from tokenizers import decoders

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=SPECIALS, show_progress=False,
    )  # fmt: skip
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer.to_str()


def build(
    family: str,
    folder: Path,
    *,
    template: str | None = CHATML,
    tokenizer: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Path:
    """Write a family's folder and return it.

    Args:
        family: its `model_type`.
        folder: where to.
        template: the chat template.
        tokenizer: further settings of the tokenizer.
        **changes: of the configuration.
    """
    made = make_tokenizer(template, **(tokenizer or {}))
    made.save_pretrained(folder)
    model = draw(shrink(family, **{"vocab_size": len(made)} | changes))
    model.save_pretrained(folder)
    return folder
