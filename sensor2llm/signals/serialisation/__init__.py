"""The parts of `sensor2llm.signals.serialise`: options, number forms and layouts."""
