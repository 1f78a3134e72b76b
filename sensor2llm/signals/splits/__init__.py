"""Who is in which part, and whether anybody is in two."""

from sensor2llm.moved import forward

__getattr__ = forward("sensor2llm.signals.splits.splits")
