"""Measurements, printed as tables: `python -m tests.bench [NAME…]`."""
