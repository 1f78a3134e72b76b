"""Foundation encoders: pretrained by others on many series, frozen, one for all modalities."""

SETTINGS, WEIGHTS = "config.json", "model.safetensors"
"""The files of one, as the hub has them."""
