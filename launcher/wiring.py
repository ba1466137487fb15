"""Putting the parts together: from a platform or a session to the cluster it lives on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from launcher.cluster import Cluster
from launcher.errors import ConfigurationError, NotFoundError, SpringlineError
from launcher.laptop.store import Store
from launcher.model import Platform, Session, SessionPhase, SessionStatus, Unknown
from launcher.parallel import side_by_side
from launcher.platforms import loading
from launcher.schedulers import scheduler_for
from launcher.sessions import lifecycle
from launcher.transports import transport_for
from launcher.transports.base import Asker
from launcher.transports.foreground import run_here
from launcher.tunnels.tunnel import LOOPBACK


def cluster(platform: Platform, ask: Asker, login: str = "") -> Cluster:
    """A platform's transport, to the very `login` host if one is given, and scheduler; nothing connects yet."""
    return Cluster(platform, transport_for(platform, ask, login=login), scheduler_for(platform.scheduler))


def cluster_of(session: Session, ask: Asker) -> Cluster:
    """The cluster a session was started on."""
    return cluster(loading.load(_config_of(session)).get(session.platform), ask, session.login)


def _config_of(session: Session) -> Path | None:
    """The platforms.ini it was started with. Where that is gone, the user's own may know the platform by now."""
    file = Path(session.config) if session.config else None
    if file is None or file.exists():
        return file
    if session.platform not in loading.load().names:
        raise ConfigurationError(
            f"{session.noun} {session.name} was started with {file}, which is gone",
            f"describe the platform once more: springline platform add {session.platform}",
        )
    return None


def reach(name: str | None, ask: Asker, store: Store) -> tuple[Cluster, Session]:
    """A session of this laptop by its name, and its cluster; one in doubt is looked for first."""
    session = store.find(name)
    found = cluster_of(session, ask)
    return found, lifecycle.recovered(found, session, store)


def statuses(known: Sequence[Session], ask: Asker) -> list[SessionStatus]:
    """How sessions are, in their order: each platform is asked once, all of them at the same time.

    What is wrong with one platform says so in the rows of its sessions.
    """
    groups = _by_place(known)

    def work(group: list[Session]) -> Callable[[Asker], list[SessionStatus]]:
        return lambda asker: lifecycle.statuses(cluster_of(group[0], asker), group)

    outcomes = side_by_side([work(group) for group in groups], ask)
    found: dict[Session, SessionStatus] = {}
    for group, outcome in zip(groups, outcomes, strict=True):
        if isinstance(outcome, SpringlineError):
            outcome = [SessionStatus(session, Unknown(outcome.message)) for session in group]
        found.update(zip(group, outcome, strict=True))
    return [found[session] for session in known]


def stop_all(live: Sequence[Session], ask: Asker, store: Store) -> tuple[list[SessionStatus], list[SpringlineError]]:
    """Tell all sessions to end, then see each end, platforms side by side; what went wrong with some comes beside."""
    ended: list[SessionStatus] = []
    errors: list[SpringlineError] = []
    works = [partial(_stop_group, group, store) for group in _by_place(live)]
    for outcome in side_by_side(works, ask):
        if isinstance(outcome, SpringlineError):
            errors.append(outcome)
        else:
            ended += outcome[0]
            errors += outcome[1]
    return ended, errors


def _stop_group(
    group: Sequence[Session], store: Store, ask: Asker
) -> tuple[list[SessionStatus], list[SpringlineError]]:
    place = cluster_of(group[0], ask)
    place.transport.open()  # where nobody answers, that is said once and not for each session
    ended, errors = [], []
    told = []
    for session in group:
        try:
            found = lifecycle.recovered(place, session, store)
            place.cancel(found)
            told.append(found)
        except NotFoundError:  # it was never submitted
            continue
        except SpringlineError as error:
            errors.append(error)
    for session in told:
        try:
            ended.append(lifecycle.see_end(place, session, lambda _: None))
        except SpringlineError as error:
            errors.append(error)
        else:
            lifecycle.remember_stop(store, ended[-1])
    return ended, errors


def _by_place(known: Sequence[Session]) -> list[list[Session]]:
    groups: dict[tuple[str, str, str], list[Session]] = {}
    for session in known:
        groups.setdefault((session.platform, session.config, session.login), []).append(session)
    return list(groups.values())


def local_url(current: SessionStatus, store: Store, page: str = "lab") -> str | None:
    """A session's address on this computer, if a process of ours holds it there, or it runs here itself.

    A port is not enough: another user of this computer may have taken one that was left.
    """
    session, node = current.session, current.node
    port: str | int | None = store.open_port(session.name)
    if port is None and current.phase is SessionPhase.READY and node and _runs_here(session):
        port = node.doors.get("loopback")
    return f"http://{LOOPBACK}:{port}/{page}" if port else None


def _runs_here(session: Session) -> bool:
    try:
        platform = loading.load(_config_of(session)).get(session.platform)
    except SpringlineError:
        return False
    return platform.host is None and platform.scheduler == "local"


def run_jobs(arguments: list[str], environment: dict[str, str]) -> int:
    """Run `python -m jobs …` in this terminal and return its exit code: the two halves meet in a command line."""
    if not all(find_spec(module) for module in ("numpy", "xarray", "zarr", "distributed")):
        raise ConfigurationError(
            f"the analyses are not installed in {sys.prefix}", f"{sys.executable} -m pip install 'springline[jobs]'"
        )
    return run_here([sys.executable, "-m", "jobs", *arguments], {**environment, "SPRINGLINE_PROG": "springline"})
