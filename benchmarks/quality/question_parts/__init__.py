"""Questions as people type them: what they are, what is true, and who is asked besides."""
