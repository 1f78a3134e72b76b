"""The sensing text: what its sentences are made of, one kind of text a file."""
