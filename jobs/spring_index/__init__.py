"""Extended spring indices from daily weather."""
