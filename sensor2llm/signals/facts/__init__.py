"""One extractor a kind of fact: movement, heart, lungs; `facts` puts them together."""

from sensor2llm.artefacts.moved_modules import forward

__getattr__ = forward("sensor2llm.signals.facts.facts")
