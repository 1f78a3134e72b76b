"""The bridge: encoder steps to signal tokens, and their places in a prompt."""
