"""`up` and `attach` as a person lives through them: stages, questions on Ctrl-C, and what is said at the end."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

from launcher import access, sessions
from launcher.access import Access, Secrets
from launcher.browser import open_page, redirect_file
from launcher.cluster import Cluster
from launcher.console import Console
from launcher.errors import Interrupted, JobFailed, SpringlineError, SubmissionRefused, TunnelError
from launcher.model import Known, NodeState, Session, SessionPhase, SessionStatus
from launcher.planning import Plan
from launcher.report import dask_trouble, document, sentence
from launcher.store import Store
from launcher.tunnel import Tunnel

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


def up(cluster: Cluster, plan: Plan, wishes: Wishes, console: Console, store: Store) -> None:
    """Start a session and stay with it."""
    with _bound(cluster, wishes, None) as tunnel:
        with console.stage(f"connect {cluster.transport.label}"):
            cluster.transport.open()
        with console.stage("submit"):
            session = _submitted(cluster, plan, store)
        with _living_on(session):
            console.say(f"session {session.name}, job {session.job_id}")
            _stay(cluster, session, plan.secrets, tunnel, wishes, console, store)


def attach(cluster: Cluster, session: Session, wishes: Wishes, console: Console, store: Store) -> None:
    """Come back to a session, on the same local port where it is free."""
    with _bound(cluster, wishes, session.port) as tunnel:
        with console.stage(f"connect {cluster.transport.label}"):
            cluster.transport.open()
            secrets = Secrets.of(cluster, session)
        with _living_on(session):
            _stay(cluster, session, secrets, tunnel, wishes, console, store)


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
    opened = access.open_access(cluster, current.node, Secrets.of(cluster, session), None)
    try:
        yield current.node, opened
    finally:
        opened.close()


def _stay(
    cluster: Cluster,
    session: Session,
    secrets: Secrets,
    tunnel: Tunnel | None,
    wishes: Wishes,
    console: Console,
    store: Store,
) -> None:
    def patiently(wait: Callable[[], T]) -> T:
        return _asking(wait, cluster, session, console, store)

    notice = _Narrator(cluster, console)
    with console.stage("queue and JupyterLab start"), _remembered_end(cluster, session, store):
        node = patiently(lambda: sessions.wait_until_ready(cluster, session, notice, wait=wishes.wait))
    opened = access.open_access(cluster, node, secrets, tunnel)
    session = replace(session, port=opened.port)

    def arrive() -> None:
        with console.stage("tunnel" if opened.tunnel else "check"):
            opened.verify()
        store.save(session)
        _announce(session, cluster, opened, wishes, console)

    try:
        patiently(arrive)
        if wishes.detach:
            return
        with _remembered_end(cluster, session, store):
            current = patiently(lambda: sessions.hold(cluster, session, notice))
            _say_end(cluster, current, store, console)
    finally:
        opened.close()
        redirect_file(session.name).unlink(missing_ok=True)


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


def _asking(wait: Callable[[], T], cluster: Cluster, session: Session, console: Console, store: Store) -> T:
    """Wait; on Ctrl-C ask what it meant. The job lives on unless the answer is to stop it."""
    while True:
        try:
            return wait()
        except KeyboardInterrupt:
            choice = console.choose_after_interrupt(session.name)
            if choice == "keep":
                continue
            if choice == "stop":
                with console.stage("stop"):
                    current = sessions.stop(cluster, session, lambda _: None)
                sessions.remember_stop(store, current)
                raise Interrupted(f"session {session.name} was stopped") from None
            raise _detached(session) from None


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


@contextmanager
def _remembered_end(cluster: Cluster, session: Session, store: Store) -> Iterator[None]:
    try:
        yield
    except SpringlineError as error:
        if isinstance(error, JobFailed | SubmissionRefused):
            store.save(replace(session, ended=SessionPhase.FAILED.value))
        raise


def _say_end(cluster: Cluster, current: SessionStatus, store: Store, console: Console) -> None:
    sessions.remember_end(store, current)
    if sessions.ended_badly(current):
        raise sessions.end_error(cluster, current)
    console.say(f"session {current.session.name} is {sentence(current)}")


def _announce(session: Session, cluster: Cluster, opened: Access, wishes: Wishes, console: Console) -> None:
    current = sessions.status(cluster, session)
    for trouble in dask_trouble(current.node):
        console.say(trouble)
    if wishes.detach and opened.tunnel:  # the tunnel goes with this command
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


class _Narrator:
    """Says each change of a session in words."""

    def __init__(self, cluster: Cluster, console: Console) -> None:
        self._cluster = cluster
        self._console = console

    def __call__(self, current: SessionStatus) -> None:
        if current.phase is SessionPhase.PENDING:
            self._console.say(f"  waiting: {sessions.pending_words(self._cluster, current)}")
        elif current.phase is SessionPhase.UNKNOWN:
            self._console.say(f"  {sentence(current)}; nothing is given up, trying again")
        elif isinstance(current.job, Known) and current.phase is SessionPhase.STARTING:
            self._console.say(f"  {sentence(current)}" + (f" on {current.job.node}" if current.job.node else ""))
        elif current.phase is SessionPhase.ENDING:
            self._console.say("  the session is ending")
