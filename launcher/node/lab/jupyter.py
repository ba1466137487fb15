"""The node program's side of the Jupyter server: start it, stop it and all below it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from .. import processes, scratch
from ..request import RequestError, SessionDir
from ..workers import daskconfig
from .channel import Channel

PREFIX = re.compile(r"^\[[A-Z] [^\]]*\]\s*")  # [I 2026-01-31 12:00:00.000 ServerApp]
# Compute nodes often have no way out: JupyterLab shall not offer to fetch news.
SETTINGS = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}
NOISE = re.compile(r"^\s*($|File \"|Traceback |\^|warnings\.warn)")


class Jupyter:
    """One running Jupyter server."""

    def __init__(
        self, process: subprocess.Popen[bytes], directory: SessionDir, runtime: Path, channel: Channel
    ) -> None:
        self.process = process
        self.channel = channel
        self._log = directory.path / "jupyter.log"
        self._runtime = runtime

    def stop(self, grace: float) -> None:
        """End the server within ``grace`` seconds, and every kernel and terminal below it."""
        below = processes.below(self.process.pid)
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(grace)
            except subprocess.TimeoutExpired:
                below += processes.below(self.process.pid)
                self.process.kill()
                self.process.wait()
        processes.kill(below)

    def tidy(self) -> None:
        """Empty the runtime directory, once nobody is left who would write to it."""
        scratch.empty(self._runtime)

    def last_words(self) -> str:
        """Return the last line of the log that says something."""
        return last_line(self._log.read_text(encoding="utf-8", errors="replace")) if self._log.exists() else ""


def last_line(log: str) -> str:
    """Return the last line of a log that says something, without its time stamp."""
    lines = [PREFIX.sub("", line).strip() for line in log.splitlines() if not NOISE.match(line)]
    return next((line for line in reversed(lines) if line), "")


def start(directory: SessionDir, address: str, environ: Mapping[str, str]) -> Jupyter:
    """Start the server; nothing secret is in its command line or environment."""
    if find_spec("jupyterlab") is None:
        raise RequestError(missing("jupyterlab"))
    runtime = scratch.new_runtime(directory)
    settings = directory.config / "labconfig" / "default_setting_overrides.json"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(json.dumps(SETTINGS), encoding="utf-8")
    command = [sys.executable, sys.argv[0], "jupyter", str(directory.path), address]
    channel, theirs = Channel.pair()
    with theirs, (directory.path / "jupyter.log").open("ab") as log:
        process = subprocess.Popen(
            command,
            env=environment(directory, environ, runtime),
            stdin=theirs.fileno(),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    return Jupyter(process, directory, runtime, channel)


def environment(directory: SessionDir, environ: Mapping[str, str], runtime: Path) -> dict[str, str]:
    """Return the variables of the server, its kernels and its terminals."""
    # Variables that would choose the token, the port or the password in our place.
    theirs = ("JUPYTER_TOKEN", "JUPYTER_PORT", "JUPYTER_RUNTIME_DIR", "JUPYTER_SERVER_")
    kept = {name: value for name, value in environ.items() if not name.startswith(theirs)}
    config = os.pathsep.join(filter(None, (str(directory.config), environ.get("JUPYTER_CONFIG_PATH"))))
    ours = {"JUPYTER_RUNTIME_DIR": str(runtime), "JUPYTER_CONFIG_PATH": config}
    return {**daskconfig.pointed(kept, directory), **ours}


def missing(*modules: str) -> str:
    """Return the sentence for modules that are not installed."""
    names = " ".join(name.replace("_", "-") for name in modules)
    verb = "is" if len(modules) == 1 else "are"
    return f"{names} {verb} not installed for {sys.executable}: install with `{sys.executable} -m pip install {names}`."
