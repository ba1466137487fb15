"""The text of what runs on a platform, and the reading of what it answers. Pure."""
