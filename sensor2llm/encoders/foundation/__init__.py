"""Foundation encoders: pretrained by others on many series, frozen, one for all modalities."""
