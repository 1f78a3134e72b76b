"""Data sets of accelerometers and gyroscopes."""
