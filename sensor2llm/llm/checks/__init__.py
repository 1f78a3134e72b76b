"""Whether an LLM is the one that it was, and which short ways it may go."""
