"""``edge-segnet doctor``: what is here, and what to do about what is not.

Each topic is a module whose functions look at one thing and yield findings; ``run.py`` has them run apart from each
other and within a time limit, those that load native libraries in processes of their own (``child.py``).
"""
