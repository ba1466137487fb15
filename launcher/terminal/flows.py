"""`up` and `attach` as a person lives through them: what is bound and opened in which order, and who holds it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version

from launcher.cluster import Cluster, Placed
from launcher.console.console import Console
from launcher.errors import Interrupted, SpringlineError, TunnelError
from launcher.laptop.store import Store
from launcher.model import NodeState, Session, SessionPhase
from launcher.sessions import lifecycle
from launcher.sessions.planning import Plan
from launcher.sessions.report import sentence, skew
from launcher.terminal.stay import Stay, Wishes, living_on, say_end
from launcher.transports import roads as roads_of
from launcher.transports.base import Transport
from launcher.tunnels import access
from launcher.tunnels.access import PROBE_SECONDS, Access, Secrets
from launcher.tunnels.tunnel import Tunnel
from launcher.tunnels.ways import Ways
from launcher.units import format_duration


def up(cluster: Cluster, plan: Plan, wishes: Wishes, console: Console, store: Store) -> None:
    """Start a session and stay with it."""
    with _bound(cluster, wishes, None) as tunnel:
        roads = _warmed(cluster) if tunnel else []
        with console.stage(f"connect {cluster.transport.label}"):
            cluster.transport.open()
        with console.stage("submit"), console.live(submitting, remind=True):
            session = submitted(cluster, plan, store, lambda placed: _compare_versions(cluster, placed, console))
        with living_on(session):
            console.say(f"session {session.name}, job {session.job_id}")
            console.next_steps("a node, JupyterLab's start, your browser", "stop")
            Stay(cluster, session, plan.secrets, wishes, console, store, fresh=True).through(tunnel, roads)


def attach(cluster: Cluster, session: Session, wishes: Wishes, console: Console, store: Store) -> None:
    """Come back to a session, on the same local port where it is free."""
    with _bound(cluster, wishes, session.port) as tunnel:
        roads = _warmed(cluster, session.login) if tunnel else []
        with console.stage(f"connect {cluster.transport.label}"):
            cluster.transport.open()
            current = lifecycle.remember_end(store, lifecycle.status(cluster, session))
            secrets = None if current.phase in lifecycle.OVER else Secrets.of(cluster, session)
        if secrets is None:
            say_end(cluster, current, console)
            return
        with living_on(session):
            Stay(cluster, session, secrets, wishes, console, store, fresh=False).through(tunnel, roads)


def _compare_versions(cluster: Cluster, placed: Placed, console: Console) -> None:
    """Say that the environment is of another springline. What runs the session is sent along, and fits in any case."""
    ours = version("springline")
    if placed.version and placed.version != ours:
        what = "the session works, its packages and analyses are that version's"
        console.warn(skew(placed.version, ours, cluster.platform.name, what))


def submitting(seconds: float) -> str:
    """The live line while a submission is not answered."""
    return f"  {format_duration(seconds)}  no clear answer yet; looking whether the job exists" if seconds > 5 else ""


def _warmed(cluster: Cluster, login: str = "") -> list[Transport]:
    """The roads for the tunnel; the fastest already opens while the commands' own connection does."""
    roads = roads_of(cluster.platform, cluster.transport, login=login)

    def warm() -> None:
        with contextlib.suppress(SpringlineError):  # met again, and told, when it is needed
            roads[0].open()

    if len(roads) > 1:
        threading.Thread(target=warm, name="road", daemon=True).start()
    return roads


def submitted(
    cluster: Cluster, plan: Plan, store: Store, placed_at: Callable[[Placed], None] = lambda _: None
) -> Session:
    """Submit; after a Ctrl-C in the middle look whether the job exists before anything is forgotten."""
    try:
        return lifecycle.start(cluster, plan, store, placed_at)
    except KeyboardInterrupt:
        session = lifecycle.find(cluster, plan.session, store)
        if session is None:
            raise Interrupted("interrupted; nothing was submitted") from None
        raise Interrupted(
            f"interrupted, but job {session.job_id} was submitted and goes on as {session.noun} {session.name}",
            f"come back: {session.kind.join} {session.name}; end it: {session.kind.end} {session.name}",
        ) from None


@contextmanager
def open_session(cluster: Cluster, session: Session) -> Iterator[tuple[NodeState, Access]]:
    """A ready session, reached for a few requests."""
    current = lifecycle.status(cluster, session)
    if current.phase is not SessionPhase.READY or current.node is None:
        raise TunnelError(f"session {session.name} is not ready: {sentence(current)}", "see `springline status`")
    secrets = Secrets.of(cluster, session)
    if access.runs_here(cluster):
        yield current.node, access.here(current.node, secrets)
        return
    ways = Ways(cluster, session, secrets.certificate, [cluster.transport])
    ways.follow(current.node)
    tunnel = Tunnel(hold=PROBE_SECONDS)
    tunnel.serve(ways.connect)
    try:
        yield current.node, Access(tunnel.port, secrets)
    finally:
        tunnel.close()
        ways.close()


@contextmanager
def _bound(cluster: Cluster, wishes: Wishes, earlier_port: int | None) -> Iterator[Tunnel | None]:
    """Bind the local port before anything else, so that a busy one is said at once. A session here needs none."""
    port = wishes.local_port or cluster.platform.local_port
    if access.runs_here(cluster):
        if port and earlier_port is None:  # JupyterLab itself will take it
            Tunnel(port).close()
        yield None
        return
    tunnel = Tunnel(port) if port else _any_port(earlier_port)
    try:
        yield tunnel
    finally:
        tunnel.close()


def _any_port(earlier_port: int | None) -> Tunnel:
    with contextlib.suppress(TunnelError):
        return Tunnel(earlier_port)
    return Tunnel()
