"""Self-supervised objectives for signal encoders."""
