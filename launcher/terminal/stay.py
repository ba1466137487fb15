"""With a session from the queue to its end: stages, questions on Ctrl-C, and what is said last."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import NoReturn, TypeVar

from launcher.cluster import Cluster
from launcher.console.console import Console
from launcher.errors import AnswerError, ConnectError, Interrupted, JobFailed, JobStopped, SubmissionRefused
from launcher.laptop.browser import open_page, redirect_file
from launcher.laptop.store import Store
from launcher.model import NodeState, Session, SessionPhase, SessionStatus
from launcher.sessions import lifecycle
from launcher.sessions.ends import STOPPED, end_error, ended_badly
from launcher.sessions.report import dask_trouble, document, sentence
from launcher.sessions.watcher import Notice, Watcher
from launcher.terminal.narrator import Narrator
from launcher.transports.base import Transport
from launcher.tunnels import access
from launcher.tunnels.access import Access, Secrets
from launcher.tunnels.tunnel import Tunnel
from launcher.tunnels.ways import Ways

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
    until: str = ""  # a word that is typed to detach


class Stay:
    """With a session from the queue to its end."""

    def __init__(
        self,
        cluster: Cluster,
        session: Session,
        secrets: Secrets,
        wishes: Wishes,
        console: Console,
        store: Store,
        *,
        fresh: bool,
    ) -> None:
        self._fresh = fresh  # this command submitted it
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
        # One watcher for all waits: after a Ctrl-C it still knows what it saw, and that the host once let us in.
        watcher = Watcher(self._cluster, self._session, notice, time.sleep)
        node = self._ready(watcher, notice)
        opened = Access(tunnel.port, self._secrets) if tunnel else access.here(node, self._secrets)
        self._session = replace(self._session, port=opened.port)
        try:
            with self._store.tunnel(self._session.name, opened.port):
                self._patiently(lambda: self._arrive(opened, tunnel is not None))
                if not self._wishes.detach:
                    self._hold(watcher, notice)
        finally:
            redirect_file(self._session.name).unlink(missing_ok=True)

    def _ready(self, watcher: Watcher, notice: Notice) -> NodeState:
        cluster, session, wait = self._cluster, self._session, self._wishes.wait
        with self._console.stage("queue and JupyterLab start"), self._remembered_end():
            return self._patiently(
                lambda: lifecycle.wait_until_ready(
                    cluster, session, notice, wait=wait, fresh=self._fresh, watcher=watcher
                ),
                lambda: self._console.live(self._narrator.waiting, remind=True),
            )

    def _arrive(self, opened: Access, tunnelled: bool) -> None:
        with self._console.stage("tunnel" if tunnelled else "check"):
            opened.verify()
        self._store.save(self._session)
        with answering(self._session):
            _announce(self._session, self._cluster, opened, tunnelled, self._wishes, self._console)

    def _hold(self, watcher: Watcher, notice: Notice) -> None:
        try:
            with self._console.listening(self._wishes.until):
                current = self._patiently(
                    lambda: lifecycle.hold(self._cluster, self._session, notice, watcher=watcher),
                    lambda: self._console.live(self._narrator.holding),
                )
        except (Interrupted, KeyboardInterrupt):  # the latter where the word comes before the wait has begun
            if not self._console.heard:
                raise
            left = detached(self._session)
            self._console.say(f"{left.message}\n  → {left.hint}")
            return
        say_end(self._cluster, lifecycle.remember_end(self._store, current), self._console)

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
                    self._stop()
                raise detached(self._session) from None

    def _stop(self) -> NoReturn:
        """End the session because the user said so, and say what of it is certain."""
        ended_on_request(self._cluster, self._session, self._console, self._store)
        raise Interrupted(f"session {self._session.name} was stopped") from None

    @contextmanager
    def _remembered_end(self) -> Iterator[None]:
        try:
            yield
        except JobStopped:
            lifecycle.remember(self._store, self._session, STOPPED)
            raise
        except (JobFailed, SubmissionRefused):
            lifecycle.remember(self._store, self._session, SessionPhase.FAILED.value)
            raise


def say_end(cluster: Cluster, current: SessionStatus, console: Console) -> None:
    """Say how a session ended; a bad end is an error."""
    if ended_badly(current):
        raise end_error(cluster, current)
    console.say(f"session {current.session.name} is {sentence(current)}")


@contextmanager
def living_on(session: Session) -> Iterator[None]:
    """A Ctrl-C between two waits detaches."""
    try:
        yield
    except KeyboardInterrupt:
        raise detached(session) from None


@contextmanager
def answering(session: Session) -> Iterator[None]:
    """An answer that cannot be written leaves the session running, and says so."""
    try:
        yield
    except AnswerError as error:
        left = detached(session)
        raise AnswerError(f"{error.message}; {left.message}", left.hint) from error


def ended_on_request(cluster: Cluster, session: Session, console: Console, store: Store) -> None:
    """End it because the user said so. Raises Interrupted where nobody saw the end."""
    kind, name = session.kind, session.name
    try:
        with console.stage(kind.end.rpartition(" ")[2]):
            current = lifecycle.stop(cluster, session, lambda _: None)
    except (KeyboardInterrupt, ConnectError) as error:
        why = f": {error.message}" if isinstance(error, ConnectError) else ""
        raise Interrupted(
            f"nobody saw {kind.noun} {name} end{why}; it may go on", f"look: {kind.list}; end it: {kind.end} {name}"
        ) from None
    lifecycle.remember_stop(store, current)


def detached(session: Session) -> Interrupted:
    """What is said when the terminal goes and the session stays."""
    return Interrupted(
        f"{session.noun} {session.name} goes on without this terminal",
        f"come back: {session.kind.join} {session.name}; end it: {session.kind.end} {session.name}",
    )


def _announce(
    session: Session, cluster: Cluster, opened: Access, tunnelled: bool, wishes: Wishes, console: Console
) -> None:
    current = lifecycle.status(cluster, session)
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
    elif not wishes.until:
        console.say("Ctrl-C asks whether to detach or stop")
