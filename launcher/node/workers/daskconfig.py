"""The Dask configuration of a session: what makes ``Client()`` and the Dask panel find its cluster."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

from ..request import Request, SessionDir
from ..state import write_private

DASHBOARD_LINK = "/proxy/{port}/status"  # through Jupyter, where the token guards it
# Variables of the user's that would win over the session's own file.
OURS = (
    "DASK_SCHEDULER_ADDRESS",
    "DASK_LABEXTENSION",
    "DASK_DISTRIBUTED__COMM__TLS",
    "DASK_DISTRIBUTED__DASHBOARD__LINK",
)


def tls_files(request: Request) -> dict[str, str]:
    """Return the files for a scheduler that is there already, ``ca-file, cert, key``, as this node knows them."""
    names = {"ca-file": request.tls_ca, "cert": request.tls_cert, "key": request.tls_key}
    return {name: str(Path(os.path.expandvars(path)).expanduser()) for name, path in names.items() if path}


def tls(directory: SessionDir, request: Request) -> dict[str, Any]:
    """Return the files that a client of the session's scheduler needs."""
    if request.backend == "address":
        theirs = tls_files(request)
        ca_file, pair = theirs.pop("ca-file", None), theirs
    elif request.backend == "gateway":
        pair = {"cert": str(directory.gateway_certificate), "key": str(directory.gateway_key)}
        ca_file = pair["cert"]
    else:
        pair = {"cert": str(directory.certificate), "key": str(directory.key)}
        ca_file = pair["cert"]
    return {"ca-file": ca_file, "client": pair, "worker": pair, "scheduler": pair} if ca_file else {}


def configuration(
    directory: SessionDir, request: Request, scheduler: str | None, dashboard: str = DASHBOARD_LINK
) -> dict[str, Any]:
    """Return the configuration, with the scheduler's address once there is one."""
    panel = {
        "factory": {
            "module": f"{__name__.rsplit('.', 2)[0]}.lab.panel",
            "class": "SessionCluster",
            "args": [],
            "kwargs": {"session-dir": str(directory.path)},
        },
        "default": {"workers": None, "adapt": None},
        "initial": [{"name": request.session}],
    }
    distributed = {"comm": {"tls": tls(directory, request)}, "dashboard": {"link": dashboard}}
    config: dict[str, Any] = {"distributed": distributed, "labextension": panel}
    if request.backend == "gateway":  # its scheduler is reached by a protocol that dask-gateway's client brings
        distributed["client"] = {"preload": ["dask_gateway"]}
        config["logging"] = {"distributed.preloading": "warning"}  # it would tell each notebook about it
        if request.gateway_address:
            config["gateway"] = {"address": request.gateway_address}
    return config if scheduler is None else {"scheduler-address": scheduler, **config}


def write(
    directory: SessionDir, request: Request, scheduler: str | None = None, dashboard: str = DASHBOARD_LINK
) -> None:
    """Write the configuration; JSON is YAML too."""
    directory.dask.mkdir(mode=0o700, exist_ok=True)
    text = json.dumps(configuration(directory, request, scheduler, dashboard), indent=1) + "\n"
    write_private(directory.dask / "springline.yaml", text)


def point(environ: MutableMapping[str, str], directory: SessionDir) -> None:
    """Make the processes that inherit these variables read the session's configuration after the user's own."""
    for name in [name for name in environ if name.startswith(OURS)]:
        del environ[name]
    if "DASK_CONFIG" in environ:  # Dask knows one such place: the user's own moves to the one read first
        environ.setdefault("DASK_ROOT_CONFIG", environ["DASK_CONFIG"])
    environ["DASK_CONFIG"] = str(directory.dask)


def pointed(environ: Mapping[str, str], directory: SessionDir) -> dict[str, str]:
    """Return a copy of the variables that points at the session's configuration."""
    copy = dict(environ)
    point(copy, directory)
    return copy
