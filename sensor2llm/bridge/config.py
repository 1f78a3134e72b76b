"""What a projector is made of; free of torch, so that `--help` is quick."""

from dataclasses import dataclass
from typing import Literal

from sensor2llm.errors import ConfigError

PROJECTOR_KINDS = ("linear", "mlp", "perceiver")


@dataclass(frozen=True, kw_only=True)
class ProjectorConfig:
    """Describe the way from encoder steps to signal tokens.

    Raises:
        ConfigError: for a kind that there is not, or a size that cannot be.
    """

    kind: Literal["linear", "mlp", "perceiver"] = "mlp"
    """What turns encoder steps into signal tokens."""
    tokens: int = 8
    """Signal tokens a window, however long it is (K)."""
    hidden: int = 256
    """Width inside the mlp and the perceiver."""
    depth: int = 2
    """Perceiver blocks."""
    heads: int = 4
    """Attention heads of a perceiver block."""
    dropout: float = 0.1
    """Share of features dropped in training."""
    per_modality: bool = False
    """Whether each token sees one modality only (the tokens are split over the modalities)."""

    def __post_init__(self) -> None:
        """Check the kind and the sizes."""
        if self.kind not in PROJECTOR_KINDS:
            choices = ", ".join(PROJECTOR_KINDS)
            raise ConfigError(f"unknown projector '{self.kind}'; choose from {choices}")
        for name in ("tokens", "hidden", "depth", "heads"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be positive, got {getattr(self, name)}")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout must be in [0, 1), got {self.dropout}")
        if self.kind == "perceiver" and self.hidden % self.heads:
            raise ConfigError(f"hidden must be a multiple of heads={self.heads}, got {self.hidden}")
