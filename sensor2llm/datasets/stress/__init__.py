"""Data sets of stress and affect."""
