"""Bridges that few people need."""
