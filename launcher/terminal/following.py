"""A run as its user lives through it: submitted, followed live, left alone or cancelled, and told at its end."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from typing import Any, NoReturn

from launcher.cluster import Cluster, Placed
from launcher.console.console import AFTER_INTERRUPT_OF_RUN, Console
from launcher.console.screen import can_draw, columns_of
from launcher.errors import AnalysisFailed, ConnectError, Interrupted, JobFailed, JobStopped
from launcher.laptop.store import Store
from launcher.model import Known, Session, SessionPhase, SessionStatus, Unknown
from launcher.runs import report as runreport
from launcher.sessions import lifecycle
from launcher.sessions.ends import TOLD_LINES, end_error, hopeless
from launcher.sessions.planning import Plan
from launcher.sessions.report import dask_trouble, sentence, skew
from launcher.sessions.watcher import Watcher
from launcher.terminal.flows import submitted, submitting
from launcher.terminal.narrator import Narrator
from launcher.terminal.stay import answering, detached, ended_on_request, living_on
from launcher.units import format_duration

DRAWN_SECONDS, TOLD_SECONDS = 2.0, 10.0  # between two reports of progress: on a terminal, and elsewhere
UNLISTED_SECONDS = 60.0  # after which a job that nobody knows any more is given up
LOG_LINES = 40
GOES_ON = "what is done stays; the same command goes on"


def start(cluster: Cluster, plan: Plan, console: Console, store: Store, *, detach: bool) -> int:
    """Submit a run and follow it to its end; returns the analysis's exit code."""
    with console.stage(f"connect {cluster.transport.label}"):
        cluster.transport.open()
    with console.stage("submit"), console.live(submitting, remind=True):
        session = submitted(cluster, plan, store, lambda placed: _compare_versions(cluster, placed, console))
    console.say(f"run {session.name}, job {session.job_id}")
    if detach:
        current = SessionStatus(session, Unknown("not asked yet"))
        said = {**runreport.document(current), "state": "submitted", "message": "submitted"}
        with answering(session):
            console.result(said, f"run {session.name} is submitted: springline watch {session.name}")
        return 0
    console.next_steps("a node, its workers, the items one by one", "cancel")
    with living_on(session):
        return Following(cluster, session, console, store, fresh=True).to_the_end()


def watch(cluster: Cluster, session: Session, console: Console, store: Store) -> int:
    """Come back to a run and follow it to its end; returns the analysis's exit code."""
    with console.stage(f"connect {cluster.transport.label}"):
        cluster.transport.open()
    with living_on(session):
        return Following(cluster, session, console, store, fresh=False).to_the_end()


def _compare_versions(cluster: Cluster, placed: Placed, console: Console) -> None:
    ours = version("springline")
    if placed.version and placed.version != ours:
        what = "the analysis is that version's, and so are its options"
        console.warn(skew(placed.version, ours, cluster.platform.name, what))


class RunNarrator(Narrator):
    """Says what is new of a run; `line` is the live line in between."""

    def __init__(self, cluster: Cluster, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(cluster, console, clock)
        self._drawn = can_draw(sys.stderr)
        self._said: tuple[object, ...] = ()
        self._seen = 0  # the number of the last note
        self._noted = ""  # when the job began whose notes these are
        self._started = ""  # when the job that was last seen at work began

    def line(self, seconds: float) -> str:
        """The live line: how far it is, or what it waits for."""
        current = self._current
        if current is None:
            return ""
        if self._lost is not None:
            silent = format_duration(self._clock() - self._lost)
            return f"  no answer for {silent}; trying again, the run goes on meanwhile"
        waits = current.node is not None and current.node.workers == 0
        working = current.phase in (SessionPhase.RUNNING, SessionPhase.ENDING) and not waits
        label = current.session.analysis or current.session.name
        width = runreport.bar_width(columns_of(sys.stderr)) if self._drawn else 0
        words = runreport.line(label, current.progress, width) if working and current.progress else ""
        return words or f"  {format_duration(seconds)}  {self._words()}"

    def _change(self, current: SessionStatus) -> None:
        self._notes(current)
        self._beginning(current)
        node = current.job.node if isinstance(current.job, Known) else ""
        trouble = tuple(dask_trouble(current.node))
        waits = self._waits() if current.phase is SessionPhase.PENDING else ""
        now = (current.phase, current.session.job_id, node, trouble, waits)
        if now == self._said:
            return
        self._said = now
        if current.phase is SessionPhase.PENDING:
            self._console.say(f"  {waits}")
        elif current.phase is SessionPhase.STARTING:
            self._console.say(f"  {sentence(current)}" + (f" on {node}" if node else ""))
        elif current.phase is SessionPhase.ENDING and current.node:
            self._console.say(f"  the analysis is ending: {current.node.message}")
        for words in trouble:
            self._console.say(f"  {words}")

    def _notes(self, current: SessionStatus) -> None:
        """Say what failed meanwhile. An analysis that was started again counts its notes from the first again."""
        started = current.node.started if current.node else ""
        if started != self._noted and runreport.is_since(current.progress, started):
            self._noted, self._seen = started, 0
        notes, self._seen = runreport.news(current.progress, self._seen)
        for note in notes:
            self._console.say(note)

    def _beginning(self, current: SessionStatus) -> None:
        """Say that the analysis works again: after another job took over, or the same one was started again."""
        state = current.node
        if current.phase is not SessionPhase.RUNNING or state is None or state.started == self._started:
            return
        if self._started:
            self._console.say(f"  it was started again on {state.host}, and goes on where it had stopped")
        self._started = state.started


class Following:
    """With a run from the queue to its end."""

    def __init__(self, cluster: Cluster, session: Session, console: Console, store: Store, *, fresh: bool) -> None:
        self._cluster = cluster
        self._session = session
        self._console = console
        self._store = store
        self._fresh = fresh
        self._narrator = RunNarrator(cluster, console)
        rate = DRAWN_SECONDS if sys.stderr.isatty() else TOLD_SECONDS
        self._watcher = Watcher(cluster, session, self._notice, time.sleep, rate=rate)

    def to_the_end(self) -> int:
        """Follow; a Ctrl-C asks what it meant. Returns the analysis's exit code, or raises what ended the job."""
        while True:
            try:
                with self._console.live(self._narrator.line, remind=True):
                    current = self._over()
                return told_end(self._cluster, lifecycle.remember_end(self._store, current), self._console)
            except KeyboardInterrupt:
                choice = self._console.choose_after_interrupt(self._session.name, AFTER_INTERRUPT_OF_RUN)
                if choice == "stop":
                    self._cancel()
                if choice != "keep":
                    raise detached(self._session) from None

    def _notice(self, current: SessionStatus) -> None:
        if current.session.job_id != self._session.job_id:
            self._console.say(f"  it goes on in job {current.session.job_id}")
            self._session = replace(self._session, job_id=current.session.job_id)
            self._store.save(self._session)
        self._narrator(current)

    def _over(self) -> SessionStatus:
        """Watch until there is proof that the run is over."""
        began, unlisted = time.monotonic(), None
        while (current := self._watcher.next()).phase not in lifecycle.OVER:
            now = time.monotonic()
            if self._fresh and hopeless(self._cluster, current) and now - began < lifecycle.FRESH_SECONDS:
                refused = lifecycle.withdrawn(self._cluster, current)
                lifecycle.remember(self._store, self._session, SessionPhase.FAILED.value)
                raise refused
            if not (isinstance(current.job, Unknown) and current.job.unlisted):
                unlisted = None
            elif unlisted is None:
                unlisted = now
            elif now - unlisted > UNLISTED_SECONDS:
                raise JobFailed(f"run {self._session.name}: {sentence(current)}", "the same command goes on")
        return current

    def _cancel(self) -> NoReturn:
        """End the run because the user said so, and say what of it is certain."""
        ended_on_request(self._cluster, self._session, self._console, self._store)
        raise Interrupted(f"run {self._session.name} was cancelled", GOES_ON) from None


def told_end(cluster: Cluster, current: SessionStatus, console: Console) -> int:
    """Say how a run ended, with the analysis's own report; returns its exit code, or raises what ended the job."""
    session, code = current.session, current.own_code
    if code is None:
        if current.node is not None and current.node.reason == "stopped":
            raise JobStopped(f"run {session.name} was cancelled", GOES_ON)
        raise end_error(cluster, current)
    if code not in (0, 1):
        raise _analysis_failed(cluster, current, code)
    report = _report(cluster, session)
    lines = report.get("lines") or [current.node.message if current.node else ""]
    console.result(runreport.document(current, report.get("values")), "\n".join(str(line) for line in lines))
    console.say(f"fetch it: springline fetch {session.name} (--results for the output itself)")
    return code


def _report(cluster: Cluster, session: Session) -> dict[str, Any]:
    with contextlib.suppress(ConnectError, ValueError):
        document = json.loads(cluster.read_private(session.directory, "report.json")[0])
        return document if isinstance(document, dict) else {}
    return {}


def _analysis_failed(cluster: Cluster, current: SessionStatus, code: int) -> AnalysisFailed:
    """What the analysis said last, as an error with its own exit code."""
    message = current.node.message if current.node else ""
    try:
        text = cluster.read(current.session.directory, "analysis.log", LOG_LINES)
    except ConnectError:
        text = ""
    lines = [line.rstrip() for line in text.splitlines() if line.strip()][-TOLD_LINES:]
    said = "\n".join([f"run {current.session.name}: {message}", *(f"  | {line}" for line in lines)])
    return AnalysisFailed(code, said, f"`springline fetch {current.session.name}` brings the whole log, analysis.log")
