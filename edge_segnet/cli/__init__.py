"""What each command of ``cli.py`` wires together and prints."""
