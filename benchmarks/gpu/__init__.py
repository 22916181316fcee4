"""All that needs an NVIDIA GPU: ``python -m benchmarks.gpu [--json FILE] [STEP...]``, or ``make gpu``."""
