"""Who is in which part, and whether anybody is in two."""
