"""Numbers and their texts, from files of any kind."""
