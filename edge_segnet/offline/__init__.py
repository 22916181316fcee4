"""Files in, files out: segment and evaluate, without a service."""
