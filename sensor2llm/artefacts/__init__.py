"""Files that are kept: written in one step, found by name, checked as they are read."""
