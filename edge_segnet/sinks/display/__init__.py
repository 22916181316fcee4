"""The 2015 demo's window."""
