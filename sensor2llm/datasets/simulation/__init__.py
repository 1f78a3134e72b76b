"""The scenarios of `sensor2llm.datasets.simulation.simulate`, one file each."""
