"""``springline/workers`` at the Jupyter server: ask the session's cluster for workers of a preset's shape."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from jupyter_server.base.handlers import APIHandler
from tornado import web


class WorkersOf(APIHandler):  # type: ignore[misc,unused-ignore] # an untyped base
    """The Dask panel's own requests know numbers only: so this names the preset first, and then asks as they do."""

    def initialize(self, presets: Sequence[str]) -> None:
        """Remember the names."""
        super().initialize()
        self._presets = list(presets)

    @web.authenticated
    def get(self) -> None:
        """Answer with the names of the presets."""
        self.finish(json.dumps({"presets": self._presets}))

    @web.authenticated
    async def post(self) -> None:
        """Ask for ``{"preset": NAME, "workers": N}`` or ``{"preset": NAME, "adapt": {"minimum": …, "maximum": …}}``."""
        asked = self.get_json_body() or {}
        try:
            preset, adapt = str(asked["preset"]), asked.get("adapt")
            numbers = [int(adapt["minimum"]), int(adapt["maximum"])] if adapt else [int(asked["workers"])]
        except (KeyError, TypeError, ValueError) as error:
            raise web.HTTPError(400, f"a preset, and workers or adapt, are asked for: {error!r}") from error
        try:
            model = await _ask(preset, numbers)
        except Exception as error:  # the node program's refusal comes with its own words
            raise web.HTTPError(409, str(error)) from error
        self.finish(json.dumps({**model, "preset": preset}))


async def _ask(preset: str, numbers: Sequence[int]) -> dict[str, Any]:
    """Ask the cluster in the Dask panel, which is put back there after a Shutdown."""
    manager = import_module("dask_labextension.manager").manager
    await manager.initialized
    if not manager.list_clusters():
        await manager.start_cluster()
    cluster = str(manager.list_clusters()[0]["id"])
    await manager._clusters[cluster].use(preset)
    if len(numbers) == 2:
        return dict(manager.adapt_cluster(cluster, *numbers))
    return dict(await manager.scale_cluster(cluster, *numbers))
