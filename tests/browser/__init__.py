"""JupyterLab in a real browser on the laptop of the test cluster, as a person sees it."""
