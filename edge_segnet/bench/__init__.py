"""``edge-segnet bench``: how fast a model runs here, how old results are, what they cost and whether they are right."""
