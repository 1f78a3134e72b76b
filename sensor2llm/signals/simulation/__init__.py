"""The scenarios of `sensor2llm.signals.simulate`, one file each."""
