"""All channels of a moment from single NPZ files into one Zarr store."""
