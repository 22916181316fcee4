"""What every room knows: types, errors, classes, documents, time. NumPy and pydantic only."""
