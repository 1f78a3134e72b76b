"""What a learned prompt starts from; free of torch."""

from dataclasses import dataclass
from typing import Literal

from sensor2llm.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class SoftPromptConfig:
    """Describe the learned prompt.

    Raises:
        ConfigError: for fewer than no tokens, an unknown init, or init `text` without a text.
    """

    tokens: int = 4
    """Learned vectors before the signal tokens (P); 0 for none."""
    init: Literal["random", "vocabulary", "text"] = "vocabulary"
    """Start from noise on the embeddings' scale, from random tokens, or from a text's tokens."""
    text: str | None = None
    """The text to start from with init `text`."""

    def __post_init__(self) -> None:
        """Check the number of tokens and the text."""
        if self.tokens < 0:
            raise ConfigError(f"soft prompt tokens must be 0 or more, got {self.tokens}")
        if self.init not in ("random", "vocabulary", "text"):
            raise ConfigError(
                f"unknown soft prompt init '{self.init}'; choose from random, vocabulary, text"
            )
        if self.init == "text" and not (self.text or "").strip():
            raise ConfigError("soft prompt init 'text' needs a text, got none")


@dataclass(frozen=True, kw_only=True)
class LowRankConfig:
    """Describe LoRA: low-rank updates of the LLM's linear maps [Hu et al. 2022].

    Raises:
        ConfigError: for a negative rank, an alpha that is not positive, a dropout outside [0, 1),
            or modules that are no list of names.
    """

    rank: int = 0
    """Rank of LoRA's updates; 0 leaves LoRA out. With it the LLM is not frozen in effect."""
    alpha: float = 16
    """Each update is scaled by alpha / rank."""
    dropout: float = 0.0
    """Share of an update's inputs that training drops."""
    modules: tuple[str, ...] = ()
    """Names of linear maps, as in q_proj v_proj; none takes PEFT's choice for the LLM's family."""

    def __post_init__(self) -> None:
        """Check the ranges and the names."""
        if self.rank < 0:
            raise ConfigError(f"lora rank must be 0 or more, got {self.rank}")
        if not self.alpha > 0:
            raise ConfigError(f"lora alpha must be positive, got {self.alpha}")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"lora dropout must be at least 0 and below 1, got {self.dropout}")
        if isinstance(self.modules, str) or not all(self.modules):
            raise ConfigError(
                f"lora modules must be a list of names such as q_proj v_proj, got {self.modules!r}"
            )


@dataclass(frozen=True, kw_only=True)
class PrefixConfig:
    """Describe prefix tuning: learned keys and values in every layer [Li and Liang 2021].

    Raises:
        ConfigError: for fewer than no tokens.
    """

    tokens: int = 0
    """Learned positions before the whole prompt; 0 leaves prefix tuning out."""

    def __post_init__(self) -> None:
        """Check the number of tokens."""
        if self.tokens < 0:
            raise ConfigError(f"prefix tokens must be 0 or more, got {self.tokens}")
