"""What the inputs are: which files, on which grids, of which days. Only headers are read."""
