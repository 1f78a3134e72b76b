"""The one program `sensor2llm`: its verbs, what it lists, what a shell completes."""
