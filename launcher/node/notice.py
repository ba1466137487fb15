"""The session's addition to JupyterLab's pages: a notification before the time is up, as a prebuilt extension."""

from __future__ import annotations

import json
from pathlib import Path

from .request import SessionDir

NAME = "springline"  # as the script registers itself
SCRIPT = "static/remoteEntry.js"
PACKAGE = {
    "name": NAME,
    "version": "1.0.0",
    "description": "Warns before the session's time is up; offers the presets of its Dask workers.",
    "license": "Apache-2.0",
    "jupyterlab": {"extension": True, "_build": {"load": SCRIPT, "extension": "./extension"}},
}


def write(directory: SessionDir) -> None:
    """Write the extension where the session's JupyterLab looks for it."""
    extension = directory.labextensions / NAME
    script = extension / SCRIPT
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text((Path(__file__).parent / "notice.js").read_text(encoding="utf-8"), encoding="utf-8")
    (extension / "package.json").write_text(json.dumps(PACKAGE, indent=1) + "\n", encoding="utf-8")
