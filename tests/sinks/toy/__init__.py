"""A sink that nobody but a test knows: a folder and a line."""
