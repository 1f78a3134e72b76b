"""The checks of the pitfalls, one family a file; `tokenization_study.catalogue` lists them."""
