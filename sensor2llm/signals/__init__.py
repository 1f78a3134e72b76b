"""Signals: specs, recordings, windows, stores, splits, facts and simulation."""
