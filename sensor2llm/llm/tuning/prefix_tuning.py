"""Prefix tuning: learned keys and values of virtual positions, in every layer of a frozen LLM.

    learned = LearnedPrefix.start(PrefixConfig(tokens=8), llm)
    prompt = behind(assemble(llm, rows, soft, signal, batch=4), learned.prefix(llm))
    logits = tail_logits(llm, prompt, tail_ids)

Every row sees the learned positions before anything else [Li and Liang 2021, sec. 4]; there is no
network that makes them from fewer numbers (their sec. 4.3), because they start from what the LLM
itself computes. The files are exactly PEFT's (adapter_config.json and adapter_model.safetensors
of prefix tuning).

Notation: `token` counts the learned positions, `part` is keys and values, `head` the heads that
have keys of their own (fewer than there are queries where they are grouped).
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sensor2llm.errors import ArtefactError, ConfigError, ModelError
from sensor2llm.llm.config import PrefixConfig
from sensor2llm.llm.forward import Prefix, Prompt
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.llm.prefix import compute_prefix
from sensor2llm.llm.tuning.peft_files import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    read_peft_config,
    read_peft_tensor,
    write_peft_files,
)
from sensor2llm.llm.tuning.soft_prompt import KEY


class LearnedPrefix(nn.Module):
    """Hold learned keys and values.

    Example:
        >>> learned = LearnedPrefix(torch.zeros(8, 2, 2, 4, 16))
        >>> learned.tokens
        8
    """

    def __init__(self, states: Float[Tensor, "token layer part head dim"]) -> None:
        super().__init__()
        self.states = nn.Parameter(states.detach().clone().float())

    @classmethod
    def start(cls, config: PrefixConfig, llm: FrozenLLM, seed: int = 0) -> "LearnedPrefix":
        """Start from the keys and values that the LLM computes for random tokens of its own.

        Raises:
            ConfigError: for no tokens at all.
            ModelError: the LLM's layers have not keys and values of one shape.
        """
        if config.tokens < 1:
            raise ConfigError(f"a learned prefix needs at least one token, got {config.tokens}")
        generator = torch.Generator().manual_seed(seed)
        ids = torch.randint(llm.vocabulary, (config.tokens,), generator=generator)
        return cls(_computed(llm, ids.tolist()))

    @property
    def tokens(self) -> int:
        """Give the number of learned positions."""
        return len(self.states)

    def prefix(self, llm: FrozenLLM) -> Prefix:
        """Give keys and values of each layer in the LLM's type, with their gradient."""
        states = self.states.to(llm.dtype).permute(1, 2, 3, 0, 4).unsqueeze(2)
        return Prefix(self.tokens, tuple((keys, values) for keys, values in states))

    def save_peft(self, folder: Path | str, llm_name: str) -> None:
        """Write PEFT's two files; see `write_peft_files`."""
        tokens, layers, _, heads, dim = self.states.shape
        config = {
            "peft_type": "PREFIX_TUNING",
            "num_virtual_tokens": tokens,
            "token_dim": heads * dim,
            "num_transformer_submodules": 1,
            "num_attention_heads": heads,
            "num_layers": layers,
            "encoder_hidden_size": heads * dim,
            "init_weights": None,
            "prefix_projection": False,
        }
        write_peft_files(folder, llm_name, config, {KEY: self.states.flatten(1)})

    @classmethod
    def load_peft(cls, folder: Path | str) -> "LearnedPrefix":
        """Read PEFT's two files; no LLM is needed.

        A prefix that PEFT trained through a network is read as what the network gave.

        Raises:
            ArtefactError: for a missing or broken file, another PEFT type, or another shape than
                the configuration's.
        """
        folder = Path(folder)
        config = read_peft_config(folder / CONFIG_FILE, "PREFIX_TUNING", "a learned prefix")
        states = read_peft_tensor(folder / WEIGHTS_FILE, "a learned prefix", KEY)
        shape = _stated_shape(config, folder)
        wanted = (shape[0], shape[1] * shape[2] * shape[3] * shape[4])
        if tuple(states.shape) != wanted:
            raise ArtefactError(
                f"{folder / WEIGHTS_FILE} holds a tensor of shape {tuple(states.shape)}, but "
                f"{CONFIG_FILE} says {wanted}; take both files from one adapter"
            )
        return cls(states.reshape(shape))


def behind(prompt: Prompt, prefix: Prefix) -> Prompt:
    """Put a prompt of `assemble` behind a learned prefix, whose gradient it keeps.

    Rows become [prefix][pads][rest], and their positions go on after the prefix.

    Raises:
        ConfigError: the prompt has cached text before it, which never saw the learned prefix.
    """
    if prompt.prefix is not None:
        raise ConfigError(
            f"the prompt begins with {prompt.prefix.length} cached positions, which were computed "
            "without the learned prefix; assemble it without a cached prefix"
        )
    places, length = prompt.positions, prefix.length
    counted = torch.arange(length, device=places.device).expand(len(places), -1)
    mask = prompt.mask
    if mask is not None:
        mask = torch.cat([mask.new_ones(len(mask), length), mask], dim=1)
    positions = torch.cat([counted.to(places), places + length], dim=1)
    return replace(prompt, positions=positions, mask=mask, prefix=prefix)


def _computed(llm: FrozenLLM, ids: list[int]) -> Float[Tensor, "token layer part head dim"]:
    try:
        # One more token, because what is computed ends before the last one.
        prefix = compute_prefix(llm, [*ids, llm.pad_id])
    except (IndexError, AttributeError, TypeError, ValueError) as error:
        # Families with other states than keys and values take no plain cache.
        raise ModelError(_unfit(llm)) from error
    states = [part for layer in prefix.states for part in layer] if prefix else []
    shapes = {getattr(part, "shape", None) for part in states}
    if len(shapes) != 1 or None in shapes:
        raise ModelError(_unfit(llm))
    stacked = torch.cat([part.float() for part in states]).unflatten(0, (-1, 2))
    return stacked.permute(3, 0, 1, 2, 4)


def _unfit(llm: FrozenLLM) -> str:
    return (
        f"{llm.name} ({llm.model.config.model_type}) has not keys and values of one shape in "
        "every layer, as prefix tuning needs; use a soft prompt or LoRA"
    )


def _stated_shape(config: Mapping[str, Any], folder: Path) -> tuple[int, int, int, int, int]:
    names = ("num_virtual_tokens", "num_layers", "num_attention_heads", "token_dim")
    numbers = [config.get(name) for name in names]
    if not all(isinstance(number, int) and number > 0 for number in numbers):
        raise ArtefactError(
            f"{folder / CONFIG_FILE} says {dict(zip(names, numbers, strict=True))}; expected four "
            "positive numbers"
        )
    tokens, layers, heads, width = (int(number or 0) for number in numbers)
    if width % heads:
        raise ArtefactError(
            f"{folder / CONFIG_FILE} says a token_dim of {width} for {heads} heads; expected a "
            "multiple of the heads"
        )
    return tokens, layers, 2, heads, width // heads
