"""Tokenizers of every family behind one protocol."""
