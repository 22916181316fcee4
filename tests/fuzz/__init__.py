"""Fuzzing of every parser that reads what somebody else wrote: ``make fuzz``, or ``python -m tests.fuzz --help``."""
