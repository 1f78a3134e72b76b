"""What people type to a model that hears windows, and what is answered to it."""
