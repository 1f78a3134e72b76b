"""LLMs of random weights in known sizes: speed needs no download."""

from collections.abc import Sequence
from typing import Any

import torch

from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.llm.short_attention import use_short_attention

SMOLLM2: dict[str, Any] = {
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "head_dim": 64,
    "vocab_size": 49152,
    "tie_word_embeddings": True,
}
# As many tokens as SmolLM2's own template has: 24 before what the user says, 6 behind it.
TURNS = (
    "{{ '<end>' * 24 }}{{ messages[0].content }}{{ '<end>' * 6 }}"
    "{% if not add_generation_prompt %}{{ messages[1].content }}<end>{% endif %}"
)
LABELS = ("walking", "walking upstairs", "walking downstairs", "sitting", "standing", "lying")


def load_llm(
    name: str | None,
    attention: str,
    hidden: int = 256,
    shape: str = "bundled",
    labels: Sequence[str] = LABELS,
    vocabulary: int | None = None,
) -> FrozenLLM:
    """Load a folder's LLM, or draw a Llama of a known size that knows these words.

    With a vocabulary of its own size, a Llama has an output head of its own, too.
    """
    if name:
        return FrozenLLM.load(name, attention=attention, device="cpu")
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=8000,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<end>"],
    )
    texts = [f"User: Activity?\nAssistant: {label}" for label in labels]
    tokenizer.train_from_iterator(texts * 4, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>")
    if shape == "smollm2":
        fast.chat_template = TURNS
        config = LlamaConfig(**SMOLLM2)
    else:
        config = LlamaConfig(
            hidden_size=hidden,
            intermediate_size=hidden * 8 // 3,
            num_hidden_layers=8,
            num_attention_heads=hidden // 32,
            num_key_value_heads=hidden // 32,
            vocab_size=vocabulary or 8192,
            tie_word_embeddings=vocabulary is None,
        )
    torch.manual_seed(0)
    own = "sdpa" if attention == "auto" else attention
    dtype = torch.bfloat16 if shape == "smollm2" else torch.float32
    model = LlamaForCausalLM._from_config(config, attn_implementation=own, dtype=dtype)
    model = use_short_attention(model) if attention == "auto" else model
    return FrozenLLM(model, fast, "random", lambda: "random weights")
