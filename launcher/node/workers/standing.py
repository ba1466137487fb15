"""A Dask scheduler that was there before the session, and stays when it ends: its address is all we have."""

from __future__ import annotations

import asyncio
import os
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from ..request import Request
from .backends import DaskError
from .daskconfig import tls_files

ANSWER = 30.0  # s for the scheduler's first answer


class Standing:
    """Uses the scheduler, and changes nothing about it."""

    is_ours = False
    dashboard = ""

    def __init__(self, request: Request) -> None:
        assert request.dask is not None
        self.address = request.dask
        self.refusal = f"the scheduler at {self.address} is not this session's; ask for workers where it was started"
        self._files = tls_files(request)
        self.security: Any = None

    async def start(self) -> None:
        """See that it answers."""
        unread = [path for path in self._files.values() if not os.access(path, os.R_OK)]
        if unread:
            raise DaskError(f"The scheduler at {self.address} cannot be reached: cannot read {', '.join(unread)}.")
        distributed: Any = import_module("distributed")
        pair = {"tls_client_cert": self._files.get("cert"), "tls_client_key": self._files.get("key")}
        secure = self.address.startswith("tls://")
        self.security = distributed.Security(
            tls_ca_file=self._files.get("ca-file"), require_encryption=secure, **(pair if secure else {})
        )
        scheduler = distributed.core.rpc(self.address, connection_args=self.security.get_connection_args("client"))
        try:
            identity = await asyncio.wait_for(scheduler.identity(), ANSWER)
        except (OSError, TimeoutError, asyncio.TimeoutError) as error:
            raise DaskError(f"The scheduler at {self.address} does not answer: {error or 'time is up'}.") from error
        finally:
            await scheduler.close_rpc()
        port = (identity.get("services") or {}).get("dashboard")
        self.dashboard = f"/proxy/{urlsplit(self.address).hostname}:{port}/status" if port else ""

    async def scale(self, _n: int) -> str | None:
        """Refuse."""
        raise DaskError(self.refusal)

    async def adapt(self, _minimum: int, _maximum: int | None) -> str | None:
        """Refuse."""
        raise DaskError(self.refusal)

    async def close(self) -> None:
        """Leave everything as it is."""
