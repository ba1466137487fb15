"""platforms.ini: read, explained, changed, and written for a new cluster."""
