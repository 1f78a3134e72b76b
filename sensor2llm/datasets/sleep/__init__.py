"""Data sets of sleep stages."""
