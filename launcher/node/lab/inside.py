"""What a session adds to JupyterLab's server, in its process: further doors, the time left, and who still needs it."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from jupyter_core.utils import ensure_async
from jupyter_server.base.handlers import APIHandler
from tornado import web
from tornado.httpserver import HTTPServer
from tornado.ioloop import PeriodicCallback
from tornado.netutil import bind_sockets, bind_unix_socket

from ..addresses import LOOPBACK
from ..request import DEFAULT, Request, SessionDir, socket_of
from ..state import seconds_left
from .asking import WorkersOf
from .channel import Channel

LOOK_EVERY = 15.0  # s between two looks at who needs the session


class Inside:
    """Answers the node program from within the server's loop."""

    def __init__(self, app: Any, directory: SessionDir, request: Request, address: str, channel: Channel) -> None:  # noqa: ANN401
        self._app = app
        self._directory = directory
        self._request = request
        self._address = address
        self._channel = channel
        self._servers: list[HTTPServer] = []

    def begin(self) -> None:
        """Take up work as soon as the loop runs; by then the server's own listener is bound."""
        base = f"{self._app.base_url}springline"
        presets = [*dict.fromkeys([DEFAULT, *self._request.presets])] if self._request.presets else []
        pages = [
            (f"{base}/session", TimeLeft, {"state": self._directory.state}),
            (f"{base}/workers", WorkersOf, {"presets": presets, "directory": self._directory}),
        ]
        self._app.web_app.add_handlers(".*$", pages)
        settings = self._app.web_app.settings
        resumes = getattr(
            settings.get("kernel_websocket_connection_class"), "resumes", False
        )  # an old Jupyter has none
        settings.setdefault("page_config_data", {})["springlineResumes"] = resumes
        self._app.io_loop.add_callback(self._open_at_start)
        if self._request.idle_stop_seconds:
            interval = min(LOOK_EVERY, self._request.idle_stop_seconds / 10)
            PeriodicCallback(self._tell_quiet, interval * 1000).start()

    def hear(self, name: str, value: Any) -> None:  # noqa: ANN401
        """Do what the node program asks (called in the channel's thread)."""
        if name == "open":
            self._app.io_loop.add_callback(self._open, value)

    def _open_at_start(self) -> None:
        first, *others = dict.fromkeys(self._request.doors)
        self._channel.tell("door", [first, self._app.sock or self._app.port])
        for name in others:
            self._open(name)

    def _open(self, name: str) -> None:
        try:
            where = self._listen(name)
        except (OSError, ValueError) as error:
            self._channel.tell("no door", [name, str(error)])
        else:
            self._channel.tell("door", [name, where])

    def _listen(self, name: str) -> str | int:
        """Listen at a door; return its path or port."""
        sizes = {"max_body_size": self._app.max_body_size, "max_buffer_size": self._app.max_buffer_size}
        # On the loopback address too: whoever else takes the port over, should Jupyter end, cannot pass for us there.
        tls = self._tls() if name in ("node-tls", "loopback") else None
        server = HTTPServer(self._app.web_app, ssl_options=tls, **sizes)
        if name == "socket":
            path = socket_of(Path(self._app.runtime_dir))
            server.add_socket(bind_unix_socket(str(path), mode=0o600))
            self._servers.append(server)
            return str(path)
        sockets = bind_sockets(*((self._request.port, LOOPBACK) if name == "loopback" else (0, self._address)))
        server.add_sockets(sockets)
        self._servers.append(server)
        return int(sockets[0].getsockname()[1])

    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self._directory.certificate, self._directory.key)
        return context

    async def _tell_quiet(self) -> None:
        self._channel.tell("quiet", await quiet_seconds(self._app))


async def quiet_seconds(app: Any) -> float:  # noqa: ANN401 (a ServerApp)
    """Return for how long no kernel was busy and nobody was connected."""
    kernels = await ensure_async(app.kernel_manager.list_kernels())
    if any(kernel["connections"] or kernel["execution_state"] == "busy" for kernel in kernels):
        return 0.0
    last = max([app.web_app.last_activity(), *_terminal_activity(app)])
    return float((datetime.now(timezone.utc) - last).total_seconds())


def _terminal_activity(app: Any) -> Iterator[datetime]:  # noqa: ANN401
    """Yield when each terminal last printed something, which the server itself does not count."""
    manager = app.web_app.settings.get("terminal_manager")
    for terminal in list(getattr(manager, "terminals", {}).values()):
        with suppress(AttributeError):  # it has just been made
            yield terminal.last_activity


class TimeLeft(APIHandler):  # type: ignore[misc,unused-ignore] # an untyped base
    """``GET springline/session``: when the session ends; the page's clock may be wrong, the seconds left are not."""

    _track_activity = False  # asking is no work

    def initialize(self, state: Path) -> None:
        """Remember where the session's state is."""
        super().initialize()
        self._state = state

    @web.authenticated
    def get(self) -> None:
        """Answer with the end and the seconds left, null where there is no limit."""
        state = json.loads(self._state.read_text(encoding="utf-8"))
        ends = state["ends"]
        self.finish(json.dumps({"session": state["session"], "ends": ends, "seconds_left": seconds_left(ends)}))
