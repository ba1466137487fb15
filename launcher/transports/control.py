"""The control connection of the system's `ssh`: one authenticated connection that commands and forwards share."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import re
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from launcher.errors import AuthenticationError, ConfigurationError, ConnectError, HostKeyError
from launcher.laptop.alive import lives
from launcher.laptop.private import state_home
from launcher.transports.askpass import Questions
from launcher.transports.base import Asker

if sys.platform == "win32":
    raise ImportError("not on Windows")  # transport_for says why

LONGEST_DIRECTORY = 60  # bytes that leave room for a socket's name, and for what ssh adds while it makes one
UNTOUCHED = re.compile(r"[\w./-]+", re.ASCII)  # letters that mean nothing else to ssh in a path
FIRST_SECONDS, AGAIN_SECONDS = 15, 5  # for the first connection; for later ones, whose host is known to be there
# What a user's configuration would add to a connection of ours is kept out: a terminal, commands, an agent for root of
# the login host to use. It counts for each command again, also over a connection that stands.
PLAIN = {
    "ForwardAgent": "no",
    "ForwardX11": "no",
    "PermitLocalCommand": "no",
    "RemoteCommand": "none",
    "RequestTTY": "no",
}
NO_FORWARDS = {"ClearAllForwardings": "yes"}
# Two unanswered questions, five seconds apart, and the link counts as dead.
OPTIONS = {
    **PLAIN,
    **NO_FORWARDS,
    "ServerAliveInterval": "5",
    "ServerAliveCountMax": "2",
    "StrictHostKeyChecking": "ask",
    "ControlPersist": "no",
}
# ssh must not outlive us, even if we are killed: then the pipe on our side of its guard's standard input closes.
_GUARD = """\
exec 3<&0
"$@" </dev/null 3<&- & ssh=$!
{ read -r _ <&3; kill $ssh; } >/dev/null 2>&1 & guard=$!
exec 3<&-
wait $ssh; code=$?
kill $guard
exit $code
"""
_number = itertools.count()


@dataclass(frozen=True)
class Destination:
    """Where `ssh` is told to go."""

    host: str
    label: str  # for people
    options: tuple[str, ...] = ()  # command-line words that belong to this host
    batch: bool = False  # never ask
    seconds: int = FIRST_SECONDS  # to wait for the first connection

    def with_options(self, values: Mapping[str, str]) -> Destination:
        """The same with more `-o` options; the first value of an option counts, so these go before."""
        return replace(self, options=(*dashed(values), *self.options))

    def command(self, *words: str) -> list[str]:
        """A command line of ssh to this host, with these words before the host."""
        return ["ssh", *words, *self.options, self.host]


def dashed(values: Mapping[str, str]) -> list[str]:
    """Options as words of a command line."""
    return [word for name, value in values.items() for word in ("-o", f"{name}={value}")]


class Control:
    """A live control connection: the user's own, another springline's, or one we opened."""

    def __init__(self, destination: Destination, path: Path | None, process: subprocess.Popen[str] | None) -> None:
        self.destination = destination
        self._path = path  # None: where the user's configuration says
        self._process = process  # None: not ours

    @property
    def words(self) -> tuple[str, ...]:
        """The words that make ssh use it. Without it ssh must not make a connection of its own, and ask again."""
        where = () if self._path is None else ("-S", str(self._path))
        return (*where, *dashed({"ControlMaster": "no", "ProxyCommand": "false", **PLAIN}))

    def alive(self) -> bool:
        """Whether it still stands."""
        if self._process is not None:
            return self._process.poll() is None
        return _answers(self.destination, self._path)

    def tell(self, order: str, *words: str) -> None:
        """Give the control connection an order, e.g. `forward -L …`. Raises ConnectError."""
        done = _run(self.destination.command(*self.words, "-O", order, *words))
        if done.returncode:
            raise ConnectError(f"{self.destination.label}: {_last(done.stderr.splitlines())}")

    def drop(self, forward: str) -> None:
        """Stop a forward; there is nobody to complain to."""
        if self.alive():
            _run(self.destination.command(*self.words, "-O", "cancel", "-L", forward))

    def close(self) -> None:
        """Hang up, if the connection is ours."""
        if self._process is None:
            return
        _end(self._process)
        if self._path is not None:
            public = _public(self.destination)
            if public.is_symlink() and public.readlink() == self._path:
                public.unlink(missing_ok=True)
            self._path.unlink(missing_ok=True)


def obtain(destination: Destination, ask: Asker, *, again: bool) -> Control:
    """A control connection that lives, or a new one, for which the user may be asked. Raises ConnectError's kin."""
    seconds = AGAIN_SECONDS if again else destination.seconds
    return standing(destination, again=again) or _open(destination, ask, seconds)


def standing(destination: Destination, *, again: bool = False) -> Control | None:
    """A control connection that lives: the user's own, or another springline's."""
    if not again and _answers(destination, None):
        return Control(destination, None, None)
    public = _public(destination)
    return Control(destination, public, None) if public.exists() and _answers(destination, public) else None


def _public(destination: Destination) -> Path:
    """Where other commands find a connection to the same destination: a link to the socket of who opened it."""
    words = repr((destination.host, destination.options))
    return directory() / hashlib.sha256(words.encode()).hexdigest()[:16]


def directory() -> Path:
    """The private directory of control sockets: a socket's path has 104 bytes at most, so not every home will do."""
    home = state_home() / "ssh"
    if len(os.fsencode(home)) > LONGEST_DIRECTORY or not UNTOUCHED.fullmatch(str(home)):
        home = Path(tempfile.gettempdir()) / f"springline-{os.getuid()}"
    home.mkdir(mode=0o700, exist_ok=True)
    found = home.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise ConfigurationError(f"{home} is not a private directory of yours", f"remove it: rm -r {home}")
    return home


def own_file(kind: str) -> Path:
    """A name for a file of this process in the private directory; those of dead processes are swept out."""
    home = directory()
    for file in home.iterdir():
        pid = file.name.split("-")[1:2]
        stale = not lives(int(pid[0])) if pid and pid[0].isdecimal() else file.is_symlink() and not file.exists()
        if stale:
            file.unlink(missing_ok=True)
    return home / f"{kind}-{os.getpid()}-{next(_number)}"


def _open(destination: Destination, ask: Asker, seconds: int) -> Control:
    public, path = _public(destination), own_file("control")
    values = {**OPTIONS, "ConnectTimeout": str(seconds), "BatchMode": "yes" if destination.batch else "no"}
    command = destination.command("-N", "-M", "-S", str(path), *dashed(values))
    with Questions(path.parent, ask) as questions:
        process = subprocess.Popen(
            ["sh", "-c", _GUARD, "sh", *command],
            env={**os.environ, **questions.environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,  # a Ctrl-C in this terminal is not for the connection
        )
        said: list[str] = []
        listener = threading.Thread(target=_listen, args=(process, said), daemon=True)
        listener.start()
        try:
            _wait_until_there(process, path, questions)
        except BaseException:
            _end(process)
            raise
        if process.poll() is not None:
            listener.join(1)
            raise explain(said, destination, questions.refused)
    link = own_file("link")
    link.symlink_to(path)
    link.replace(public)
    return Control(destination, path, process)


def _wait_until_there(process: subprocess.Popen[str], path: Path, questions: Questions) -> None:
    """Return once the socket is there, ssh has ended, or a question stayed without an answer (ssh is ended then)."""
    while process.poll() is None and not path.exists():
        questions.answer_those_asked()
        if questions.refused is not None:
            _end(process)
            return
        time.sleep(0.005)


def _end(process: subprocess.Popen[str]) -> None:
    """End ssh and its guard; on TERM ssh says goodbye to the host."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(2)
            break
    if process.stdin is not None:
        process.stdin.close()


def _listen(process: subprocess.Popen[str], said: list[str]) -> None:
    """Keep reading what ssh says; unread, it would stop."""
    assert process.stderr is not None
    with process.stderr as lines:
        for line in lines:
            if line.strip() and len(said) < 200:
                said.append(line.strip())


def explain(said: Sequence[str], destination: Destination, refused: str | None) -> ConnectError:
    """What ssh said when it did not get in, as one of our errors."""
    text, where = "\n".join(said), destination.label
    if "IDENTIFICATION HAS CHANGED" in text:
        offered = next((line.rstrip(".") for line in said if line.startswith("SHA256:")), "")
        command = next((line for line in said if line.startswith("ssh-keygen")), f"ssh-keygen -R {destination.host}")
        return HostKeyError(
            f"the host key of {where} has CHANGED; somebody may be listening in, so nothing was sent"
            + (f"\n  offered: {offered}" if offered else ""),
            f"ask the cluster's support whether the key was replaced; if so: {command}",
        )
    if "Host key verification failed" in text:
        return HostKeyError(
            f"the host {where} is not known yet",
            "compare its key with what the cluster publishes, then run again in a terminal or with --yes",
        )
    if refused is not None:
        return AuthenticationError(
            f"{where} asks: {refused}; and there is no terminal to ask in",
            "run it in a terminal, or load the key into your agent: ssh-add",
        )
    if "Permission denied" in text or "Too many authentication failures" in text:
        return AuthenticationError(_last(said), f"does `ssh {destination.host}` work? springline does as it does")
    hint = "check your network (is the VPN up?) and try again"
    if "Could not resolve hostname" in text:
        hint = "check `host` of the platform's section and your network (is the VPN up?)"
    if "Bad configuration option" in text or "terminating, " in text:
        hint = "correct ~/.ssh/config"
    return ConnectError(f"{where}: {_last(said)}", hint)


def _last(lines: Sequence[str]) -> str:
    return lines[-1].strip() if lines else "the connection was closed"


def settings(destination: Destination) -> dict[str, list[str]]:
    """What ssh makes of ~/.ssh/config for a destination: lower-case keyword → values."""
    found: dict[str, list[str]] = {}
    for line in _run(destination.command("-G")).stdout.splitlines():
        keyword, _, value = line.partition(" ")
        found.setdefault(keyword, []).append(value)
    return found


def _answers(destination: Destination, path: Path | None) -> bool:
    """Whether a control connection answers at a path, or where the user's configuration puts it."""
    where = () if path is None else ("-S", str(path))
    return _run(destination.command(*where, "-O", "check")).returncode == 0


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=20, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ConnectError(f"ssh does not answer: {' '.join(command[:3])} …") from error
