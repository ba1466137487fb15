"""What a Python must have to run a session: one list, with the oldest versions that will do. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import metadata

# dask-labextension shows Dask's dashboard through jupyter-server-proxy, which it imports.
NEEDED = ("jupyterlab", "jupyter-server-proxy", "dask", "distributed", "dask-jobqueue", "dask-labextension")
MODULES = tuple(name.replace("-", "_") for name in NEEDED)  # what they are imported by
_FLOOR = re.compile(r"(?P<name>[\w.-]+)(?:\[[^]]*\])?>=(?P<version>[\d.]+)")


def floors() -> Mapping[str, str]:
    """The oldest version of each, as this springline's own metadata says; 0 where it says nothing."""
    found = dict.fromkeys(NEEDED, "0")
    for line in metadata.requires("springline") or ():
        match = _FLOOR.match(line)
        if match and match["name"] in found:
            found[match["name"]] = match["version"]
    return found
