"""`springline client`: a tunnel to a session's Dask scheduler, and what a Python on this computer needs to use it."""

from __future__ import annotations

import json
import os
import platform
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from launcher.cluster import Cluster
from launcher.console.console import Console
from launcher.errors import ConnectError, Interrupted, TunnelError
from launcher.laptop.leftkeys import forget_left_keys, keys_home
from launcher.laptop.private import write_private
from launcher.laptop.signals import ended_as_by_ctrl_c
from launcher.laptop.store import Store
from launcher.model import NodeState, Session, SessionPhase, SessionStatus
from launcher.sessions import ends, lifecycle
from launcher.sessions.report import sentence
from launcher.sessions.watcher import Watcher
from launcher.terminal.narrator import Narrator
from launcher.terminal.stay import say_end
from launcher.transports import roads
from launcher.tunnels.access import PROBE_SECONDS, runs_here
from launcher.tunnels.daskways import DaskWays
from launcher.tunnels.tunnel import LOOPBACK, Tunnel

COMPARED = ("python", "dask", "distributed", "msgpack", "cloudpickle")  # what both ends must agree on
_SNIPPET = """\
from distributed import Client
from distributed.security import Security

security = Security(
    tls_ca_file={tls_ca},
    tls_client_cert={tls_cert},
    tls_client_key={tls_key},
    require_encryption=True,
)
client = Client({scheduler}, security=security)"""


@dataclass(frozen=True)
class Files:
    """Where the TLS files lie on this computer."""

    tls_ca: str
    tls_cert: str
    tls_key: str

    @classmethod
    def below(cls, directory: str | Path) -> Files:
        """Those of a session: its certificate vouches for itself."""
        certificate, key = str(Path(directory) / "tls.crt"), str(Path(directory) / "tls.key")
        return cls(certificate, certificate, key)


def snippet(scheduler: str, files: Files) -> str:
    """Lines of Python that make `client`; JSON's strings are Python's, whatever a path holds."""
    return _SNIPPET.format(
        scheduler=json.dumps(scheduler), **{name: json.dumps(path) for name, path in asdict(files).items()}
    )


def differences(theirs: Mapping[str, str | None], ours: Mapping[str, str | None]) -> list[str]:
    """What differs between the session's Python and one here, in words; of Python itself 3.11 and 3.12 differ."""
    found = []
    for name in COMPARED:
        there, here = theirs.get(name), ours.get(name)
        parts = 2 if name == "python" else 9
        if there and here and there.split(".")[:parts] != here.split(".")[:parts]:
            found.append(f"{name} is {here} here and {there} over there")
    return found


def client(cluster: Cluster, session: Session, port: int | None, console: Console, store: Store) -> None:
    """Hold the tunnel until Ctrl-C or the end of the session; its keys are on this computer for as long."""
    tunnel = None if runs_here(cluster) else Tunnel(port)  # first of all, so that a busy port is said at once
    with console.stage(f"connect {cluster.transport.label}"):
        cluster.transport.open()
        current = lifecycle.remember_end(store, lifecycle.status(cluster, session))
    if ends.ended_badly(current):
        raise ends.end_error(cluster, current)
    node = _with_dask(session, current)
    assert node.dask is not None
    if tunnel is None:
        return _tell(session, node, node.dask["scheduler"], Files.below(session.directory), console)
    with _until_told(session), _keys(cluster, session) as files:
        ways = DaskWays(cluster, session, Path(files.tls_ca).read_text(encoding="utf-8"), roads_of(cluster, session))
        narrator = Narrator(cluster, console)

        def notice(now: SessionStatus) -> None:
            ways.follow(now.node)
            narrator(now)

        ways.follow(node)
        tunnel.serve(ways.connect)
        try:
            with console.stage("tunnel"):
                _reach(ways)
            _tell(session, node, f"tls://{LOOPBACK}:{tunnel.port}", files, console)
            with console.live(narrator.holding):
                watcher = Watcher(cluster, session, notice, time.sleep, pace=15.0)
                current = lifecycle.hold(cluster, session, notice, watcher=watcher)
        finally:
            tunnel.close()
            ways.close()
    return say_end(cluster, lifecycle.remember_end(store, current), console)


def roads_of(cluster: Cluster, session: Session) -> list[Any]:
    """The roads for the tunnel, as `attach` takes them."""
    return list(roads(cluster.platform, cluster.transport, login=session.login))


def _with_dask(session: Session, current: SessionStatus) -> NodeState:
    """What a ready session says of itself, if it has a scheduler that a tunnel leads to."""
    node = current.node
    if current.phase is not SessionPhase.READY or node is None:
        raise TunnelError(f"session {session.name} is not ready: {sentence(current)}", "see `springline status`")
    if node.dask is None:
        raise TunnelError(f"session {session.name} has no Dask cluster now", "see `springline status`")
    if "control" in node.dask:
        raise TunnelError(
            f"the Dask scheduler of session {session.name}, {node.dask['scheduler']}, is in no process of the session",
            "connect to it from here as its own documentation says; or start a session without --dask",
        )
    return node


def _reach(ways: DaskWays) -> None:
    give_up = time.monotonic() + PROBE_SECONDS
    while True:
        try:
            ways.connect().close()
        except ConnectError as error:
            if time.monotonic() > give_up:
                raise TunnelError(error.message, "the session goes on; `springline status` shows it") from error
            time.sleep(0.2)
        else:
            return


def _tell(session: Session, node: NodeState, scheduler: str, files: Files, console: Console) -> None:
    text = snippet(scheduler, files)
    differ = differences(node.versions, _here())
    known = {name: version for name in COMPARED if (version := node.versions.get(name))}
    document = {"schema_version": 1, "session": session.name, "platform": session.platform, "scheduler": scheduler}
    more = {**asdict(files), "versions": known, "differences": differ, "snippet": text}
    console.result({**document, **more}, text)
    if known:
        console.say("over there: " + ", ".join(f"{name} {version}" for name, version in known.items()))
    for difference in differ:
        console.say(f"{difference}: run the lines above in a Python that has the same, or expect errors")
    if LOOPBACK in scheduler:
        console.say(f"it works while this command runs; whoever has {files.tls_key} can use the session's workers")


def _here() -> dict[str, str | None]:
    """The same versions of the Python that runs this; the lines may be run by another."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in COMPARED[1:]:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


@contextmanager
def _keys(cluster: Cluster, session: Session) -> Iterator[Files]:
    """The session's TLS files in a directory of this process."""
    forget_left_keys()
    directory = keys_home() / f"{session.name}.{os.getpid()}"
    texts = cluster.read_private(session.directory, "tls.crt", "tls.key")
    try:
        for name, text in zip(("tls.crt", "tls.key"), texts, strict=True):
            write_private(directory / name, text)
        yield Files.below(directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def _until_told(session: Session) -> Iterator[None]:
    """Ctrl-C, or being told to end, is the ordinary end; so is a terminal that is closed, but for `nohup`."""
    try:
        with ended_as_by_ctrl_c():
            yield
    except KeyboardInterrupt:
        raise Interrupted(
            f"the tunnel to the Dask scheduler of session {session.name} is closed and its keys are removed here",
            f"again: springline client {session.name}; end the session: springline stop {session.name}",
        ) from None
