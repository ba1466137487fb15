"""Watching a session: one remote command open at a time, which returns at the next change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from launcher.cluster import Cluster, Look
from launcher.errors import AuthenticationError, ConnectError, HostKeyError, NotFoundError
from launcher.model import Gone, JobState, JobStatus, Known, Session, SessionStatus, Unknown

COMMAND_SECONDS = 60.0  # a watching command ends by itself after this, so none outlives a vanished laptop for long
SLOWEST_SECONDS = 30.0  # the longest pause between two questions to the scheduler
BOOT_SECONDS = 600.0  # for a host that let us in before and now refuses
ENDING_SECONDS = 1.0  # the first pause when the session says that it ends, and its job soon will
NOTHING = Look(Unknown("not asked yet"), None)
Notice = Callable[[SessionStatus], None]


class Watcher:
    """Remembers the last look, so that only news is passed on; a lost connection is waited out."""

    def __init__(
        self,
        cluster: Cluster,
        session: Session,
        notice: Notice,
        sleep: Callable[[float], None],
        *,
        pace: float = 3.0,
        rate: float = 2.0,
    ) -> None:
        self._cluster = cluster
        self._session = session
        self._notice = notice
        self._sleep = sleep
        self._first_pace = self._pace = pace
        self._rate = rate  # seconds between two reports of a run's progress
        self._first = 0.0  # seconds until the next question: none, unless the scheduler has just answered
        self._silent = 0.0  # seconds waited since the connection was lost
        self._look = NOTHING
        self._outdated: str | None = None  # what an earlier run of the job left in the state file

    def next(self, limit: float = COMMAND_SECONDS) -> SessionStatus:
        """The status at the next change, or after `limit` seconds, whichever is first."""
        limit = max(0.0, min(limit, COMMAND_SECONDS))
        try:
            look = self._cluster.watch(
                self._session,
                self._look,
                pace=self._pace,
                slowest=SLOWEST_SECONDS,
                limit=limit,
                first=min(self._first, limit),
                glance=self._glance(),
                rate=self._rate,
            )
        except HostKeyError:
            raise
        except AuthenticationError as error:
            # A login host that is just booting lets nobody in; one that never did is another matter.
            if self._look == NOTHING or self._silent > BOOT_SECONDS:
                raise
            return self._silence(error)
        except ConnectError as error:
            return self._silence(error)
        refuse_another(self._session, look.job)
        if look.node and (moved := look.node.followed(self._session)) != self._session:
            self._session, self._first, self._pace = moved, 0.0, self._first_pace
            self._look = replace(look, job=NOTHING.job, job_words="", state_words="")
            return self.next(limit)
        known, self._look = self._look, look
        self._set_pace(known, look, limit)
        node = look.node if self._is_of_this_run(look) else None
        current = SessionStatus(self._session, look.job, node, look.progress)
        if look != known:
            self._notice(current)
        return current

    def _set_pace(self, known: Look, look: Look, limit: float) -> None:
        """Ask ever more slowly; a new estimate of the start is no reason to hurry, a new state is."""
        moved = (_settled(known.job), known.state_words) != (_settled(look.job), look.state_words)
        waited = limit if look == known else 0.0  # a command that found nothing new stretched its pauses meanwhile
        self._pace = self._first_pace if moved else min(max(self._pace * 3, waited / 2), SLOWEST_SECONDS)
        if moved and look.node and look.node.phase == "ending":
            self._pace = ENDING_SECONDS
        self._first, self._silent = self._pace, 0.0

    def _glance(self) -> float:
        """Seconds between two looks at the state file: few where somebody waits for JupyterLab, more later on."""
        if self._look.node and self._look.node.phase in ("ready", "running"):
            return 1.0
        running = isinstance(self._look.job, Known) and self._look.job.state is JobState.RUNNING
        return 0.1 if running else 0.2

    def _is_of_this_run(self, look: Look) -> bool:
        """False for the state file that a requeued job has from the run before, until the new run writes its own."""
        if look.node is not None and not look.node.is_of(self._session):
            return False
        if isinstance(look.job, Known) and look.job.state is JobState.PENDING:
            self._outdated = look.state_words
            return True
        return not (isinstance(look.job, Known) and look.state_words == self._outdated)

    def _silence(self, error: ConnectError) -> SessionStatus:
        current = SessionStatus(self._session, Unknown(error.message), self._look.node, self._look.progress)
        self._notice(current)
        pause = pause_after(self._silent)
        self._sleep(pause)
        self._silent += pause
        self._first, self._pace = 0.0, self._first_pace
        self._look = replace(self._look, job=current.job, job_words="", state_words="")  # so any answer is news
        return current


def refuse_another(session: Session, job: JobStatus) -> None:
    """Raise where a session's directory is another's by now: what is known of the one says nothing of the other."""
    if isinstance(job, Gone) and job.replaced:
        raise NotFoundError(
            f"the {session.noun} {session.name} that this computer knows is over; another {session.noun} of that name "
            f"is on {session.platform}",
            f"name its place to mean that one: --platform {session.platform}",
        )


def pause_after(silent: float) -> float:
    """Seconds to the next attempt, `silent` seconds into a silence: a network that returns is met soon."""
    for until, pause in ((0.5, 0.5), (1.5, 1.0), (3.5, 2.0), (600.0, 3.0), (1800.0, 8.0)):
        if silent < until:
            return pause
    return 15.0


def _settled(job: JobStatus) -> JobStatus:
    return replace(job, expected_start="") if isinstance(job, Known) else job
