"""``edge-segnet label``: many recordings, videos and folders in; labels, statistics and a manifest out.

    inputs ─► plan.py: items, and tasks ─► an engine: local.py, on_ray.py ─► work.py in each worker ─► parts.py on disk
                                                     │
                                       run.py: what is done, what failed, the manifest

A task is a stretch of one item, and depends on the inputs and the options alone: not on the engine, nor on how many
workers there are. What a task makes is published by renaming its statistics, after the labels: a killed worker leaves a
task undone or done, and doing it again makes the same files.
"""
