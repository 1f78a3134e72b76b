"""One extractor a kind of fact: movement, heart, lungs; `facts` puts them together."""

from sensor2llm.moved import forward

__getattr__ = forward("sensor2llm.signals.facts.facts")
