"""The session's cluster at a dask-gateway server, made and ended by us through dask-gateway's own client."""

from __future__ import annotations

import os
import warnings
from collections.abc import Awaitable
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from ..request import Request, SessionDir
from ..state import write_private
from .backends import DaskError


def address(request: Request) -> str | None:
    """Return the server's address: the request's, or as dask-gateway's own configuration says."""
    config = import_module("dask").config
    found = request.gateway_address or config.get("gateway.public-address", None) or config.get("gateway.address", None)
    return None if found is None else str(found).format_map(os.environ)  # dask-gateway fills variables in like this


def behind_jupyter(link: str | None) -> str:
    """Return a dashboard's path behind Jupyter, whose proxy speaks plain HTTP to other hosts; else the link itself."""
    parts = urlsplit(link or "")
    return f"/proxy/{parts.hostname}:{parts.port or 80}{parts.path}" if parts.scheme == "http" else parts.geturl()


def _reason(error: Exception) -> str:
    """Return what went wrong, of an HTTP error its words alone."""
    return str(getattr(error, "message", "") or error) or type(error).__name__


async def _warned(asking: Awaitable[None], server: str | None) -> str | None:
    """Return what dask-gateway warned of meanwhile."""
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            await asking
    except Exception as error:  # of aiohttp, or its own
        raise DaskError(f"dask-gateway at {server} did not do it: {_reason(error)}") from error
    return "; ".join(str(warning.message) for warning in said if "Gateway" in warning.category.__name__) or None


class Gateway:
    """One cluster of the server's."""

    is_ours = True
    address = dashboard = refusal = ""

    def __init__(self, directory: SessionDir, request: Request) -> None:
        self._directory = directory
        self._request = request
        self._cluster: Any = None
        self.security: Any = None

    async def start(self) -> None:
        """Ask for a cluster and wait until its scheduler runs, however long the server's queue is."""
        gateway = import_module("dask_gateway")
        server = address(self._request)
        if server is None:
            raise DaskError("dask-gateway has no address: set `gateway_address` of the platform's section.")
        try:
            self._cluster = gateway.GatewayCluster(address=self._request.gateway_address, asynchronous=True)
            await self._cluster
        except Exception as error:  # of aiohttp, of its own, and what its authentication raises
            raise DaskError(f"dask-gateway at {server} gives no cluster: {_reason(error)}") from error
        self.security = self._cluster.security
        self.address, self.dashboard = self._cluster.scheduler_address, behind_jupyter(self._cluster.dashboard_link)
        write_private(self._directory.gateway_certificate, self.security.tls_cert)
        write_private(self._directory.gateway_key, self.security.tls_key)

    async def scale(self, n: int) -> str | None:
        """Ask for so many workers; a limit of the server's is said."""
        return await _warned(self._cluster.scale(n), address(self._request))

    async def adapt(self, minimum: int, maximum: int | None) -> str | None:
        """Let the server follow the work; a limit of its own is said."""
        return await _warned(self._cluster.adapt(minimum=minimum, maximum=maximum), address(self._request))

    async def close(self) -> None:
        """End the cluster, one that is still being made too."""
        if self._cluster is not None:
            await self._cluster.close(shutdown=True)
