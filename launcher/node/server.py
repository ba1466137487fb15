"""The Jupyter server's own process: JupyterLab with our options, which never stand in a command line."""

from __future__ import annotations

import os
import signal
import sys
import threading
from importlib import import_module
from typing import Any

from .request import Request, SessionDir, read


def options(directory: SessionDir, request: Request, address: str, port: int, token: str, root: bool) -> list[str]:
    """Return JupyterLab's options; given as arguments because those win over the user's configuration files.

    Whoever may log in is ours to say (token, no password, cookies of this session); so is where it listens.
    Cross-site checks stay as they are: a tunnel's ``127.0.0.1:PORT`` passes them.
    """
    secure = request.access == "node-tls"
    listen = {
        "ServerApp.ip": address,
        "ServerApp.port": port,
        "ServerApp.port_retries": 0 if request.port else 50,
        "ServerApp.sock": "",
        "ServerApp.base_url": "/",
        "ServerApp.certfile": directory.certificate if secure else "",
        "ServerApp.keyfile": directory.key if secure else "",
        "ServerApp.allow_remote_access": False,
    }
    login = {
        "PasswordIdentityProvider.token": token,
        "PasswordIdentityProvider.hashed_password": "",
        "PasswordIdentityProvider.password_required": False,
        # The browser speaks plain http to the tunnel: a cookie for https only would be lost.
        "PasswordIdentityProvider.secure_cookie": False,
        "ServerApp.quit_button": True,
        # Kernels speak through sockets in a directory of the user's own. On TCP, anybody on the node could listen
        # to what cells hold and print: that channel asks for no key.
        "KernelManager.transport": "ipc",
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
    return [f"--{name}={value}" for name, value in {**listen, **login, **quiet}.items()]


def serve(directory: SessionDir, address: str, port: int) -> None:
    """Run JupyterLab until it is shut down or the node program is gone."""
    _end_with_parent()
    request = read(directory)
    umask = request.umask or os.environ.get("SPRINGLINE_UMASK")
    if umask:
        os.umask(int(umask, 8))
    token = directory.token.read_text(encoding="utf-8").strip()
    if not token:
        raise SystemExit("The session's token is empty.")
    sys.argv[1:] = []
    _start_sooner()
    arguments = options(directory, request, address, port, token, root=os.geteuid() == 0)
    import_module("jupyterlab.labapp").LabApp.launch_instance(argv=arguments)


def _start_sooner() -> None:
    """Skip what costs JupyterLab half of its start and gives a session nothing.

    jsonschema, where it finds ``rfc3987_syntax``, compiles 38 grammars to check IRIs (0.8 s). JupyterLab, where it
    finds Node.js, asks yarn for the registry it would build extensions from (0.3 s).
    """
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type] # "not installed", for this process
    commands: Any = import_module("jupyterlab.commands")
    if hasattr(commands, "_yarn_config"):
        commands._yarn_config = lambda *_: {"yarn config": {}, "npm config": {}}


def _end_with_parent() -> None:
    """Stop when the pipe on standard input closes: the node program has died without a word."""
    pipe = os.dup(0)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)

    def watch() -> None:
        os.read(pipe, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()
