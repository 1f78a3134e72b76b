"""Who is in which part, and whether anybody is in two."""

from sensor2llm.artefacts.moved_modules import forward

__getattr__ = forward("sensor2llm.signals.splits.splits")
