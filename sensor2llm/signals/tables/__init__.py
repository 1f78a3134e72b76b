"""A person's own files: their description in YAML, and the windows that come of them.

Every step raises DataError, naming file, row and column, for what cannot be read, and SpecError for
what cannot be in its unit or in the spec; `windows.read_windows` is the door.
"""
