"""Backends run models; ``model`` opens them."""
