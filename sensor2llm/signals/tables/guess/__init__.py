"""Guess the description of files: how they are written, when, what, who; what is unsure is said."""
