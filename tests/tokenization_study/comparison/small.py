"""A small comparison's options."""

from tokenization_study.comparison.config import ComparisonConfig

CONFIG = ComparisonConfig(
    windows=12, validation_windows=6, train_windows=12, epochs=1, learned=1, shots=2,
    serialisers=("plain", "digits_spaced"), rate_hz=4.0, soft_tokens=2, free_text=True,
)  # fmt: skip


ZERO_SHOT_ONLY = {"shots": 0, "soft_tokens": 0, "learned": 0, "free_text": False}
