"""Tools for assistants: adapters, files and windows through the Model Context Protocol."""
