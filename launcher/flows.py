"""`up` and `attach` as a person lives through them: stages, questions on Ctrl-C, and what is said at the end."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TypeVar

from launcher import access, sessions
from launcher.access import PROBE_SECONDS, Access, Secrets
from launcher.browser import open_page, redirect_file
from launcher.cluster import Cluster
from launcher.console import Console
from launcher.ends import end_error, ended_badly
from launcher.errors import Interrupted, JobFailed, SpringlineError, SubmissionRefused, TunnelError
from launcher.model import NodeState, Session, SessionPhase, SessionStatus
from launcher.narrator import Narrator
from launcher.planning import Plan
from launcher.report import dask_trouble, document, sentence
from launcher.store import Store
from launcher.transports import roads as roads_of
from launcher.transports.base import Transport
from launcher.tunnel import Tunnel
from launcher.watcher import Notice
from launcher.ways import Ways

T = TypeVar("T")


@dataclass(frozen=True)
class Wishes:
    """How the user wants to be connected."""

    local_port: int | None = None  # a wish that must be met
    detach: bool = False
    wait: float | None = None  # seconds in the queue
    browser: bool = True
    show_token: bool = False
    page: str = "lab"  # what to open, e.g. lab/tree/map.ipynb
    insecure_http: bool = False  # plain HTTP on the node's address


def up(cluster: Cluster, plan: Plan, wishes: Wishes, console: Console, store: Store) -> None:
    """Start a session and stay with it."""
    with _bound(cluster, wishes, None) as tunnel:
        roads = _warmed(cluster) if tunnel else []
        with console.stage(f"connect {cluster.transport.label}"):
            cluster.transport.open()
        with console.stage("submit"):
            session = _submitted(cluster, plan, store)
        with _living_on(session):
            console.say(f"session {session.name}, job {session.job_id}")
            _Stay(cluster, session, plan.secrets, wishes, console, store).through(tunnel, roads)


def attach(cluster: Cluster, session: Session, wishes: Wishes, console: Console, store: Store) -> None:
    """Come back to a session, on the same local port where it is free."""
    with _bound(cluster, wishes, session.port) as tunnel:
        roads = _warmed(cluster, session.login) if tunnel else []
        with console.stage(f"connect {cluster.transport.label}"):
            cluster.transport.open()
            secrets = Secrets.of(cluster, session)
        with _living_on(session):
            _Stay(cluster, session, secrets, wishes, console, store).through(tunnel, roads)


def _warmed(cluster: Cluster, login: str = "") -> list[Transport]:
    """The roads for the tunnel; the fastest already opens while the commands' own connection does."""
    roads = roads_of(cluster.platform, cluster.transport, login=login)

    def warm() -> None:
        with contextlib.suppress(SpringlineError):  # met again, and told, when it is needed
            roads[0].open()

    if len(roads) > 1:
        threading.Thread(target=warm, name="road", daemon=True).start()
    return roads


def _submitted(cluster: Cluster, plan: Plan, store: Store) -> Session:
    """Submit; after a Ctrl-C in the middle look whether the job exists before anything is forgotten."""
    try:
        return sessions.start(cluster, plan, store)
    except KeyboardInterrupt:
        session = sessions.find(cluster, plan.session, store)
        if session is None:
            raise Interrupted("interrupted; nothing was submitted") from None
        raise Interrupted(
            f"interrupted, but job {session.job_id} was submitted and goes on as session {session.name}",
            f"come back: springline attach {session.name}; end it: springline stop {session.name}",
        ) from None


@contextmanager
def open_session(cluster: Cluster, session: Session) -> Iterator[tuple[NodeState, Access]]:
    """A ready session, reached for a few requests."""
    current = sessions.status(cluster, session)
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


class _Stay:
    """With a session from the queue to its end."""

    def __init__(
        self, cluster: Cluster, session: Session, secrets: Secrets, wishes: Wishes, console: Console, store: Store
    ) -> None:
        self._cluster = cluster
        self._session = session
        self._secrets = secrets
        self._wishes = wishes
        self._console = console
        self._store = store
        self._narrator = Narrator(cluster, console)

    def through(self, tunnel: Tunnel | None, roads: Sequence[Transport]) -> None:
        """Stay, behind a bound tunnel where one is needed; browsers that come early are held by it."""
        if tunnel is None:
            self._stay(None, self._narrator)
            return
        ways = Ways(self._cluster, self._session, self._secrets.certificate, roads, insecure=self._wishes.insecure_http)

        def notice(current: SessionStatus) -> None:
            ways.follow(current.node)
            self._narrator(current)

        tunnel.serve(ways.connect)
        try:
            self._stay(tunnel, notice)
        finally:
            ways.close()

    def _stay(self, tunnel: Tunnel | None, notice: Notice) -> None:
        node = self._ready(notice)
        opened = Access(tunnel.port, self._secrets) if tunnel else access.here(node, self._secrets)
        self._session = replace(self._session, port=opened.port)
        try:
            self._patiently(lambda: self._arrive(opened, tunnel is not None))
            if not self._wishes.detach:
                self._hold(notice)
        finally:
            redirect_file(self._session.name).unlink(missing_ok=True)

    def _ready(self, notice: Notice) -> NodeState:
        with self._console.stage("queue and JupyterLab start"), self._remembered_end():
            return self._patiently(
                lambda: sessions.wait_until_ready(self._cluster, self._session, notice, wait=self._wishes.wait),
                lambda: self._console.live(self._narrator.waiting, remind=True),
            )

    def _arrive(self, opened: Access, tunnelled: bool) -> None:
        with self._console.stage("tunnel" if tunnelled else "check"):
            opened.verify()
        self._store.save(self._session)
        _announce(self._session, self._cluster, opened, tunnelled, self._wishes, self._console)

    def _hold(self, notice: Notice) -> None:
        with self._remembered_end():
            current = self._patiently(
                lambda: sessions.hold(self._cluster, self._session, notice),
                lambda: self._console.live(self._narrator.holding),
            )
        current = sessions.remember_end(self._store, current)
        if ended_badly(current):
            raise end_error(self._cluster, current)
        self._console.say(f"session {current.session.name} is {sentence(current)}")

    def _patiently(self, wait: Callable[[], T], shown: Callable[[], AbstractContextManager[None]] = nullcontext) -> T:
        """Wait; on Ctrl-C ask what it meant. The job lives on unless the answer is to stop it."""
        while True:
            try:
                with shown():
                    return wait()
            except KeyboardInterrupt:
                choice = self._console.choose_after_interrupt(self._session.name)
                if choice == "keep":
                    continue
                if choice == "stop":
                    with self._console.stage("stop"):
                        current = sessions.stop(self._cluster, self._session, lambda _: None)
                    sessions.remember_stop(self._store, current)
                    raise Interrupted(f"session {self._session.name} was stopped") from None
                raise _detached(self._session) from None

    @contextmanager
    def _remembered_end(self) -> Iterator[None]:
        try:
            yield
        except SpringlineError as error:
            if isinstance(error, JobFailed | SubmissionRefused):
                self._store.save(replace(self._session, ended=SessionPhase.FAILED.value))
            raise


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


@contextmanager
def _living_on(session: Session) -> Iterator[None]:
    """A Ctrl-C between two waits detaches."""
    try:
        yield
    except KeyboardInterrupt:
        raise _detached(session) from None


def _detached(session: Session) -> Interrupted:
    return Interrupted(
        f"session {session.name} goes on without this terminal",
        f"come back: springline attach {session.name}; end it: springline stop {session.name}",
    )


def _announce(
    session: Session, cluster: Cluster, opened: Access, tunnelled: bool, wishes: Wishes, console: Console
) -> None:
    current = sessions.status(cluster, session)
    for trouble in dask_trouble(current.node):
        console.say(trouble)
    if wishes.detach and tunnelled:  # the tunnel goes with this command
        console.result(document(current), f"session {session.name} is ready: springline attach {session.name}")
        return
    shown = opened.url_with_token(wishes.page) if wishes.show_token else opened.url
    console.result(document(current, shown), f"JupyterLab  {shown}")
    if not wishes.detach and wishes.browser and open_page(session.name, opened.url_with_token(wishes.page)):
        console.say("opened in your browser")
    elif not wishes.show_token:
        console.say(f"open it with its token: springline url {session.name} --show-token")
    if wishes.detach:
        console.say(f"it runs on; end it: springline stop {session.name}")
    else:
        console.say("Ctrl-C asks whether to detach or stop")
