"""``springline/workers`` at the Jupyter server: ask the session's cluster for workers, of a preset's shape too."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from jupyter_server.base.handlers import APIHandler
from tornado import web

from ..request import SessionDir
from ..state import read_state
from ..workers.backends import DaskError, NotStarted


class WorkersOf(APIHandler):  # type: ignore[misc,unused-ignore] # an untyped base
    """As the Dask panel's own requests, which know no presets and do not wait for the answer to MIN and MAX."""

    def initialize(self, presets: Sequence[str], directory: SessionDir) -> None:
        """Remember the names."""
        super().initialize()
        self._presets = list(presets)
        self._directory = directory

    @web.authenticated
    def get(self) -> None:
        """Answer with the names of the presets."""
        self.finish(json.dumps({"presets": self._presets}))

    @web.authenticated
    async def post(self) -> None:
        """Ask for ``{"workers": N}`` or ``{"adapt": {"minimum": A, "maximum": B}}``, ``"preset": NAME`` if wanted.

        A refusal of the session's is answered with 409, one of whoever gives the workers with 502, in their words;
        what nobody meant, such as a lost connection, with 500.
        """
        asked = self.get_json_body() or {}
        try:
            adapt = asked.get("adapt")
            numbers = [int(adapt["minimum"]), int(adapt["maximum"])] if adapt else [int(asked["workers"])]
        except (KeyError, TypeError, ValueError) as error:
            raise web.HTTPError(400, f"workers or adapt are asked for: {error!r}") from error
        try:
            model = await self._ask(numbers, asked.get("preset"))
        except NotStarted as error:
            raise web.HTTPError(502, str(error)) from error
        except DaskError as error:
            raise web.HTTPError(409, str(error)) from error
        except Exception as error:  # whatever it is, who asked hears its words
            raise web.HTTPError(500, str(error) or type(error).__name__) from error
        self.finish(json.dumps({**model, "preset": asked.get("preset")}))

    async def _ask(self, numbers: Sequence[int], preset: str | None) -> dict[str, Any]:
        state = read_state(self._directory.state)
        if state["dask_error"] and not (state["dask"] and find_spec("dask_labextension")):
            raise DaskError(f"Without Dask: {state['dask_error']}")
        panel: Any = import_module(f"{__package__}.panel")
        return dict(await panel.ask(import_module("dask_labextension.manager").manager, numbers, preset))
