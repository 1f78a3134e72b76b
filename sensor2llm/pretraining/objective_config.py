"""What each pretraining objective can be told, as torch-free dataclasses."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal, get_args

from sensor2llm.errors import ConfigError

Objective = Literal["crossl", "cocoa", "simclr", "masked_autoencoder", "multimodal_nce"]
Mask = Literal["spatial", "random", "temporal"]
COOLEST = 0.05
CocoaForm = Literal["cross_entropy", "distance"]


@dataclass(frozen=True, kw_only=True)
class CroSSLConfig:
    """Set CroSSL's latent masks and its VICReg coefficients [CroSSL, sec. 3.2 and 3.3]."""

    kind: ClassVar[Objective] = "crossl"

    mask: Mask = "spatial"
    """spatial masks whole modalities, random single latent units, temporal spans of latent steps
    before they are pooled (of a DeepConvLSTM, pooled by its last step, all or nothing)."""
    masking_ratio: float = 0.3
    """Share masked in each of the two views; the paper's is 0.1."""
    mask_span: int = 4
    """Latent steps that a temporal mask hides together."""
    distinct_views: bool = True
    """Draw again where both views have the same mask (with few modalities most do)."""
    similarity: float = 25.0
    """Weight of the invariance term; CroSSL's 10, 10 and 100 leave the variance near collapse."""
    std: float = 25.0
    """Weight of the variance term."""
    covariance: float = 1.0
    """Weight of the covariance term."""

    def __post_init__(self) -> None:
        check_choice("mask", self.mask, get_args(Mask))
        check_share("masking_ratio", self.masking_ratio)
        if self.masking_ratio == 0 and self.distinct_views:
            raise ConfigError("masking_ratio 0 masks nothing, so distinct_views must be false")
        if self.mask_span < 1:
            raise ConfigError(f"mask_span must be at least 1, got {self.mask_span}")


@dataclass(frozen=True, kw_only=True)
class CocoaConfig:
    """Set COCOA's contrast of modalities [COCOA, Deldari et al. 2022]."""

    kind: ClassVar[Objective] = "cocoa"

    form: CocoaForm = "distance"
    """Which of the two released losses: distance is the one that CroSSL compares with."""
    temperature: float = 0.5
    """Divides every similarity, or distance, before the exponential."""
    positive_weight: float = 1 / 32
    """Weight of the distance form's positive term."""
    negative_weight: float = 3.9e-3
    """Weight of the distance form's negative term."""

    def __post_init__(self) -> None:
        check_choice("form", self.form, get_args(CocoaForm))
        # exp(2 / temperature) is computed: below this it leaves float32.
        if not self.temperature >= COOLEST:
            raise ConfigError(f"temperature must be at least {COOLEST}, got {self.temperature}")


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """Set how training windows are varied; 0 leaves a kind of variation out."""

    rotation_rad: float = 0.3
    """Standard deviation of a random 3-D rotation, one a body site: the sensor sits askew."""
    scale: float = 0.1
    """Standard deviation of the logarithm of a factor a modality."""
    shift: float = 0.0
    """Largest shift in time, as a share of the window; ends are mirrored."""
    warp: float = 0.0
    """Standard deviation of the logarithm of a change of pace."""
    noise: float = 0.0
    """Standard deviation of added noise, in units of each channel's own deviation."""
    gravity_loss: float = 0.0
    """Share of windows whose accelerations lose their mean, as devices give them that take gravity
    out."""
    rate_loss: float = 0.0
    """Share of windows that lose what a device of half the rate does not measure."""
    modality_dropout: float = 0.0
    """Share of present modalities taken away, never a window's last one."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 0:
                raise ConfigError(f"{name} must not be negative, got {value}")
        for name in ("gravity_loss", "rate_loss"):
            if getattr(self, name) > 1:
                raise ConfigError(f"{name} must be at most 1, got {getattr(self, name)}")
        if self.modality_dropout >= 1:
            raise ConfigError(f"modality_dropout must be below 1, got {self.modality_dropout}")


def view_augmentation() -> AugmentConfig:
    """Give the variations that make SimCLR's two views."""
    return AugmentConfig(rotation_rad=0.5, scale=0.2, shift=0.1, warp=0.1, noise=0.1)


@dataclass(frozen=True, kw_only=True)
class SimCLRConfig:
    """Set SimCLR's contrast of two varied views of each modality [SimCLR, Chen et al. 2020]."""

    kind: ClassVar[Objective] = "simclr"

    temperature: float = 0.1
    """Divides every cosine similarity."""
    projection_width: int = 64
    """Width of the projection head's output; the head is left behind after pretraining."""
    augment: AugmentConfig = field(default_factory=view_augmentation)
    """How the two views are made."""

    def __post_init__(self) -> None:
        check_positive("temperature", self.temperature)
        check_positive("projection_width", self.projection_width)


@dataclass(frozen=True, kw_only=True)
class MaskedAutoencoderConfig:
    """Set the masked autoencoder over patches of several modalities [Fang et al. 2024]."""

    kind: ClassVar[Objective] = "masked_autoencoder"

    masking_ratio: float = 0.5
    """Share of each modality's patches that the encoder does not see."""
    patches: int = 16
    """Patches a modality: equal parts of the window, so that rates do not matter."""
    modality_dropout: float = 0.3
    """Share of present modalities that the encoder does not see at all, never the last one."""
    cross_modal: bool = True
    """Reconstruct each modality from all that are left; false takes its own visible patches."""
    decoder_layers: int = 1
    """Transformer layers of the decoder, which is left behind after pretraining."""
    heads: int = 4
    """Attention heads of the decoder."""

    def __post_init__(self) -> None:
        check_share("masking_ratio", self.masking_ratio)
        check_share("modality_dropout", self.modality_dropout)
        if self.masking_ratio == 0 and self.modality_dropout == 0:
            raise ConfigError("nothing is hidden: masking_ratio and modality_dropout are both 0")
        if self.modality_dropout and not self.cross_modal and self.masking_ratio == 0:
            raise ConfigError("a dropped modality cannot be reconstructed with cross_modal false")
        for name in ("patches", "decoder_layers", "heads"):
            check_positive(name, getattr(self, name))


@dataclass(frozen=True, kw_only=True)
class MultimodalNCEConfig:
    """Set the pairwise contrast of modalities in common spaces [VATT, sec. 3.3]."""

    kind: ClassVar[Objective] = "multimodal_nce"

    temperature: float = 0.07
    """Divides every cosine similarity."""
    projection_width: int = 64
    """Width of the common spaces, one a pair of modalities."""
    token_drop: float = 0.5
    """DropToken: share of each modality's tokens left out, in pretraining only [VATT, sec. 3.2]."""

    def __post_init__(self) -> None:
        check_positive("temperature", self.temperature)
        check_positive("projection_width", self.projection_width)
        check_share("token_drop", self.token_drop)


ObjectiveConfig = (
    CroSSLConfig | CocoaConfig | SimCLRConfig | MaskedAutoencoderConfig | MultimodalNCEConfig
)


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise ConfigError, which lists the choices, unless `value` is one of them."""
    if value not in choices:
        raise ConfigError(f"unknown {name} {value!r}; choose from {', '.join(choices)}")


def check_share(name: str, value: float) -> None:
    """Raise ConfigError unless `value` is at least 0 and below 1."""
    if not 0 <= value < 1:
        raise ConfigError(f"{name} must be at least 0 and below 1, got {value}")


def check_positive(name: str, value: float) -> None:
    """Raise ConfigError unless `value` is above 0."""
    if not value > 0:
        raise ConfigError(f"{name} must be positive, got {value}")
