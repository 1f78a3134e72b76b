"""How the bundled language model is made, as data; torch-free."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from sensor2llm.errors import ConfigError
from sensor2llm.training.config import LoopConfig

DOMAINS = (
    "simplewiki",
    "enwiki_domain",
    "openstax",
    "sensing",
    "health",
    "dialogue",
    "stories",
    "instruct_chat",
    "sensing_text",
    "sensing_chat",
)


@dataclass(frozen=True, kw_only=True)
class ModelShape:
    """The Llama's size."""

    width: int = 192
    """Hidden width."""
    layers: int = 6
    """Transformer layers."""
    heads: int = 3
    """Attention heads."""
    feed_forward: int = 512
    """Width inside the feed-forward blocks."""
    context: int = 2048
    """Longest input, in tokens."""
    vocabulary: int = 8192
    """Tokens of the byte-level BPE, special ones included."""

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ConfigError(f"width {self.width} is not a multiple of heads {self.heads}")


SIZES: Mapping[str, ModelShape] = {
    "smoke": ModelShape(width=64, layers=2, heads=2, feed_forward=128, vocabulary=1024),
    "cpu": ModelShape(),
    "cpu-large": ModelShape(width=256, layers=8, heads=4, feed_forward=688),
    "gpu": ModelShape(width=384, layers=8, heads=6, feed_forward=1024, vocabulary=12288),
}

STABLE_WEIGHTS: Mapping[str, float] = {
    "simplewiki": 0.52,
    "enwiki_domain": 0.02,
    "openstax": 0.08,
    "sensing": 0.01,
    "health": 0.01,
    "dialogue": 0.05,
    "stories": 0.04,
    "instruct_chat": 0.07,
    "sensing_text": 0.04,
    "sensing_chat": 0.16,
}
ANNEAL_WEIGHTS: Mapping[str, float] = {
    "simplewiki": 0.42,
    "enwiki_domain": 0.02,
    "openstax": 0.04,
    "sensing": 0.01,
    "health": 0.01,
    "dialogue": 0.02,
    "stories": 0.04,
    "instruct_chat": 0.10,
    "sensing_text": 0.04,
    "sensing_chat": 0.30,
}


CHAT_WEIGHTS: Mapping[str, float] = {
    "simplewiki": 0.25,
    "openstax": 0.02,
    "dialogue": 0.02,
    "stories": 0.03,
    "instruct_chat": 0.15,
    "sensing_text": 0.03,
    "sensing_chat": 0.50,
}
FINISH_WEIGHTS: Mapping[str, float] = {
    "simplewiki": 0.30,
    "stories": 0.02,
    "instruct_chat": 0.10,
    "sensing_text": 0.03,
    "sensing_chat": 0.55,
}


@dataclass(frozen=True, kw_only=True)
class TrainingStage:
    """One part of the run: which text, how long rows, which share of the whole."""

    name: Literal["stable", "anneal", "chat", "long", "finish"]
    """Folder of the stage's checkpoint below --out."""
    share: float
    """Share of the run's tokens or seconds."""
    row_tokens: int = 512
    """Tokens a row."""
    weights: Mapping[str, float] = field(default_factory=lambda: STABLE_WEIGHTS)
    """Share of rows a domain; domains without text are left out."""
    peak: float = 1.0
    """Share of the peak learning rate that the stage begins with."""


STAGES = (
    TrainingStage(name="stable", share=0.53),
    TrainingStage(name="anneal", share=0.25, weights=ANNEAL_WEIGHTS),
    TrainingStage(name="chat", share=0.10, weights=CHAT_WEIGHTS, peak=0.4),
    TrainingStage(name="long", share=0.03, row_tokens=2048, weights=CHAT_WEIGHTS, peak=0.15),
    TrainingStage(name="finish", share=0.09, weights=FINISH_WEIGHTS, peak=0.3),
)


@dataclass(frozen=True, kw_only=True)
class PretrainConfig:
    """A whole pretraining run."""

    size: Literal["smoke", "cpu", "cpu-large", "gpu"] = "cpu"
    """Which of the stated shapes."""
    tokens: int = 40_000_000
    """Training tokens in all, where no budget is given."""
    budget_s: float | None = None
    """Seconds of training in all; replaces `tokens`."""
    tokens_per_step: int = 12_288
    """Tokens an optimiser step, over all processes."""
    rows_at_once: int = 8
    """Rows of 512 tokens computed together on one process; longer rows take fewer."""
    learning_rate: float = 3e-3
    """AdamW's peak learning rate (embeddings, gains)."""
    muon_learning_rate: float = 8e-3
    """Muon's peak learning rate (hidden matrices)."""
    max_characters: int = 120_000_000
    """Characters of a domain that are tokenised at most."""
    generated_tokens: int = 8_000_000
    """Tokens of generated sensing text and of generated conversations, each at most."""
    compile: bool = False
    """Compile the model with torch.compile: a third faster, needs a C++ compiler on CPUs."""
    patience: int = 0
    """Validations without a better held-out loss before a stage stops; 0 never."""
    seed: int = 0
    """Seed of weights, order and generated text."""

    def loop(self, stage: TrainingStage, processes: int = 1) -> LoopConfig:
        """Give the loop's settings for a stage."""
        rows = max(self.tokens_per_step // stage.row_tokens, 1)
        at_once = max(self.rows_at_once * 512 // stage.row_tokens, 1) * processes
        parts = max(rows // at_once, 1)
        first = stage.name == "stable"
        return LoopConfig(
            epochs=1_000_000,
            steps=max(int(self.tokens * stage.share / self.tokens_per_step), 1)
            if self.budget_s is None
            else None,
            budget_s=None if self.budget_s is None else self.budget_s * stage.share,
            batch_size=max(rows // parts, 1) * parts,
            gradient_accumulation=parts,
            learning_rate=self.learning_rate * stage.peak,
            muon_learning_rate=self.muon_learning_rate * stage.peak,
            optimizer="muon",
            weight_decay=0.05,
            beta2=0.95,
            schedule="constant" if first else "wsd",
            warmup_share=0.02,
            decay_share=0.98,
            final_share=0.02,
            validate_every=200,
            patience=self.patience,
            seed=self.seed + [s.name for s in STAGES].index(stage.name),
            checkpoint_every_s=300.0,
            log_every=5,
        )
