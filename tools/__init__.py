"""Checks for developers that are no tests."""
