"""The cards that stand beside adapters and encoders."""
