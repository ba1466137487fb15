"""The Dask configuration of a session: what makes ``Client()`` and the Dask panel find its cluster."""

from __future__ import annotations

import json
from collections.abc import Mapping, MutableMapping
from typing import Any

from .request import Request, SessionDir
from .state import write_private

DASHBOARD_LINK = "/proxy/{port}/status"  # through Jupyter, where the token guards it
# Variables of the user's that would win over the session's own file.
OURS = (
    "DASK_SCHEDULER_ADDRESS",
    "DASK_LABEXTENSION",
    "DASK_DISTRIBUTED__COMM__TLS",
    "DASK_DISTRIBUTED__DASHBOARD__LINK",
)


def configuration(directory: SessionDir, request: Request, scheduler: str | None) -> dict[str, Any]:
    """Return the configuration, with the scheduler's address once there is one."""
    pair = {"cert": str(directory.certificate), "key": str(directory.key)}
    tls = {"ca-file": str(directory.certificate), "client": pair, "worker": pair, "scheduler": pair}
    panel = {
        "factory": {
            "module": f"{__package__}.panel",
            "class": "SessionCluster",
            "args": [],
            "kwargs": {"session-dir": str(directory.path)},
        },
        "default": {"workers": None, "adapt": None},
        "initial": [{"name": request.session}],
    }
    config = {"distributed": {"comm": {"tls": tls}, "dashboard": {"link": DASHBOARD_LINK}}, "labextension": panel}
    return config if scheduler is None else {"scheduler-address": scheduler, **config}


def write(directory: SessionDir, request: Request, scheduler: str | None = None) -> None:
    """Write the configuration; JSON is YAML too."""
    directory.dask.mkdir(mode=0o700, exist_ok=True)
    text = json.dumps(configuration(directory, request, scheduler), indent=1) + "\n"
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
