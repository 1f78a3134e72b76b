"""What a signal encoder looks like, as a torch-free dataclass."""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from typing import Any

from sensor2llm.errors import ConfigError

ORIENTATIONS = ("as_recorded", "turn_free")
FUSIONS = ("late", "joint")
ALWAYS_NAMED = (
    "kind", "width", "kernels", "strides", "dropout", "aggregator_hidden", "aggregator_width",
    "pooled_steps",
)  # fmt: skip
OF_ALL = (
    "width", "pooled_steps", "aggregator_hidden", "aggregator_width", "shared", "fusion",
    "weights", "revision", "sha256", "by_modality",
)  # fmt: skip
"""What all modalities have alike."""
NEVER_NAMED = ("weights", "revision")
"""Where weights lay; which they are, their hash says."""


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """Choose the modality encoders and the cross-modal aggregator [CroSSL, sec. 3.1]."""

    kind: str = "temporal_cnn"
    """Kind of the modality encoders; `mantis` and `chronos2` are others' and stay as they are. A
    modality without an axis always gets a small MLP."""
    width: int = 96
    """Features a step. The three convolutions have width/4, width/2 and width filters."""
    kernels: Sequence[int] = (24, 16, 8)
    """Kernel sizes of the three convolutions, in steps of their input."""
    strides: Sequence[int] = (2, 2, 1)
    """Strides of the three convolutions; 1, 1, 1 is the paper's and costs three times as much."""
    dropout: float = 0.1
    """Share of features dropped, for a whole window, after each convolution; off in pretraining."""
    aggregator_hidden: int = 64
    """Width of the aggregator's first layer."""
    aggregator_width: int = 32
    """Width of the aggregator's output, to which the pretraining loss is applied."""
    pooled_steps: int = 16
    """Steps a modality that the bridge gets, whatever the window's length."""
    patches: int = 8
    """patch_transformer: equal parts in time of a window, one token each; more for long windows."""
    layers: int = 1
    """patch_transformer: transformer layers."""
    heads: int = 2
    """patch_transformer: attention heads; they divide token_width."""
    token_width: int = 48
    """patch_transformer: features a token inside the transformer; a linear layer makes `width`."""
    feedforward: int = 2
    """patch_transformer: width of the feed-forward layers, in multiples of token_width."""
    spectrum: bool = True
    """patch_transformer: a token also sees the magnitude spectrum of its patch."""
    shared: bool = False
    """patch_transformer: one transformer for all modalities, each with its own patch embedding."""
    fusion: str = "late"
    """late hears each modality alone; joint lets the shared transformer look at the patches of all,
    so that what is known of one depends on the others. Adapters take late."""
    lstm_stride: int = 4
    """deepconvlstm: steps averaged to one before the LSTM, which is slow; 1 is the papers'."""
    lstm_input_steps: int = 0
    """deepconvlstm: a longer window is averaged to at most so many steps first; 0 leaves it."""
    resnet_kernel: int = 7
    """resnet: kernel size of its convolutions, in steps; odd."""
    resnet_blocks: int = 2
    """resnet: blocks in each of the three stages."""
    inception_modules: int = 6
    """inception: modules one behind the other; every three have a shortcut."""
    inception_kernel: int = 40
    """inception: longest kernel, in steps of the window; the others are a half and a quarter."""
    inception_stride: int = 4
    """inception: stride of the first module; 1 is the paper's and takes four times as long."""
    tabular_layers: int = 1
    """Hidden layers for a modality without an axis; those after the first are residual blocks."""
    weights: str | None = None
    """mantis, chronos2: a folder or hub name of weights other than the published ones."""
    revision: str | None = None
    """mantis, chronos2: the hub's revision of the weights; a commit once they are loaded."""
    sha256: str | None = None
    """mantis, chronos2: hash of the weights' files; any other is refused."""
    orientation: str = "as_recorded"
    """How three-axis sensors are heard: as_recorded, or turn_free, by what no turn of the device
    changes. Its normalisation has no mean and one scale for all three axes."""
    faint: bool = False
    """Beside each channel in time, its movement as inverse hyperbolic sine: sitting and standing
    still differ in what is a hundredth of a step's. turn_free has such channels of its own."""
    by_modality: dict[str, dict[str, Any]] = field(default_factory=dict, hash=False)
    """Other settings for some modalities, by name: `{watch_bvp: {strides: [4, 4, 2]}}`."""

    def __post_init__(self) -> None:
        # Lists from JSON or YAML.
        for name in ("kernels", "strides"):
            sizes = tuple(getattr(self, name))
            object.__setattr__(self, name, sizes)
            if len(sizes) != 3 or not all(isinstance(s, int) and s > 0 for s in sizes):
                raise ConfigError(f"{name} must be three positive numbers, got {sizes}")
        if self.width < 4 or self.width % 4:
            raise ConfigError(f"width must be a positive multiple of 4, got {self.width}")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout must be at least 0 and below 1, got {self.dropout}")
        for name in (
            "aggregator_hidden", "aggregator_width", "pooled_steps", "patches", "layers", "heads",
            "feedforward", "lstm_stride", "resnet_blocks", "inception_modules", "inception_kernel",
            "inception_stride", "tabular_layers",
        ):  # fmt: skip
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be positive, got {getattr(self, name)}")
        if self.lstm_input_steps < 0:
            raise ConfigError(f"lstm_input_steps must not be negative, got {self.lstm_input_steps}")
        for name, choices in (("orientation", ORIENTATIONS), ("fusion", FUSIONS)):
            if (value := getattr(self, name)) not in choices:
                raise ConfigError(f"unknown {name} {value!r}; choose from {', '.join(choices)}")
        self._check_kinds()
        self._check_modalities()

    def of(self, modality: str) -> "EncoderConfig":
        """Give the settings of one modality's encoder."""
        return replace(self, **{"by_modality": {}, **self.by_modality.get(modality, {})})

    def _check_modalities(self) -> None:
        names = {f.name for f in fields(self)} - set(OF_ALL)
        lists = {name: _tuples(settings) for name, settings in self.by_modality.items()}
        object.__setattr__(self, "by_modality", lists)
        for modality, settings in self.by_modality.items():
            if not isinstance(settings, Mapping) or not settings.keys() <= names:
                actual = ", ".join(settings) if isinstance(settings, Mapping) else repr(settings)
                raise ConfigError(
                    f"by_modality of {modality!r} must name settings of one modality's encoder "
                    f"({', '.join(sorted(names))}), got {actual}"
                )
            self.of(modality)
        if self.by_modality and self.shared:
            raise ConfigError("a shared encoder has one setting for all; leave by_modality out")

    def _check_kinds(self) -> None:
        if self.token_width < 1 or self.token_width % (2 * self.heads):
            raise ConfigError(
                f"token_width must be a positive multiple of twice the heads ({self.heads}), "
                f"got {self.token_width}"
            )
        if self.resnet_kernel < 1 or self.resnet_kernel % 2 == 0:
            raise ConfigError(
                f"resnet_kernel must be a positive odd number, got {self.resnet_kernel}"
            )
        if self.shared and self.orientation != "as_recorded":
            raise ConfigError("a shared encoder hears sensors as_recorded; leave orientation out")
        if self.shared and self.kind != "patch_transformer":
            raise ConfigError(
                f"shared needs the encoder patch_transformer, got {self.kind!r}; no other kind "
                "has a part that all modalities can share"
            )
        if self.fusion == "joint" and not self.shared:
            raise ConfigError(
                "fusion joint is one patch_transformer over all modalities; set shared to true"
            )

    def identity(self) -> dict[str, Any]:
        """Give what a fingerprint hashes.

        A field that came after the first release is left out while it has its default, so that an
        encoder keeps its fingerprint when the configuration grows. Such a default never changes.
        """
        return {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if field.name in ALWAYS_NAMED
            or (field.name not in NEVER_NAMED and getattr(self, field.name) != _default(field))
        }


def _tuples(settings: Any) -> Any:
    if not isinstance(settings, Mapping):
        return settings
    return {name: tuple(v) if isinstance(v, list) else v for name, v in settings.items()}


def _default(field: Field[Any]) -> Any:
    made = field.default_factory
    return field.default if made is MISSING else made()
