"""The server: OpenAI's chat with sensor parts, files, labels and embeddings over HTTP."""
