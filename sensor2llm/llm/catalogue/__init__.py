"""Language models with a name of their own here: what they are, getting them, reading GGUF."""
