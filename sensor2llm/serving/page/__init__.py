"""The page at `/`: a recording in a browser, what an adapter says of it, and what it was given."""
