"""Benchmarks: what the README promises, measured. ``make bench`` runs them all in one go, because machines are noisy
and only ratios of one run compare.
"""
