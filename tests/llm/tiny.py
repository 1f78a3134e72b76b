"""Tiny language models of each family, with their own kind of tokenizer, built on the spot.

`tiny_folder("gemma", chat=True)` gives a folder as `save_pretrained` writes it; each is built once
a session.
"""

import atexit
import functools
import json
import os
import shutil
import tempfile
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

FAMILIES = ("llama", "qwen2", "qwen3", "gemma", "mistral", "phi", "gpt2", "gpt_neox", "opt")
SENTENCEPIECE = ("llama", "gemma", "mistral")
WIDTH = 32
CORPUS = [
    "Which activity is it: walking, walking upstairs, walking downstairs, sitting, standing?",
    "User: Rhythm? Assistant: atrial fibrillation. System: be short and say only what you see.",
    "The heart rate is 72 beats a minute, 0.5 m/s2, -9.81, 480, 481, 482; sleep 412 minutes.",
] * 4

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
EMPTY_THOUGHT = "<think>\n\n</think>\n\n"
THINKING = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if loop.last and message['role'] == 'assistant' %}" + EMPTY_THOUGHT + "{% endif %}"
    "{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if not enable_thinking | default(true) %}" + EMPTY_THOUGHT + "{% endif %}{% endif %}"
)
INSTRUCT = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}"
    "[INST] {{ message['content'] }} [/INST]{% elif message['role'] == 'assistant' %}"
    " {{ message['content'] }}{{ eos_token }}{% else %}"
    "{{ raise_exception('only user and assistant') }}{% endif %}{% endfor %}"
)
TURNS = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'system' %}"
    "{{ raise_exception('no system role') }}{% endif %}<start_of_turn>"
    "{{ 'model' if message['role'] == 'assistant' else message['role'] }}\n"
    "{{ message['content'] | trim }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
TEMPLATES = {
    "llama": (INSTRUCT, []),
    "mistral": (INSTRUCT, ["[INST]", "[/INST]"]),
    "gemma": (TURNS, ["<start_of_turn>", "<end_of_turn>"]),
    "qwen3": (THINKING, ["<|im_start|>", "<|im_end|>"]),
}
END_OF_TURN = {"llama": "</s>", "mistral": "</s>", "gemma": "<end_of_turn>"}


@functools.cache
def tiny_folder(family: str, chat: bool = True) -> Path:
    """Build a family's folder once a session, with a chat template or without one."""
    folder = _root() / f"{family}-{'chat' if chat else 'base'}"
    tokenizer = _tokenizer(family)
    if chat:
        template, tokens = TEMPLATES.get(family, (CHATML, ["<|im_start|>", "<|im_end|>"]))
        tokenizer.add_special_tokens({"additional_special_tokens": tokens})
        tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    _model(family, len(tokenizer)).save_pretrained(folder)
    return folder


@functools.cache
def _root() -> Path:
    from transformers.utils import logging

    logging.disable_progress_bar()
    folder = Path(tempfile.mkdtemp(prefix="tiny-llm-"))
    atexit.register(_remove, folder, os.getpid())
    return folder


def _remove(folder: Path, owner: int) -> None:
    """Remove it where it was made: a process that forked from there leaves it to the others."""
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


def _byte_level() -> tuple[dict[str, int], list]:
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, initial_alphabet=alphabet, special_tokens=["<|endoftext|>"]
    )
    return _train(trained, trainer)


def _sentencepiece(specials: list[str]) -> tuple[dict[str, int], list]:
    """Train what SentencePiece's BPE is: spaces as ▁, and bytes for what is not in there."""
    trained = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    trained.normalizer = normalizers.Replace(" ", "▁")
    trained.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    tokens = [*specials, *(f"<0x{byte:02X}>" for byte in range(256))]
    return _train(trained, trainers.BpeTrainer(vocab_size=500, special_tokens=tokens))


def _train(tokenizer: Tokenizer, trainer: trainers.Trainer) -> tuple[dict[str, int], list]:
    trainer.show_progress = False
    tokenizer.train_from_iterator(CORPUS, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return model["vocab"], [tuple(pair) for pair in model["merges"]]


def _tokenizer(family: str):
    import transformers as hf

    if family == "gemma":
        vocab, merges = _sentencepiece(["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"])
        return hf.GemmaTokenizer(vocab=vocab, merges=merges, add_bos_token=True)
    if family in SENTENCEPIECE:
        vocab, merges = _sentencepiece(["<unk>", "<s>", "</s>"])
        return hf.LlamaTokenizer(vocab=vocab, merges=merges, add_bos_token=True)
    vocab, merges = _byte_level()
    if family == "opt":
        specials = {"bos_token": "</s>", "eos_token": "</s>", "unk_token": "</s>"}
        return hf.GPT2Tokenizer(vocab=vocab, merges=merges, add_bos_token=True, **specials)
    kinds = {
        "qwen2": hf.Qwen2Tokenizer,
        "qwen3": hf.Qwen2Tokenizer,
        "gpt_neox": hf.GPTNeoXTokenizer,
    }
    return kinds.get(family, hf.GPT2Tokenizer)(vocab=vocab, merges=merges)


def _model(family: str, vocabulary: int):
    import transformers as hf

    common = {"vocab_size": vocabulary, "hidden_size": WIDTH, "num_hidden_layers": 2}
    common |= {"num_attention_heads": 4, "max_position_embeddings": 256, "initializer_range": 0.2}
    common |= {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": None}
    grouped = common | {"intermediate_size": 64, "num_key_value_heads": 2, "head_dim": 8}
    configs = {
        "llama": lambda: hf.LlamaConfig(**grouped),
        "mistral": lambda: hf.MistralConfig(**grouped, sliding_window=None),
        "qwen2": lambda: hf.Qwen2Config(**grouped),
        "qwen3": lambda: hf.Qwen3Config(**grouped),
        "gemma": lambda: hf.Gemma2Config(
            **grouped, query_pre_attn_scalar=8, sliding_window=64, attn_logit_softcapping=None
        ),
        "phi": lambda: hf.PhiConfig(**common, intermediate_size=64),
        "gpt_neox": lambda: hf.GPTNeoXConfig(**common, intermediate_size=64),
        "gpt2": lambda: hf.GPT2Config(
            vocab_size=vocabulary, n_embd=WIDTH, n_layer=2, n_head=4, n_positions=256,
            initializer_range=0.2, bos_token_id=0, eos_token_id=0,
        ),
        "opt": lambda: hf.OPTConfig(
            **{**common, "init_std": 0.2, "pad_token_id": 1}, ffn_dim=64, word_embed_proj_dim=16
        ),
    }  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return hf.AutoModelForCausalLM.from_config(configs[family](), dtype=torch.float32)
