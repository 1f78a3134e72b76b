"""Windows on disk, with a fingerprint of all that they hold."""
