"""Frozen language models, soft prompts and prompt templates."""
