"""The one training loop, its records and its checkpoints."""
