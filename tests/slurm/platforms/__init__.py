"""Any cluster: found out about, checked, given an environment, PBS, Dask backends, the old command line."""
