"""What a projector is made of; free of torch, so that `--help` is quick."""

from dataclasses import dataclass
from typing import Literal, get_args

from sensor2llm.errors import ConfigError

ProjectorKind = Literal[
    "linear", "mlp", "perceiver", "qformer", "reprogramming", "cross_attention"
]  # fmt: skip
PROJECTOR_KINDS = get_args(ProjectorKind)
WITH_HEADS = ("perceiver", "qformer", "reprogramming", "cross_attention")


@dataclass(frozen=True, kw_only=True)
class ProjectorConfig:
    """Describe the way from encoder steps to signal tokens."""

    kind: ProjectorKind = "mlp"
    """What turns encoder steps into signal tokens. With cross_attention the LLM's layers look at
    a perceiver's vectors, and no token of the prompt is spent."""
    tokens: int = 8
    """Signal tokens a window, however long it is (K). Of cross_attention, the vectors looked at."""
    hidden: int = 256
    """Width inside every kind but linear."""
    depth: int = 2
    """Blocks of perceiver, qformer and cross_attention."""
    heads: int = 4
    """Attention heads of every kind but linear and mlp."""
    dropout: float = 0.1
    """Share of features dropped in training."""
    per_modality: bool = False
    """Whether each token sees one modality only (the tokens are split over the modalities)."""
    prototypes: int = 128
    """Learned mixtures of the LLM's word vectors that reprogramming chooses from."""
    every: int = 2
    """With cross_attention: a gated layer stands before each n-th layer of the LLM."""
    scale: bool = False
    """Whether each modality's own level and spread reach the tokens as one more encoder step;
    an encoder that normalises every window has lost them."""

    def __post_init__(self) -> None:
        if self.kind not in PROJECTOR_KINDS:
            choices = ", ".join(PROJECTOR_KINDS)
            raise ConfigError(f"unknown projector '{self.kind}'; choose from {choices}")
        for name in ("tokens", "hidden", "depth", "heads", "prototypes", "every"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be positive, got {getattr(self, name)}")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout must be in [0, 1), got {self.dropout}")
        if self.kind in WITH_HEADS and self.hidden % self.heads:
            raise ConfigError(f"hidden must be a multiple of heads={self.heads}, got {self.hidden}")
