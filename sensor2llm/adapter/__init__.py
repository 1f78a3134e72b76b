"""What is trained and saved: the adapter, its files and its card."""
