"""Windows on disk, with a fingerprint of all that they hold."""

from sensor2llm.artefacts.moved_modules import forward

__getattr__ = forward("sensor2llm.signals.store.store")
