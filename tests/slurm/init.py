"""The first process of one host: lays out the host's file tree, then reaps orphans until told to end.

Run by `hosts.py` inside fresh namespaces, with nothing but the standard library. Standard input carries
one JSON line (a `Layout`), standard output answers with one: this process's pid as the outside sees it.
The end of standard input ends the host, so no host outlives its owner, however that died. The word
"detach" on standard input makes the host independent of its owner; then it ends with its state directory.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import socket
import stat
import sys
from pathlib import Path
from typing import Any

READ_ONLY, REMOUNT, BIND, RECURSIVE = 0x1, 0x20, 0x1000, 0x4000
TRAVERSABLE = stat.S_IXOTH
READABLE = stat.S_IXOTH | stat.S_IROTH
_libc = ctypes.CDLL(None, use_errno=True)


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Call mount(2)."""
    words = [word.encode() or None for word in (source, target, kind)]
    if _libc.mount(*words, ctypes.c_ulong(flags), options.encode() or None) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"mount {kind or 'bind'} {source} on {target}: {os.strerror(error)}")


def bind(source: int, target: str, *, read_only: bool = False) -> None:
    """Show an open file or directory at another path."""
    mount(f"/proc/self/fd/{source}", target, flags=BIND | RECURSIVE)
    if read_only:
        mount("", target, flags=BIND | REMOUNT | READ_ONLY)


def open_tree(path: str) -> int:
    """Hold on to a path before mounts hide it."""
    return os.open(path, os.O_PATH | os.O_CLOEXEC)


def make_empty(directories: list[dict[str, Any]]) -> None:
    """Cover directories with empty memory file systems, or make them below one."""
    for directory in directories:
        path = Path(directory["path"])
        if directory["cover"] and path.is_dir():
            mount("tmpfs", str(path), "tmpfs")
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(directory["mode"])
        os.chown(path, directory["uid"], directory["gid"])


def show(path: str, tree: int) -> None:
    """Make an ordinary user see `path` of the outside, read-only, whatever lies above it."""
    for ancestor in reversed(Path(path).parents):
        if ancestor.exists() and not ancestor.stat().st_mode & TRAVERSABLE:
            mount("tmpfs", str(ancestor), "tmpfs", options="mode=0755")
            break
    Path(path).mkdir(parents=True, exist_ok=True)
    if os.stat(tree).st_mode & READABLE == READABLE:
        bind(tree, path, read_only=True)
    else:
        show_entries(path, tree)


def show_entries(path: str, tree: int) -> None:
    """Show what a closed directory holds in an open one of the same name."""
    mount("tmpfs", path, "tmpfs", options="mode=0755")
    for entry in os.scandir(f"/proc/self/fd/{tree}"):
        target = Path(path, entry.name)
        if entry.is_symlink():
            target.symlink_to(Path(entry.path).readlink())
            continue
        target.mkdir() if entry.is_dir() else target.touch()
        source = open_tree(entry.path)
        bind(source, str(target), read_only=True)
        os.close(source)


def lay_out(layout: dict[str, Any]) -> None:
    """Turn the outside's file tree into the host's own."""
    shown = {path: open_tree(path) for path in sorted(layout["visible"])}
    bound = {target: open_tree(source) for target, source in layout["binds"].items()}
    mount("proc", "/proc", "proc")
    mount("sysfs", "/sys", "sysfs")
    if Path("/sys/fs/cgroup").is_dir():
        mount("tmpfs", "/sys/fs/cgroup", "tmpfs")
    make_empty(layout["directories"])
    for path, tree in shown.items():
        show(path, tree)
    for target, tree in bound.items():
        if not Path(target).exists():
            Path(target).mkdir(parents=True)
        bind(tree, target)
    if Path(layout["state"]).exists():
        mount("tmpfs", layout["state"], "tmpfs")  # the state holds keys and what other hosts own
    for tree in (*shown.values(), *bound.values()):
        os.close(tree)
    socket.sethostname(layout["name"])


def reap(*_: object) -> None:
    """Collect every process that ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def wait_for_end(state: int) -> None:
    """Return when the owner closes standard input (unless it said "detach"), or the state directory is gone."""
    watched = [0]
    while os.fstat(state).st_nlink:
        if not select.select(watched, [], [], 2)[0]:
            continue
        word = os.read(0, 100)
        if not word:
            return
        if b"detach" in word:
            watched = []


def main() -> None:
    """Be the host's init."""
    os.umask(0o022)
    outer_pid = int(str(Path("/proc/self").readlink()))  # /proc is still the outside's
    layout = json.loads(sys.stdin.readline())
    state = os.open(layout["state"], os.O_RDONLY | os.O_DIRECTORY)
    lay_out(layout)
    signal.signal(signal.SIGCHLD, reap)
    os.chdir("/")
    print(json.dumps({"pid": outer_pid}), flush=True)
    wait_for_end(state)


if __name__ == "__main__":
    main()
