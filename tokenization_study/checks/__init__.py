"""What goes wrong, and how it is measured."""
