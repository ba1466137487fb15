"""Watching a session: one remote command open at a time, which returns at the next change."""

from __future__ import annotations

from collections.abc import Callable

from launcher.cluster import Cluster, Look
from launcher.errors import AuthenticationError, ConnectError, HostKeyError
from launcher.model import Session, SessionStatus, Unknown

COMMAND_SECONDS = 60.0  # a watching command ends by itself after this, so none outlives a vanished laptop for long
SLOWEST_SECONDS = 30.0  # the longest pause between two questions to the scheduler
Notice = Callable[[SessionStatus], None]


class Watcher:
    """Remembers the last look, so that only news is passed on; a lost connection is waited out."""

    def __init__(
        self, cluster: Cluster, session: Session, notice: Notice, sleep: Callable[[float], None], *, pace: float = 2.0
    ) -> None:
        self._cluster = cluster
        self._session = session
        self._notice = notice
        self._sleep = sleep
        self._pace = pace
        self._pause = 1.0
        self._look = Look(Unknown("not asked yet"), None)

    def next(self, limit: float = COMMAND_SECONDS) -> SessionStatus:
        """The status at the next change, or after `limit` seconds, whichever is first."""
        try:
            look = self._cluster.watch(
                self._session.job_id,
                self._session.directory,
                self._look,
                pace=self._pace,
                slowest=SLOWEST_SECONDS,
                limit=max(0.0, min(limit, COMMAND_SECONDS)),
            )
        except (AuthenticationError, HostKeyError):
            raise
        except ConnectError as error:
            return self._silence(error)
        changed, self._look, self._pause = look != self._look, look, 1.0
        if not changed:
            self._pace = min(self._pace * 2, SLOWEST_SECONDS)
        current = SessionStatus(self._session, look.job, look.node)
        if changed:
            self._notice(current)
        return current

    def _silence(self, error: ConnectError) -> SessionStatus:
        current = SessionStatus(self._session, Unknown(error.message), self._look.node)
        self._notice(current)
        self._sleep(self._pause)
        self._pause = min(self._pause * 2, SLOWEST_SECONDS)
        return current
