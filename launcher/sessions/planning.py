"""What will be sent for a session: its name, secrets and files. No connection is made."""

from __future__ import annotations

import json
import re
import secrets as random
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from types import MappingProxyType
from typing import Any

from launcher.daskkinds import JOBS
from launcher.errors import UsageError
from launcher.kinds import SESSION, Kind
from launcher.model import JobRef, Platform, Session
from launcher.platforms import presets
from launcher.schedulers import scheduler_for
from launcher.schedulers.base import Scheduler
from launcher.scripts import batch, shell
from launcher.sessions.bundle import node_program
from launcher.tunnels.access import Secrets
from launcher.tunnels.certificates import new_certificate

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


@dataclass(frozen=True)
class Plan:
    """Everything that will be sent for a session; made without any connection."""

    session: Session
    secrets: Secrets
    files: Mapping[str, str]  # path in the session's directory → text


def plan(
    platform: Platform,
    scheduler: Scheduler,
    name: str | None = None,
    *,
    config: str = "",
    port: int = 0,
    root: str = "~",
    insecure_http: bool = False,
    shapes: Mapping[str, Platform] = MappingProxyType({}),
) -> Plan:
    """Choose the session's name and secrets and write its files.

    `port` is the one JupyterLab must take over there (0 = any), `root` the directory it shows; `shapes` are the
    platform as each of its presets has it.
    """
    presets.check_dask(platform)
    name = named(SESSION, name, slug(platform.name))
    job_name = f"{SESSION.prefix}{name}-{random.token_hex(3)}"
    created = datetime.now(UTC).isoformat(timespec="seconds")
    session = Session(name=name, platform=platform.name, job_name=job_name, created=created, config=config)
    certificate = new_certificate()
    token = random.token_hex(24)
    directory = shell.session_directory(platform, name)
    doors = first_doors(platform, insecure_http=insecure_http)
    files = {
        "session.json": json.dumps({"schema_version": 1, **asdict(session)}),
        "request.json": json.dumps(
            {**request(platform, session, doors, port=port, root=root), **presets.choices(platform, shapes)}
        ),
        "doors": "".join(f"{door}\n" for door in doors),
        "token": token,
        "tls.crt": certificate.certificate,
        "tls.key": certificate.key,
        "job.sh": batch.batch_script(
            platform, scheduler.directives(platform.resources, job_name, "job.log"), directory
        ),
        **node_program(),
    }
    return Plan(session, Secrets(token, certificate.certificate), files)


def first_doors(platform: Platform, *, insecure_http: bool = False) -> list[str]:
    """How JupyterLab can be reached from the start; the launcher asks for another door only where these do not do.

    The first is its own listener: a private socket, or, on this computer, the port that the browser opens.
    """
    if platform.host is None and platform.scheduler == "local":
        return ["loopback"]
    others = [platform.access] if platform.access not in ("auto", "socket") else []
    return ["socket", *others, *(["node-http"] if insecure_http else [])]


def request(platform: Platform, session: Session, doors: list[str], *, port: int, root: str) -> dict[str, Any]:
    """What the node program is asked to do; see launcher/node."""
    return {
        "schema_version": 1,
        "session": session.name,
        "springline": version("springline"),
        "doors": doors,
        "port": port,
        "root_dir": root,
        "scheduler": platform.scheduler,
        "walltime_seconds": platform.resources.walltime,
        "idle_stop_seconds": platform.idle_stop,
        "python": platform.python,
        "prologue": list(platform.prologue),
        "image": platform.image,
        "queue": queue_words(scheduler_for(platform.scheduler), scheduler_for(_workers_of(platform)), session),
        "worker_name": session.worker_name,
        "workers": presets.shape(platform),
    }


def queue_words(scheduler: Scheduler, workers_of: Scheduler, session: Session) -> dict[str, str]:
    """What the node program says to the scheduler of its job, and to the one that has its worker jobs."""
    return {
        "submit": scheduler.submit_command("job.sh", "."),
        "find": scheduler.find_command(session.job_name, "."),
        "cancel_workers": workers_of.cancel_command(JobRef("0-0", session.worker_name), session.worker_name),
    }


def _workers_of(platform: Platform) -> str:
    """The scheduler that has the worker jobs."""
    kind = platform.dask.kind
    return kind if kind is not None and kind in JOBS else platform.scheduler


def named(kind: Kind, name: str | None, base: str) -> str:
    """The wished name, if it is one, or a new one that begins with `base`."""
    name = f"{base}-{random.token_hex(2)}" if name is None else name
    if not _NAME.fullmatch(name):
        raise UsageError(f"'{name}' is not a {kind.noun} name", "up to 40 lower-case letters, digits and hyphens")
    return name


def slug(text: str) -> str:
    """A text as part of a name."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:30] or "session"
