"""The faults that a robot meets in its second month: ``make faults`` and ``make soak`` (``python -m tests.faults``)."""
