"""The laptop's memory of its sessions and runs: one small file each. A cache only; the truth lies on the cluster."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from launcher.errors import NotFoundError, UsageError
from launcher.kinds import KINDS, SESSION, Kind
from launcher.laptop.alive import lives
from launcher.laptop.private import state_home, write_private
from launcher.model import Session

KEPT_SECONDS = 14 * 86400.0
UNNAMED_SECONDS = 86400.0  # after which a platform that no record names is one that was left


class Store:
    """The sessions, or the runs, this laptop started or attached to."""

    def __init__(self, directory: Path | None = None, kind: Kind = SESSION) -> None:
        self.kind = kind
        self._directory = directory or state_home() / kind.directory

    def save(self, session: Session) -> None:
        """Remember a session, or what is new about it."""
        write_private(self._file(session.name), json.dumps(asdict(session), indent=1))

    def forget(self, name: str) -> None:
        """Remove a record."""
        self._file(name).unlink(missing_ok=True)

    def purge(self, now: float) -> None:
        """Drop records of sessions that ended long ago; a record's last change is the end. `now` is a POSIX time."""
        for session in self.all():
            file = self._file(session.name)
            with contextlib.suppress(FileNotFoundError):  # another command was here at the same time
                if session.ended and now - file.stat().st_mtime > KEPT_SECONDS:
                    file.unlink()
        for platform in self._one_off.glob("*.ini"):
            with contextlib.suppress(FileNotFoundError):
                if not self._is_named(platform) and now - platform.stat().st_mtime > UNNAMED_SECONDS:
                    platform.unlink()

    def all(self) -> list[Session]:
        """All sessions, oldest first. An unreadable record is passed over: it is only a cache."""
        sessions = []
        for file in self._directory.glob("*.json"):
            try:
                sessions.append(Session(**json.loads(file.read_text(encoding="utf-8"))))
            except (OSError, ValueError, TypeError):
                continue
        return sorted(sessions, key=lambda session: session.created)

    def find(self, name: str | None) -> Session:
        """The session of that name; without a name, the only live one."""
        sessions, noun = self.all(), self.kind.noun
        if name is not None:
            for session in sessions:
                if session.name == name:
                    return session
            raise NotFoundError(f"there is no {noun} '{name}' here", f"`{self.kind.list}` lists the {noun}s")
        live = [session for session in sessions if not session.ended]
        if not live:
            raise NotFoundError(f"there is no {noun}", f"start one: {self.kind.begin}")
        if len(live) > 1:
            raise UsageError(f"there are several {noun}s: " + ", ".join(s.name for s in live), "name the one you mean")
        return live[0]

    def get(self, name: str) -> Session | None:
        """The record of that name, if there is one."""
        return next((session for session in self.all() if session.name == name), None)

    @contextmanager
    def tunnel(self, name: str, port: int) -> Iterator[None]:
        """Show other commands, for as long as this process lives, the port at which it holds a session."""
        file = self._tunnels / f"{name}.{os.getpid()}"
        write_private(file, str(port))
        try:
            yield
        finally:
            file.unlink(missing_ok=True)

    def open_port(self, name: str) -> int | None:
        """The port at which a living process of this laptop holds a session. A port that was left is anybody's."""
        for file in self._tunnels.glob(f"{name}.*"):
            with contextlib.suppress(ValueError, OSError):  # no name or no file of ours
                if lives(int(file.suffix[1:])):
                    return int(file.read_text(encoding="utf-8"))
            file.unlink(missing_ok=True)
        return None

    @contextmanager
    def one_off(self, text: str) -> Iterator[Path]:
        """A platforms.ini for one session alone, which stays for as long as a record names it."""
        file = self._one_off.resolve() / f"{secrets.token_hex(4)}.ini"
        write_private(file, text)
        try:
            yield file
        finally:
            if not self._is_named(file):
                file.unlink(missing_ok=True)

    def _is_named(self, platform: Path) -> bool:
        """Whether the record of a session or run says that it was started with that file."""
        stores = [Store(self._directory.with_name(kind.directory), kind) for kind in KINDS.values()]
        return any(session.config == str(platform.resolve()) for store in stores for session in store.all())

    @property
    def _one_off(self) -> Path:
        return self._directory.with_name("one-off")

    @property
    def _tunnels(self) -> Path:
        return self._directory.with_name("tunnels")

    def _file(self, name: str) -> Path:
        return self._directory / f"{name}.json"
