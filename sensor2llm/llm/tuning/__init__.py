"""What reaches the LLM beside its weights: soft prompt, prefix, LoRA, hooks of one call."""
