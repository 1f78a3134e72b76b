"""What is trained and saved: the adapter, its files and its card."""

from sensor2llm.artefacts.moved_modules import forward

__getattr__ = forward("sensor2llm.adapter.adapter")
