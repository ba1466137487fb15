"""A session's Dask cluster from outside: how many workers, and how to run an analysis on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from launcher.cluster import Cluster
from launcher.errors import SpringlineError, SubmissionRefused, TunnelError, UsageError
from launcher.model import Session
from launcher.sessions.lifecycle import status
from launcher.tunnels.access import Access, Refusal


def parse(workers: str) -> dict[str, Any]:
    """The request of `scale`: a number of workers, or MIN:MAX to follow the load."""
    fields = workers.split(":")
    if len(fields) > 2 or not all(field.isdecimal() and len(field) < 7 for field in fields):
        raise UsageError(f"'{workers}' is not a number of workers", "write a number such as 4, or MIN:MAX such as 1:8")
    numbers = [int(field) for field in fields]
    if len(numbers) == 1:
        return {"workers": numbers[0]}
    if numbers[0] > numbers[1] or numbers[1] == 0:
        raise UsageError(f"'{workers}': the minimum is above the maximum", "write MIN:MAX such as 1:8")
    return {"adapt": {"minimum": numbers[0], "maximum": numbers[1]}}


def scale(opened: Access, request: dict[str, Any], preset: str | None = None) -> dict[str, Any]:
    """Ask the cluster in JupyterLab's Dask panel, which is the session's own."""
    named = {} if preset is None else {"preset": preset}
    try:
        answer = opened.request("POST", "/springline/workers", {**request, **named}, timeout=60)
    except Refusal as error:
        if error.status != 404 or preset is not None:
            raise _meant(error, preset) from error
        answer = _scale_in_panel(opened, request)
    told = {name: answer.get(name) for name in ("workers", "cores", "granted", "limit")}
    return {"requested": request, **told, **named}


def _scale_in_panel(opened: Access, request: dict[str, Any]) -> Any:  # noqa: ANN401 - a JSON object
    """The same of a session that an earlier springline started."""
    clusters = opened.request("GET", "/dask/clusters")
    # Empty after a Shutdown in the panel: put it back there, it is still the same cluster.
    shown = clusters[0] if clusters else opened.request("PUT", "/dask/clusters")
    return opened.request("PATCH", f"/dask/clusters/{shown['id']}", request, timeout=60)


def _meant(error: Refusal, preset: str | None) -> SpringlineError:
    """What the session's answer means to who asked."""
    if error.status == 404:
        said = "this session knows no presets: an earlier springline started it"
        return UsageError(said, "leave --preset out, or start it anew")
    if error.status == 409:
        known = "presets are those of the session's start: take one of them, or leave --preset out"
        return UsageError(error.said, "see `springline status`" if preset is None else known)
    if error.status == 502:
        return SubmissionRefused(
            error.said,
            "where it passes, ask again later; else take another --preset (`default` is the first), or correct the "
            "`worker_…` keys for the next session",
        )
    if error.status == 500:
        return TunnelError(f"the session did not reach its Dask cluster: {error.said}", "see `springline logs`")
    return error


def dask_environment(cluster: Cluster, session: Session) -> dict[str, str]:
    """Variables that let a program on this computer use the Dask cluster of a session on this computer."""
    if not cluster.transport.is_here:
        raise UsageError(
            f"session {session.name} is on {cluster.transport.label}, not on this computer",
            "open a terminal in its JupyterLab and run the analysis there",
        )
    current = status(cluster, session)
    if current.node is None or current.node.dask is None:
        raise TunnelError(f"session {session.name} has no Dask cluster now", "see `springline status`")
    directory = Path(session.directory)
    key, certificate = str(directory / "tls.key"), str(directory / "tls.crt")
    return {
        "DASK_SCHEDULER_ADDRESS": current.node.dask["scheduler"],
        "DASK_DISTRIBUTED__COMM__TLS__CA_FILE": certificate,
        "DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT": certificate,
        "DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY": key,
    }
