"""A tiny llama as a GGUF file, written on the spot: quantised matrices, a tokenizer, a template."""

from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, TokenType
from gguf.quants import quantize

from tests.llm.tiny import CHATML, _byte_level

WIDTH, HEADS, LAYERS, HIDDEN = 32, 2, 2, 64
SPECIALS = ("<|im_start|>", "<|im_end|>")


def write_gguf(
    path: Path, *, architecture: str = "llama", seed: int = 0, without: str = ""
) -> Path:
    """Write the file.

    Args:
        path: of the file.
        architecture: that it names.
        seed: of the weights.
        without: the name of a tensor that is left out.
    """
    vocabulary, merges = _byte_level()
    tokens = [*sorted(vocabulary, key=vocabulary.__getitem__), *SPECIALS]
    writer = GGUFWriter(str(path), architecture)
    writer.add_context_length(256)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    kinds = [TokenType.NORMAL] * (len(tokens) - 2) + [TokenType.CONTROL] * 2
    writer.add_token_types(kinds)
    writer.add_token_merges([" ".join(pair) for pair in merges])
    writer.add_bos_token_id(len(tokens) - 2)
    writer.add_eos_token_id(len(tokens) - 1)
    writer.add_chat_template(CHATML)
    for name, values in weights(len(tokens), seed).items():
        if name != without:
            _add(writer, name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def weights(rows: int, seed: int) -> dict[str, np.ndarray]:
    """Draw the weights, by their names in GGUF."""
    draw = np.random.default_rng(seed)
    shapes = {"token_embd": (rows, WIDTH), "output": (rows, WIDTH)}
    for layer in range(LAYERS):
        shapes |= {f"blk.{layer}.attn_{n}": (WIDTH, WIDTH) for n in ("q", "k", "v", "output")}
        shapes |= {f"blk.{layer}.ffn_{n}": (HIDDEN, WIDTH) for n in ("gate", "up")}
        shapes |= {f"blk.{layer}.ffn_down": (WIDTH, HIDDEN)}
        shapes |= {f"blk.{layer}.{n}_norm": (WIDTH,) for n in ("attn", "ffn")}
    shapes |= {"output_norm": (WIDTH,)}
    return {
        f"{name}.weight": np.ones(shape, np.float32)
        if name.endswith("norm")
        else draw.normal(0, 0.3, shape).astype(np.float32)
        for name, shape in shapes.items()
    }


def _add(writer: GGUFWriter, name: str, values: np.ndarray) -> None:
    """Add a tensor as such files hold it: matrices Q4_1, embeddings Q8_0, norms float32."""
    if values.ndim == 1:
        writer.add_tensor(name, values)
        return
    embedding = name.startswith("token_embd")
    kind = GGMLQuantizationType.Q8_0 if embedding else GGMLQuantizationType.Q4_1
    writer.add_tensor(name, quantize(values, kind), raw_dtype=kind)
