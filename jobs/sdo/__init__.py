"""The Sun in bulk: a cloud registry, the irradiance of many FITS files, all channels of a moment in one read."""
