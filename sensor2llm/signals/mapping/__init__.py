"""Data of another device under an adapter's names and axes."""
