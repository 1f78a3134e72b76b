"""How people and engines reach an adapter: the terminal, prompt embeddings."""
