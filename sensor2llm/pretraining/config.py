"""How an encoder is pretrained and fine-tuned, as torch-free dataclasses."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.errors import ConfigError
from sensor2llm.pretraining.objective_config import (
    AugmentConfig,
    CocoaConfig,
    CroSSLConfig,
    MaskedAutoencoderConfig,
    MultimodalNCEConfig,
    Objective,
    ObjectiveConfig,
    SimCLRConfig,
    check_choice,
    check_share,
)
from sensor2llm.signals.config import SplitConfig
from sensor2llm.training.config import LoopConfig

PRESETS = Path(__file__).parent / "presets"
"""Recipes of published pretraining, each NAME.yaml."""
MODALITY_DROPOUT = 0.3
"""Share of a training window's modalities that encoders and adapters learn without; chosen on
validation people (benchmarks.quality.missing_sensors)."""


@dataclass(frozen=True, kw_only=True)
class HeadConfig:
    """Set the classification head: Dense, ReLU, dropout, Dense over concatenated modalities."""

    width: int = 128
    """Width of the hidden layer (the released code's is 128); 0 makes the head linear."""
    dropout: float = 0.1
    """Share of hidden units dropped in training."""

    def __post_init__(self) -> None:
        if self.width < 0:
            raise ConfigError(f"width must not be negative, got {self.width}")
        check_share("dropout", self.dropout)


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig:
    """Set the supervised stage: encoder and head on the training people's labels."""

    head: HeadConfig = field(default_factory=lambda: HeadConfig(width=0))
    """The classification head; a linear one leaves the encoder's features easier to read."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """How training windows are varied."""
    label_smoothing: float = 0.1
    """Share of the target spread over all labels."""
    freeze_encoder: bool = False
    """Train the head alone. The encoder is fixed and then sees windows as they are."""

    def __post_init__(self) -> None:
        check_share("label_smoothing", self.label_smoothing)


def encoder_finetuning() -> FinetuneConfig:
    """Give the supervised stage of an encoder that is kept: any of its sensors may fail later.

    Studies and probes judge windows as they are and start from `FinetuneConfig`.
    """
    return FinetuneConfig(augment=AugmentConfig(modality_dropout=MODALITY_DROPOUT))


def pretrain_loop() -> LoopConfig:
    """Give the loop settings of self-supervised pretraining.

    The paper's are Adam 1e-4, batch 8, 50 epochs, patience 5; these cost minutes on one CPU core.
    """
    return LoopConfig(
        epochs=8, batch_size=64, learning_rate=1e-3, weight_decay=1e-4, warmup_share=0.1,
        precision="float32", min_steps=96,
    )  # fmt: skip


def finetune_loop() -> LoopConfig:
    """Give the loop settings of the supervised stage."""
    return LoopConfig(
        epochs=12, batch_size=64, learning_rate=1e-3, weight_decay=1e-2, warmup_share=0.1,
        ema_decay=0.99, precision="float32", min_steps=96,
    )  # fmt: skip


ProbeKind = Literal["linear", "mlp", "knn", "finetuned"]


def probe_loop() -> LoopConfig:
    """Give the loop settings of the MLP probe, which trains on stored features."""
    return LoopConfig(
        epochs=50, batch_size=64, learning_rate=1e-3, patience=5, precision="float32"
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ProbeConfig:
    """Set how an encoder is judged without a language model."""

    kinds: tuple[ProbeKind, ...] = ("linear", "mlp")
    """linear and mlp leave the encoder fixed; finetuned trains a copy of it."""
    inverse_penalties: tuple[float, ...] = (0.01, 0.03, 0.1, 0.3)
    """Values of logistic regression's C; the validation people choose."""
    head: HeadConfig = field(default_factory=HeadConfig)
    """The MLP probe's head."""
    loop: LoopConfig = field(default_factory=probe_loop)
    """How the MLP probe is trained."""
    finetune: FinetuneConfig = field(default_factory=FinetuneConfig)
    """The finetuned probe's stage."""
    finetune_loop: LoopConfig = field(default_factory=finetune_loop)
    """How the finetuned probe is trained."""

    def __post_init__(self) -> None:
        # Lists from JSON or YAML.
        object.__setattr__(self, "kinds", tuple(self.kinds))
        object.__setattr__(self, "inverse_penalties", tuple(self.inverse_penalties))
        for kind in self.kinds:
            check_choice("probe", kind, get_args(ProbeKind))
        if not self.inverse_penalties or min(self.inverse_penalties) <= 0:
            raise ConfigError(
                f"inverse_penalties must be positive numbers, got {self.inverse_penalties}"
            )


@dataclass(frozen=True, kw_only=True)
class EncoderRecipe:
    """Describe how an encoder is made: data, people, sizes, and one or two stages."""

    split: SplitConfig = field(default_factory=SplitConfig)
    """Which people teach and which validate; test people are left alone."""
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    """Kind and sizes."""
    pretrain: bool = True
    """Pretrain without labels. false with finetune is the supervised baseline."""
    objective: Objective = "crossl"
    """What is learnt without labels. Options of the objective's name set it."""
    crossl: CroSSLConfig = field(default_factory=CroSSLConfig)
    """CroSSL: latent masks, two views, VICReg."""
    cocoa: CocoaConfig = field(default_factory=CocoaConfig)
    """COCOA: modalities of one window together, windows apart."""
    simclr: SimCLRConfig = field(default_factory=SimCLRConfig)
    """SimCLR: two varied views of each modality."""
    masked_autoencoder: MaskedAutoencoderConfig = field(default_factory=MaskedAutoencoderConfig)
    """Masked autoencoder: hidden patches and modalities from what is left."""
    multimodal_nce: MultimodalNCEConfig = field(default_factory=MultimodalNCEConfig)
    """Multimodal NCE: pairs of modalities in common spaces."""
    pretrain_loop: LoopConfig = field(default_factory=pretrain_loop)
    """Length, batches and learning rate of the pretraining."""
    finetune: bool = False
    """Then train the encoder and a plain head on the labels."""
    supervised: FinetuneConfig = field(default_factory=encoder_finetuning)
    """Head, augmentation and label smoothing of the fine-tuning."""
    finetune_loop: LoopConfig = field(default_factory=finetune_loop)
    """Length, batches and learning rate of the fine-tuning."""
    everyone: bool = False
    """Fine-tune on validation people, too. It then lasts exactly finetune_loop.epochs."""
    seed: int | None = None
    """Seed of both stages, in place of their loops' own."""
    license: str | None = None
    """Licence of the encoder's weights, as the hub calls it (apache-2.0). The data's own has to be
    kept in any case."""

    def __post_init__(self) -> None:
        check_choice("objective", self.objective, get_args(Objective))
        if not (self.pretrain or self.finetune):
            raise ConfigError("nothing to do: set pretrain or finetune to true")
        if self.seed is not None:
            for name in ("pretrain_loop", "finetune_loop"):
                object.__setattr__(self, name, replace(getattr(self, name), seed=self.seed))

    @property
    def objective_config(self) -> ObjectiveConfig:
        """Give the options of the objective that is pretrained for."""
        chosen: ObjectiveConfig = getattr(self, self.objective)
        return chosen
