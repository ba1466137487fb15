"""The only modules that start processes or open sockets to a host."""

from __future__ import annotations

from launcher.model import Platform
from launcher.transports.base import Asker, Transport


def transport_for(platform: Platform, ask: Asker) -> Transport:
    """The transport a platform's section names; it connects on first use."""
    if platform.transport == "local":
        from launcher.transports.local import LocalTransport

        return LocalTransport()
    from launcher.transports.fabric import FabricTransport

    return FabricTransport(platform, ask)
