"""The parts of a description in YAML: each key is checked, and becomes a field of the table."""
