"""The analyses: they run on a laptop or a cluster and never import the launcher."""
