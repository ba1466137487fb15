"""A small job on a compute node, started and ended as a session is."""

from __future__ import annotations

import json
import secrets
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from launcher.checking.software import ALSO
from launcher.cluster import Cluster
from launcher.errors import SpringlineError
from launcher.kinds import SESSION
from launcher.model import NodeState, Platform, Resources, Session
from launcher.needed import NEEDED
from launcher.scripts import batch, shell
from launcher.scripts.shell import RemotePath
from launcher.sessions import lifecycle
from launcher.sessions.bundle import PACKAGE, node_program
from launcher.sessions.watcher import Notice

SECONDS = 300  # its time limit
FACTS_SECONDS = 90  # for its slowest question, the import of JupyterLab, and a file system that tells late
MEMORY = 1 << 30  # bytes at most
# Beside its end: what checks left whose job cannot live any more, or never came to run within a day.
CLOSE = """\
cd {directory} 2>/dev/null && touch done
cd {sessions} 2>/dev/null || exit
for one in check-[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]; do
  [ -n "$(find "$one/state.json" -mmin +10 2>/dev/null; find "$one" -prune -mtime +0 2>/dev/null)" ] || continue
  if [ -e "$one/greeting" ]; then rm -rf "./$one"; else rmdir "./$one" 2>/dev/null; fi
done
"""
_MAIN = f"from {PACKAGE}.checkup import main\n\nmain()\n"


@dataclass(frozen=True)
class Seen:
    """What the job said: where it is, and how it greets."""

    node: NodeState
    greeting: str
    queued: float  # s from the submission until it said so


class NodeJob:
    """One job; whatever happens, `close` ends it by its name and removes its directory."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        name = f"check-{secrets.token_hex(3)}"
        directory = shell.session_directory(cluster.platform, name)
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
        node = lifecycle.wait_until_ready(self._cluster, self._session, notice, wait=wait)
        return Seen(node, self._greeting, time.monotonic() - began)

    def facts(self) -> dict[str, Any]:
        """What the job found out meanwhile. Raises ConnectError where it does not come to say so."""
        directory = RemotePath(self._session.directory).quoted()
        script = f"cd {directory}; for i in $(seq {FACTS_SECONDS}0); do [ ! -e facts.json ] || break; sleep 0.1; done"
        self._cluster.transport.run(script, timeout=2 * FACTS_SECONDS + 60)
        found: dict[str, Any] = json.loads(self._cluster.read_private(self._session.directory, "facts.json")[0])
        return found

    def close(self) -> None:
        """End the job, wait until it has ended, and leave nothing behind."""
        directory = RemotePath(self._session.directory)
        with suppress(SpringlineError):
            sessions_directory = shell.sessions_directory(self._cluster.platform).quoted()
            self._cluster.transport.run(CLOSE.format(directory=directory.quoted(), sessions=sessions_directory))
            if self._session.job_id:
                lifecycle.stop(self._cluster, self._session, lambda _: None)
            else:
                self._cluster.cancel(self._session)
        with suppress(SpringlineError):
            self._cluster.discard(directory.text)

    def _asked(self) -> dict[str, object]:
        """What the job shall look at."""
        workers = self._cluster.platform.workers
        packages = (*NEEDED, *ALSO)
        return {"packages": packages, "local_directory": workers.local_directory, "interface": workers.interface}

    def _files(self) -> dict[str, str]:
        platform, session = self._cluster.platform, self._session
        directives = self._cluster.scheduler.directives(small(platform, SECONDS), session.job_name, "job.log")
        return {
            "session.json": json.dumps({"schema_version": 1, **asdict(session)}),
            "greeting": self._greeting,
            "asked.json": json.dumps(self._asked()),
            "job.sh": batch.batch_script(platform, directives, RemotePath(session.directory)),
            **node_program(),
            "node/__main__.py": _MAIN,
        }


def small(platform: Platform, seconds: int) -> Resources:
    """What the section asks for, with one core, little memory and a short walltime."""
    wished = platform.resources
    memory = min(wished.memory, MEMORY) if wished.memory else None
    return replace(wished, cores=1, memory=memory, walltime=min(wished.walltime or seconds, seconds))
