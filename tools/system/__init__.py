"""A machine with a real systemd, made of the distribution's packages: for ``make system``."""
