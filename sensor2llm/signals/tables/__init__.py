"""A person's own files: their description in YAML, and the windows that come of them."""
