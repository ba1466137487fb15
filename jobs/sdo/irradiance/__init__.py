"""One number, or a few, of each of many solar images: a time series."""
