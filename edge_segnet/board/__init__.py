"""What the machine says of itself, and what systemd is told."""
