"""Pictures of windows, stores and embeddings."""

from sensor2llm.artefacts.moved_modules import forward

__getattr__ = forward("sensor2llm.plots.figures")
