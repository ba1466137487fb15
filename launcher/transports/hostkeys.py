"""Host keys: an unknown one is shown and asked for, then saved; a changed one is never accepted."""

from __future__ import annotations

from pathlib import Path

import paramiko
from paramiko.hostkeys import HostKeyEntry, InvalidHostKey

from launcher.errors import ConfigurationError, HostKeyError
from launcher.transports.base import Asker

SYSTEM_FILE = Path("/etc/ssh/ssh_known_hosts")


def known_hosts() -> Path:
    """The user's known_hosts file, shared with OpenSSH."""
    return Path.home() / ".ssh" / "known_hosts"


def check_host_keys(client: paramiko.SSHClient, ask: Asker) -> None:
    """Let a client accept the keys OpenSSH knows, and ask about others. Lines it cannot read count for nothing."""
    for file in (SYSTEM_FILE, known_hosts()):
        for line in _lines(file):
            try:
                entry = HostKeyEntry.from_line(line)
            except (InvalidHostKey, paramiko.SSHException):  # as OpenSSH does, pass over what is no entry
                continue
            if entry is not None and entry.key is not None:
                for name in entry.hostnames:
                    client.get_host_keys().add(name, entry.key.get_name(), entry.key)
    client.set_missing_host_key_policy(AskAndSave(ask))


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigurationError(f"cannot read {file}: {error.strerror}", "check that the file is yours") from error


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
        broken = file.exists() and not file.read_bytes().endswith(b"\n") and file.stat().st_size > 0
        with file.open("a", encoding="utf-8") as lines:
            lines.write(("\n" if broken else "") + (HostKeyEntry([hostname], key).to_line() or ""))
