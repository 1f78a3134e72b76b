"""What became of every row that was read."""
