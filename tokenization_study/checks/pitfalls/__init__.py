"""The checks of the pitfalls, one family a file; the catalogue above lists them."""
