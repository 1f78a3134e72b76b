"""The rows of files, chunk by chunk: their numbers, times and texts."""
