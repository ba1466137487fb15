"""Host keys: an unknown one is shown and asked for, then saved; a changed one is never accepted."""

from __future__ import annotations

from pathlib import Path

import paramiko
from paramiko.hostkeys import HostKeyEntry

from launcher.errors import HostKeyError
from launcher.transports.base import Asker


def known_hosts() -> Path:
    """The user's known_hosts file, shared with OpenSSH."""
    return Path.home() / ".ssh" / "known_hosts"


class AskAndSave(paramiko.MissingHostKeyPolicy):
    """Show the fingerprint of an unknown host and go on only after a yes."""

    def __init__(self, ask: Asker) -> None:
        self._ask = ask

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        """Ask, then append to known_hosts as OpenSSH would."""
        shown = f"{key.get_name()} {key.fingerprint}"
        if not self._ask.confirm(
            f"The host {hostname} is not known yet. Its key is\n  {shown}\nGo on and remember it?"
        ):
            raise HostKeyError(
                f"the host {hostname} is not known yet; its key is {shown}",
                "compare it with what the cluster publishes, then run again in a terminal or with --yes",
            )
        file = known_hosts()
        file.parent.mkdir(mode=0o700, exist_ok=True)
        with file.open("a", encoding="utf-8") as lines:
            lines.write(HostKeyEntry([hostname], key).to_line() or "")
