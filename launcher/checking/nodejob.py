"""A small job on a compute node, started and ended as a session is."""

from __future__ import annotations

import json
import secrets
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from launcher import scripts, sessions
from launcher.bundle import PACKAGE, node_program
from launcher.checking.software import ALSO
from launcher.cluster import Cluster
from launcher.errors import SpringlineError
from launcher.kinds import SESSION
from launcher.model import NodeState, Platform, Resources, Session
from launcher.needed import NEEDED
from launcher.scripts import RemotePath
from launcher.units import format_duration
from launcher.watcher import Notice

SECONDS = 300  # its time limit
MEMORY = 1 << 30  # bytes at most
_MAIN = f"from {PACKAGE}.checkup import main\n\nmain()\n"


@dataclass(frozen=True)
class Seen:
    """What the job said: where it is, what it found, and how it greets."""

    node: NodeState
    facts: dict[str, Any]
    greeting: str
    queued: float  # s from the submission until it said so


class NodeJob:
    """One job; whatever happens, `close` ends it by its name and removes its directory."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        name = f"check-{secrets.token_hex(3)}"
        directory = scripts.session_directory(cluster.platform, name)
        self._session = Session(
            name=name,
            platform=cluster.platform.name,
            job_name=f"{SESSION.prefix}{name}-{secrets.token_hex(3)}",
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            directory=directory.text,
        )
        self._greeting = secrets.token_hex(8)

    def run(self, wait: float, notice: Notice) -> Seen:
        """Submit and wait, in the queue for `wait` seconds. Raises StillPending, or what went wrong."""
        began = time.monotonic()
        placed = self._cluster.submit(self._session, self._files())
        self._session = replace(self._session, job_id=placed.job_id, directory=placed.directory)
        node = sessions.wait_until_ready(self._cluster, self._session, notice, wait=wait)
        queued = time.monotonic() - began
        facts = json.loads(self._cluster.read_private(self._session.directory, "facts.json")[0])
        return Seen(node, facts, self._greeting, queued)

    def close(self) -> None:
        """End the job, wait until it has ended, and leave nothing behind."""
        directory = RemotePath(self._session.directory)
        with suppress(SpringlineError):
            self._cluster.transport.run(f"cd {directory.quoted()} 2>/dev/null && touch done")
            if self._session.job_id:
                sessions.stop(self._cluster, self._session, lambda _: None)
            else:
                self._cluster.cancel(self._session)
        with suppress(SpringlineError):
            self._cluster.discard(directory.text)

    def _files(self) -> dict[str, str]:
        platform, session = self._cluster.platform, self._session
        directives = self._cluster.scheduler.directives(small(platform, SECONDS), session.job_name, "job.log")
        return {
            "session.json": json.dumps({"schema_version": 1, **asdict(session)}),
            "greeting": self._greeting,
            "packages": " ".join((*NEEDED, *ALSO)),
            "job.sh": scripts.batch_script(platform, directives, RemotePath(session.directory)),
            **node_program(),
            "node/__main__.py": _MAIN,
        }


def small(platform: Platform, seconds: int) -> Resources:
    """What the section asks for, with one core, little memory and a short walltime."""
    wished = platform.resources
    memory = min(wished.memory, MEMORY) if wished.memory else None
    return replace(wished, cores=1, memory=memory, walltime=min(wished.walltime or seconds, seconds))


def waited(seconds: float) -> str:
    """The live line while the job waits."""
    return f"  {format_duration(seconds)}  a small job waits for a node"
