"""The ways to a session's Dask scheduler; TLS is spoken by who uses the tunnel, from end to end."""

from __future__ import annotations

from dataclasses import replace

from launcher.errors import ConnectError, TunnelError
from launcher.transports.base import Tcp, Transport
from launcher.tunnels.certificates import pinned
from launcher.tunnels.ways import NotThisWay, Way, Ways


class DaskWays(Ways):
    """Follows a session's scheduler from node to node, as Ways follows its JupyterLab."""

    def _find(self) -> Way:
        node = self._node
        if node is None or not node.dask:
            raise ConnectError("the session's Dask scheduler is not there yet")
        host, _, port = node.dask["scheduler"].removeprefix("tls://").rpartition(":")
        endpoint, road, reasons = Tcp(host.strip("[]"), int(port)), self._road(), []
        for name in ("node", "login"):
            try:
                return self._seen(name, endpoint, road)
            except NotThisWay as reason:
                reasons.append(f"from the {name}: {reason}")
        raise ConnectError(f"no way leads to the Dask scheduler on {node.host}: " + "; ".join(reasons))

    def _seen(self, name: str, endpoint: Tcp, road: Transport) -> Way:
        """The way from the node itself or from the login host, once the scheduler has proved there that it is ours."""
        way = Way(name, self._beyond(road) if name == "node" else road, endpoint)
        try:
            replace(way, tls=pinned(self._certificate)).connect().close()
        except (ConnectError, TunnelError) as error:
            road.open()  # raises if it is the network
            raise NotThisWay(error.message) from error
        return way
