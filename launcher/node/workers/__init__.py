"""The session's one Dask cluster: who gives its workers, of what shape, and how many."""
