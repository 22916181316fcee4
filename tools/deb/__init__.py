"""A .deb with an environment of its own under /opt, for robots without internet: ``make deb``."""
