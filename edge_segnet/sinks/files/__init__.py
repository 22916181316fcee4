"""Ways out into files: JSON lines, videos, and what recordings share with them.

``written`` means: a reader finds it after a kill -9 now. A power cut takes ``raw.SYNC_S`` seconds at most. What broke
off is finished, repaired or removed at the next start.
"""
