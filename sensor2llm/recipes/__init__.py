"""Recipes: the whole run as dataclasses, and the builders that turn one into objects."""
