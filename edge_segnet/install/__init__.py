"""The service on this machine, laid and taken away: plan first, then change, and the way back if that fails."""
