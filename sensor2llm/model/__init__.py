"""The frozen LLM with an adapter: prompts as text, prompts as vectors, the loss."""
