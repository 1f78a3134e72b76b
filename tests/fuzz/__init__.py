"""Mutated files for every reader: `python -m tests.fuzz --help`, or `make fuzz`."""
