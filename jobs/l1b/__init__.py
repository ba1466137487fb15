"""Sentinel-1 GRD products to calibrated, denoised grids of about a kilometre (L1B)."""
