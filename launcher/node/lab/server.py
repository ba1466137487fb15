"""The Jupyter server's own process: JupyterLab with our options, which never stand in a command line."""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..addresses import LOOPBACK, free_port
from ..request import Request, SessionDir, read, socket_of
from ..scratch import empty
from ..workers import gateway
from .channel import Channel

JUPYTERS_PORT = 8888  # with a socket, Jupyter wants no other port to be named, and listens on none


def options(directory: SessionDir, request: Request, listen: dict[str, Any], token: str, root: bool) -> list[str]:
    """Return JupyterLab's options; given as arguments because those win over the user's configuration files.

    Whoever may log in is ours to say (token, no password, cookies of this session); so is where it listens.
    Cross-site checks stay as they are: a tunnel's ``127.0.0.1:PORT`` passes them.
    """
    login = {
        "PasswordIdentityProvider.token": token,
        "PasswordIdentityProvider.hashed_password": "",
        "PasswordIdentityProvider.password_required": False,
        "PasswordIdentityProvider.allow_password_change": False,
        # The browser speaks plain http to the tunnel: a cookie for https only would be lost.
        "PasswordIdentityProvider.secure_cookie": False,
        "ServerApp.quit_button": True,
        # Kernels speak through sockets in a directory of the user's own. On TCP, anybody on the node could listen
        # to what cells hold and print: that channel asks for no key.
        "KernelManager.transport": "ipc",
        "ServerApp.kernel_websocket_connection_class": f"{__package__}.resuming.Resumable",
    }
    reached = {
        "ServerApp.base_url": "/",
        "ServerApp.allow_remote_access": False,
        "LabApp.extra_labextensions_path": directory.labextensions,
        "ServerApp.extra_template_paths": directory.templates,
    }
    quiet = {
        "ServerApp.open_browser": False,
        "ServerApp.root_dir": os.path.expanduser(os.path.expandvars(request.root_dir)),  # noqa: PTH111
        "ServerApp.allow_root": root,
        # Compute nodes often have no way out: nothing to fetch.
        "LabApp.news_url": None,
        "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
        "LabApp.extension_manager": "readonly",
    }
    hosts = dashboard_hosts(request)
    proxied = {"ServerProxy.host_allowlist": ["localhost", "127.0.0.1", *hosts]} if hosts else {}
    return [f"--{name}={value}" for name, value in {**listen, **login, **reached, **proxied, **quiet}.items()]


def dashboard_hosts(request: Request) -> list[str]:
    """Return the other hosts whose pages Jupyter's proxy may show: that of a scheduler's dashboard elsewhere."""
    links = {"gateway": lambda: gateway.address(request), "address": lambda: request.dask}
    link = links[request.backend]() if request.backend in links else None
    return [host] if link and (host := urlsplit(link).hostname) else []


def listener(directory: SessionDir, request: Request, address: str, runtime: Path) -> dict[str, Any]:
    """Return the options of the server's own listener, which is the first door of the request."""
    door = request.doors[0]
    if door == "socket":
        where = {"sock": socket_of(runtime), "sock_mode": "0600", "ip": LOOPBACK, "port": JUPYTERS_PORT}
    else:
        ip = LOOPBACK if door == "loopback" else address
        chosen = request.port if door == "loopback" else 0
        where = {"sock": "", "ip": ip, "port": chosen or free_port(ip), "port_retries": 0 if chosen else 50}
    secure = door == "node-tls"
    tls = {"certfile": directory.certificate if secure else "", "keyfile": directory.key if secure else ""}
    return {f"ServerApp.{name}": value for name, value in {**where, **tls}.items()}


def serve(directory: SessionDir, address: str) -> None:
    """Run JupyterLab until it is shut down or the node program is gone."""
    channel = Channel.from_stdin()
    inside: list[Any] = []  # there before the first message: the node program waits for the first door
    channel.listen(
        lambda name, value: inside[0].hear(name, value),
        ended=lambda: os.kill(os.getpid(), signal.SIGTERM),  # the node program has died without a word
    )
    request = read(directory)
    umask = request.umask_of(os.environ)
    if umask:
        os.umask(int(umask, 8))
    sys.argv[1:] = []
    _start_sooner()
    runtime = Path(os.environ["JUPYTER_RUNTIME_DIR"])
    listen = listener(directory, request, address, runtime)
    arguments = options(directory, request, listen, _token(directory), root=os.geteuid() == 0)
    app = import_module("jupyterlab.labapp").LabApp.initialize_server(argv=arguments)
    inside.append(import_module(f"{__package__}.inside").Inside(app, directory, request, address, channel))
    inside[0].begin()
    try:
        app.start()
    finally:
        empty(runtime)  # on the node's own disk, where nobody else would tidy up


def _token(directory: SessionDir) -> str:
    try:
        token = directory.token.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SystemExit(f"The session's token cannot be read: {error}") from error
    if not token:
        raise SystemExit("The session's token is empty.")
    return token


def _start_sooner() -> None:
    """Skip what costs JupyterLab half of its start and gives a session nothing.

    jsonschema, where it finds ``rfc3987_syntax``, compiles 38 grammars to check IRIs (0.8 s). JupyterLab, where it
    finds Node.js, asks yarn for the registry it would build extensions from (0.3 s).
    """
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type] # "not installed", for this process
    commands: Any = import_module("jupyterlab.commands")
    if hasattr(commands, "_yarn_config"):
        commands._yarn_config = lambda *_: {"yarn config": {}, "npm config": {}}
