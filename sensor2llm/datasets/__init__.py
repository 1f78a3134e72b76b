"""Readers of published data sets, one file each.

A reader raises ConfigError for an option that its data set does not have, and DataError or
SpecError, naming file and place, for all that is missing or not as published.
"""
