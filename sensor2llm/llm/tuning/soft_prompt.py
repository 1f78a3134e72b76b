"""The learned prompt: P vectors of the language model's width, one parameter.

It is read and written in exactly PEFT's two files (adapter_config.json and
adapter_model.safetensors of prompt tuning), so that `peft.PeftModel.from_pretrained` reads the
same vectors. PEFT puts them in front of everything, this package at their placeholder.
"""

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sensor2llm.errors import ArtefactError, ConfigError
from sensor2llm.llm.config import SoftPromptConfig
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.llm.tuning.peft_files import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    read_peft_config,
    read_peft_tensor,
    write_peft_files,
)

KEY = "prompt_embeddings"


class SoftPrompt(nn.Module):
    """Hold P learned vectors.

    Example:
        >>> prompt = SoftPrompt(torch.zeros(8, 64))
        >>> prompt(batch=2).shape
        torch.Size([2, 8, 64])
    """

    def __init__(self, vectors: Float[Tensor, "token width"]) -> None:
        super().__init__()
        self.vectors = nn.Parameter(vectors.detach().clone().float())

    @classmethod
    def start(cls, config: SoftPromptConfig, llm: FrozenLLM, seed: int = 0) -> "SoftPrompt":
        """Start from noise on the scale of the embeddings, from random tokens or from a text.

        A text's tokens are repeated, or cut, to the number of vectors.

        Raises:
            ConfigError: for no tokens at all, or a text without a token.
        """
        if config.tokens < 1:
            raise ConfigError(f"a soft prompt needs at least one token, got {config.tokens}")
        generator = torch.Generator().manual_seed(seed)
        if config.init == "random":
            noise = torch.randn(config.tokens, llm.width, generator=generator)
            return cls(noise * llm.embedding_std)
        if config.init == "vocabulary":
            ids = torch.randint(llm.vocabulary, (config.tokens,), generator=generator)
        else:
            text = llm.encode(config.text or "")
            if not text:
                raise ConfigError(f"the soft prompt's text {config.text!r} has no tokens")
            ids = torch.tensor(text).repeat(-(-config.tokens // len(text)))[: config.tokens]
        with torch.no_grad():
            return cls(llm.embed(ids.unsqueeze(0))[0].cpu())

    def forward(self, batch: int) -> Float[Tensor, "batch token width"]:
        """Give the vectors once for each row of a batch."""
        return self.vectors.expand(batch, -1, -1)

    def save_peft(self, folder: Path | str, llm_name: str, model_config: Any = None) -> None:
        """Write PEFT's two files; see `write_peft_files`.

        Layers and heads of the language model's configuration are noted as PEFT notes them (PEFT
        fills them in on loading where they are not there).
        """
        tokens, width = self.vectors.shape
        config = {
            "peft_type": "PROMPT_TUNING",
            "num_virtual_tokens": tokens,
            "token_dim": width,
            "num_transformer_submodules": 1,
            "num_attention_heads": getattr(model_config, "num_attention_heads", None),
            "num_layers": getattr(model_config, "num_hidden_layers", None),
            # RANDOM whatever the start was: with TEXT, PEFT would look for a tokenizer called
            # `bundled` before it trains the vectors further.
            "prompt_tuning_init": "RANDOM",
            "prompt_tuning_init_text": None,
            "tokenizer_kwargs": None,
            "tokenizer_name_or_path": None,
        }
        write_peft_files(folder, llm_name, config, {KEY: self.vectors})

    @classmethod
    def load_peft(cls, folder: Path | str, width: int | None = None) -> "SoftPrompt":
        """Read PEFT's two files; the width of the LLM's embeddings is checked where it is given.

        Raises:
            ArtefactError: for a missing or truncated file, another PEFT type, or another width.
        """
        folder = Path(folder)
        config = read_peft_config(folder / CONFIG_FILE, "PROMPT_TUNING", "a soft prompt")
        vectors = read_peft_tensor(folder / WEIGHTS_FILE, "a soft prompt", KEY)
        stated = (config.get("num_virtual_tokens"), config.get("token_dim"))
        if tuple(vectors.shape) != stated:
            raise ArtefactError(
                f"{folder / WEIGHTS_FILE} holds vectors of shape {tuple(vectors.shape)}, but "
                f"{CONFIG_FILE} says {stated}; take both files from one adapter"
            )
        if width is not None and vectors.shape[1] != width:
            raise ArtefactError(
                f"the soft prompt in {folder} is {vectors.shape[1]} wide and the language model's "
                f"embeddings are {width} wide; load the language model that it was trained for"
            )
        return cls(vectors)
