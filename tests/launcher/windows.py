"""As much of Windows as a Linux can play: `python windows.py PROGRAM ARGUMENTS` runs one of our commands in it.

What the Python of Windows has not is taken away from this one, before our code but after the libraries, which know
the system they run on from when they were imported: what they do themselves on Windows is not seen here.
"""

from __future__ import annotations

import ctypes
import importlib.abc
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

LIBRARIES = ("click", "cryptography.x509", "fabric", "paramiko", "webbrowser", "http.client", "logging.handlers")
MODULES = ("_posixsubprocess", "crypt", "fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty")
OS = """
    chown fchmod fchown fork forkpty getegid geteuid getgid getgroups getloadavg getpgid getpgrp getppgid getsid getuid
    initgroups killpg lchown mkfifo nice openpty posix_spawn pread pwrite sched_getaffinity setgid setpgid setsid setuid
    set_blocking statvfs sysconf ttyname uname wait wait3 wait4 WIFEXITED WIFSIGNALED O_CLOEXEC O_DIRECTORY O_NOFOLLOW
    O_NONBLOCK
"""
SIGNALS = """
    SIGALRM SIGCHLD SIGCONT SIGHUP SIGKILL SIGPIPE SIGQUIT SIGSTOP SIGTSTP SIGUSR1 SIGUSR2 SIGWINCH
    alarm pause pthread_kill pthread_sigmask setitimer sigwait
"""


class _NotThere(importlib.abc.MetaPathFinder):
    """Refuses the modules that Windows has not."""

    def find_spec(self, name: str, *_: Any) -> None:  # noqa: ANN401
        """No loader, and no other finder is asked."""
        if name in MODULES:
            raise ModuleNotFoundError(f"No module named '{name}' on Windows")


def _kill(pid: int, number: int) -> None:
    raise AssertionError(f"os.kill({pid}, {number}) ends the process on Windows, whatever the signal")


def _process(pid: int) -> int:
    return pid if Path(f"/proc/{pid}").exists() else 0


class _Popen(subprocess.Popen):  # type: ignore[type-arg]
    """Takes only what Windows takes."""

    def __init__(self, command: Any, *more: Any, **options: Any) -> None:  # noqa: ANN401
        if options.get("preexec_fn") or options.get("pass_fds"):
            raise ValueError("preexec_fn and pass_fds are not supported on Windows platforms")
        super().__init__(command, *more, **options)


def become_windows() -> None:
    """Take away what Windows has not."""
    for library in LIBRARIES:
        __import__(library)
    for name in MODULES:
        sys.modules.pop(name, None)
    sys.meta_path.insert(0, _NotThere())
    for module, names in ((os, OS), (signal, SIGNALS), (socket, "AF_UNIX")):
        for name in names.split():
            if hasattr(module, name):
                delattr(module, name)
    os.kill = _kill
    subprocess.Popen = _Popen  # type: ignore[misc]
    kernel = SimpleNamespace(
        OpenProcess=lambda _access, _inherit, pid: _process(pid),
        WaitForSingleObject=lambda handle, _: 0x102 if handle else 0,
        CloseHandle=lambda _: True,
    )
    ctypes.windll = SimpleNamespace(kernel32=kernel)  # type: ignore[attr-defined]
    import paramiko.agent

    paramiko.agent.get_agent_connection = lambda: None  # it would ask Pageant
    import webbrowser

    webbrowser.register_standard_browsers()  # those of this system; with those of Windows none would be found here
    sys.platform = "win32"


def main() -> None:
    """Run `springline` or the old command."""
    become_windows()
    program, sys.argv = sys.argv[1], sys.argv[1:]
    if program == "springline":
        from launcher.cli import main as command
    elif program == "import":
        for name in sys.argv[1:]:
            __import__(name)
        return
    else:
        from launcher.legacy import main as command
    command()


if __name__ == "__main__":
    main()
