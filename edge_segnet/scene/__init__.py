"""What labels mean: regions, ground, temporal filter, rules, events."""
