"""Pictures of windows, stores and embeddings."""

from sensor2llm.moved import forward

__getattr__ = forward("sensor2llm.plots.figures")
