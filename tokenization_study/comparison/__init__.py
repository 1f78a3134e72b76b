"""The same windows, the same frozen LLM: raw numbers in the prompt against encoded inputs."""
