"""What tokenizers do to sensor numbers."""
