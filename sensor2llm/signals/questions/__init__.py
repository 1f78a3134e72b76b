"""Questions, answers and captions whose facts are computed from the signal, and their checker."""
