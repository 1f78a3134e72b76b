"""How things were made or found out; run from a clone, not part of what people install."""
