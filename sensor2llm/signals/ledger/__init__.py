"""What became of every row that was read."""

from sensor2llm.artefacts.moved_modules import forward

__getattr__ = forward("sensor2llm.signals.ledger.ledger")
