"""Pictures of windows, stores and embeddings."""
