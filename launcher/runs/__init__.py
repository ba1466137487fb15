"""Runs of analyses on a platform: what is sent, how far they are, and how results come home."""
