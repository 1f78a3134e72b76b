"""The frozen LLM with an adapter: prompts as text, prompts as vectors, the loss."""

from sensor2llm.artefacts.moved_modules import forward

__getattr__ = forward("sensor2llm.model.model")
