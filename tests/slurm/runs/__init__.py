"""Analyses on the real cluster, from the laptop and from batch scripts."""
