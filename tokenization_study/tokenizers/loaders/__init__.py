"""Readers of tokenizer files, one format a file."""
