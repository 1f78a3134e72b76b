"""What a signal encoder looks like, as a torch-free dataclass."""

from dataclasses import dataclass

from sensor2llm.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """Choose the modality encoders and the cross-modal aggregator [CroSSL, sec. 3.1].

    Raises:
        ConfigError: an option is outside its range.
    """

    kind: str = "temporal_cnn"
    """The modality encoder; a modality without an axis always gets a small MLP."""
    width: int = 96
    """Features a step. The three convolutions have width/4, width/2 and width filters."""
    kernels: tuple[int, int, int] = (24, 16, 8)
    """Kernel sizes of the three convolutions, in steps of their input."""
    strides: tuple[int, int, int] = (2, 2, 1)
    """Strides of the three convolutions; 1, 1, 1 is the paper's and costs three times as much."""
    dropout: float = 0.1
    """Share of features dropped, for a whole window, after each convolution; off in pretraining."""
    aggregator_hidden: int = 64
    """Width of the aggregator's first layer."""
    aggregator_width: int = 32
    """Width of the aggregator's output, to which the pretraining loss is applied."""
    pooled_steps: int = 16
    """Steps a modality that the bridge gets, whatever the window's length."""

    def __post_init__(self) -> None:
        """Check the ranges; lists from JSON or YAML become tuples."""
        for name in ("kernels", "strides"):
            sizes = tuple(getattr(self, name))
            object.__setattr__(self, name, sizes)
            if len(sizes) != 3 or min(sizes) < 1:
                raise ConfigError(f"{name} must be three positive numbers, got {sizes}")
        if self.width < 4 or self.width % 4:
            raise ConfigError(f"width must be a positive multiple of 4, got {self.width}")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout must be at least 0 and below 1, got {self.dropout}")
        for name in ("aggregator_hidden", "aggregator_width", "pooled_steps"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be positive, got {getattr(self, name)}")
