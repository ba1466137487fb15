"""What runs on the compute node: JupyterLab and one Dask cluster, from a request file to the end of the session.

The launcher packs this directory as the package ``springline_node`` and uploads it, so the modules import each other
relatively, nothing of the launcher, and only the standard library until JupyterLab is on its way.
"""
