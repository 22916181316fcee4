"""The settings file: its schema, strict; every fault knows its place."""
