"""A session's JupyterLab as this computer sees it: its address, and requests to it."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from launcher.cluster import Cluster
from launcher.errors import SpringlineError, TunnelError
from launcher.model import NodeState, Session
from launcher.tunnels.tunnel import LOOPBACK

PROBE_SECONDS = 20.0


class Refusal(TunnelError):
    """JupyterLab answers, and with an error: HTTP's `status`, and what it `said`."""

    def __init__(self, status: int, said: str, asked: str) -> None:
        super().__init__(f"JupyterLab answers {status} to {asked}: {said}")
        self.status = status
        self.said = said


@dataclass(frozen=True)
class Secrets:
    """What opens a session: Jupyter's token, and the certificate that proves its server."""

    token: str
    certificate: str

    @classmethod
    def of(cls, cluster: Cluster, session: Session) -> Secrets:
        """Read them from the session's directory on the platform."""
        token, certificate = cluster.read_private(session.directory, "token", "tls.crt")
        return cls(token.strip(), certificate)


@dataclass(frozen=True)
class Access:
    """JupyterLab at a port of this computer: a tunnel's, or its own."""

    port: int
    secrets: Secrets

    @property
    def url(self) -> str:
        """The address for a browser, without the token."""
        return f"http://{LOOPBACK}:{self.port}/lab"

    def url_with_token(self, page: str = "lab") -> str:
        """The address that logs in. Treat it like a password."""
        return f"http://{LOOPBACK}:{self.port}/{page}?token={self.secrets.token}"

    def request(self, method: str, path: str, body: Any = None, *, timeout: float = PROBE_SECONDS) -> Any:  # noqa: ANN401
        """Ask Jupyter's REST API; returns the JSON answer. Raises TunnelError, and Refusal where it answers."""
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=timeout)
        headers = {"Authorization": f"token {self.secrets.token}", "Content-Type": "application/json"}
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise TunnelError(
                f"JupyterLab does not answer on port {self.port}: {error or 'no answer'}", "see `springline logs`"
            ) from error
        finally:
            connection.close()
        if answer.status >= 400:
            raise Refusal(answer.status, _reason(text) or answer.reason, f"{method} {path}")
        return json.loads(text) if text else None

    def verify(
        self, *, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """Ask for /api/status until it answers, for 20 s at most."""
        give_up = clock() + PROBE_SECONDS
        while True:
            try:
                self.request("GET", "/api/status")
            except SpringlineError as error:
                if clock() > give_up:
                    raise TunnelError(
                        error.message, "the session goes on; `springline logs` shows its side, `attach` tries again"
                    ) from error
                sleep(0.2)
            else:
                return


def _reason(text: bytes) -> str:
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return ""


def runs_here(cluster: Cluster) -> bool:
    """True if a session's own port is a port of this computer, so that no tunnel is needed."""
    return cluster.transport.is_here and cluster.scheduler.name == "local"


def here(node: NodeState, secrets: Secrets) -> Access:
    """The way to a session of this computer: JupyterLab has the port itself."""
    if "loopback" not in node.doors:
        raise TunnelError("the session does not say where JupyterLab listens", "`springline logs` shows its side")
    return Access(int(node.doors["loopback"]), secrets)
