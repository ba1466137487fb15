"""The only modules that start processes or open sockets to a host."""

from __future__ import annotations

import shutil
import sys

from launcher.errors import ConfigurationError
from launcher.model import Platform
from launcher.transports.base import Asker, Transport


def transport_for(platform: Platform, ask: Asker, *, login: str = "") -> Transport:
    """The transport a platform's section names; it connects on first use, to the very `login` host if one is given."""
    if platform.transport == "local":
        if sys.platform == "win32":  # an sh that came with Git is not enough
            raise ConfigurationError("a session on this computer needs a POSIX system", "use springline inside WSL")
        from launcher.transports.local import LocalTransport

        return LocalTransport()
    if platform.transport == "openssh" and not _can_share():
        raise ConfigurationError(
            f"platform '{platform.name}' has transport = openssh, and the ssh of Windows cannot share a connection",
            "set transport = auto, or use springline inside WSL",
        )
    if platform.transport == "openssh" or (platform.transport == "auto" and _has_ssh()):
        from launcher.transports.openssh import OpenSshTransport

        return OpenSshTransport(platform, ask, login=login)
    from launcher.transports.fabric import FabricTransport

    return FabricTransport(platform, ask, login=login)


def roads(platform: Platform, commands: Transport, *, login: str = "") -> list[Transport]:
    """What a tunnel may go through, the fastest first: the system's ssh where it asks nothing, else the commands' way.

    Python's SSH carries a fifth of what `ssh` does, and needs the CPU for it.
    """
    if platform.transport not in ("fabric", "auto") or not _has_ssh():
        return [commands]
    from launcher.transports.openssh import OpenSshTransport

    if isinstance(commands, OpenSshTransport):
        return [commands]
    return [OpenSshTransport(platform, Asker(), login=login, batch=True), commands]


def _has_ssh() -> bool:
    return _can_share() and shutil.which("ssh") is not None


def _can_share() -> bool:
    """Whether the ssh of this system can share one connection between commands (that of Windows cannot)."""
    return sys.platform != "win32"
