"""The parts of `sensor2llm.signals.serialisation.serialise`: options, number forms and layouts."""
