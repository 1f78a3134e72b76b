"""Sensor values that a person types into a sentence: recognised, made a window, and asked about."""
