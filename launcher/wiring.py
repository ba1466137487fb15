"""Putting the parts together: from a platform or a session to the cluster it lives on."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

from launcher import platforms
from launcher.cluster import Cluster
from launcher.errors import ConfigurationError, SpringlineError
from launcher.model import Platform, Session, SessionStatus, Unknown
from launcher.schedulers import scheduler_for
from launcher.sessions import recovered, status
from launcher.store import Store
from launcher.transports import transport_for
from launcher.transports.base import Asker
from launcher.transports.local import run_here
from launcher.tunnel import LOOPBACK, is_listening


def cluster(platform: Platform, ask: Asker) -> Cluster:
    """A platform's transport and scheduler; nothing connects yet."""
    return Cluster(platform, transport_for(platform, ask), scheduler_for(platform.scheduler))


def cluster_of(session: Session, ask: Asker) -> Cluster:
    """The cluster a session was started on."""
    config = Path(session.config) if session.config else None
    return cluster(platforms.load(config).get(session.platform), ask)


def reach(name: str | None, ask: Asker, store: Store) -> tuple[Cluster, Session]:
    """A session of this laptop by its name, and its cluster; one in doubt is looked for first."""
    session = store.find(name)
    found = cluster_of(session, ask)
    return found, recovered(found, session, store)


def statuses(sessions: Iterable[Session], ask: Asker) -> Iterator[SessionStatus]:
    """How each session is, over one connection for each platform; what is wrong with one says so in its own row."""
    clusters: dict[tuple[str, str], Cluster] = {}
    for session in sessions:
        key = session.platform, session.config
        try:
            if key not in clusters:
                clusters[key] = cluster_of(session, ask)
            yield status(clusters[key], session)
        except SpringlineError as error:
            yield SessionStatus(session, Unknown(error.message))


def local_url(session: Session, page: str = "lab") -> str | None:
    """The session's address on this computer, if something listens there."""
    if session.port is None or not is_listening(session.port):
        return None
    return f"http://{LOOPBACK}:{session.port}/{page}"


def run_jobs(arguments: list[str], environment: dict[str, str]) -> int:
    """Run `python -m jobs …` in this terminal and return its exit code: the two halves meet in a command line."""
    if not all(find_spec(module) for module in ("numpy", "xarray", "zarr", "distributed")):
        raise ConfigurationError(
            f"the analyses are not installed in {sys.prefix}", f"{sys.executable} -m pip install 'springline[jobs]'"
        )
    return run_here([sys.executable, "-m", "jobs", *arguments], {**environment, "SPRINGLINE_PROG": "springline"})
