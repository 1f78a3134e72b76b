"""Label many files: on this machine or on a Ray cluster, and go on where it stopped."""
