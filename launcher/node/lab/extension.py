"""The session's additions to JupyterLab's pages: a prebuilt extension, and what the login page says."""

from __future__ import annotations

import json
from pathlib import Path

from ..request import SessionDir

NAME = "springline"  # as the script registers itself
SCRIPT = "static/page.js"
PACKAGE = {
    "name": NAME,
    "version": "1.0.0",
    "description": "Warns before the session's time is up, and of a lost connection; offers presets of Dask workers.",
    "license": "Apache-2.0",
    "jupyterlab": {
        "extension": True,
        "_build": {"load": SCRIPT, "extension": "./extension"},
        "disabledExtensions": ["@jupyterlab/hub-extension:connectionlost"],  # we provide the same service
    },
}


# In place of Jupyter's own words, which are about passwords and a server on this computer.
LOGIN = """{{% extends "templates/login.html" %}}
{{% block token_message %}}
<p style="text-align: center">This address lacks the token of the session <b>{session}</b>. Where you started it,
<code>springline url {session} --show-token</code> prints the address with it.</p>
{{% endblock %}}
"""


def write(directory: SessionDir, session: str) -> None:
    """Write both where the session's JupyterLab looks for them."""
    extension = directory.labextensions / NAME
    scripts = (extension / SCRIPT).parent
    scripts.mkdir(parents=True, exist_ok=True)
    for script in (Path(__file__).parent / "labextension").glob("*.js"):
        (scripts / script.name).write_text(script.read_text(encoding="utf-8"), encoding="utf-8")
    (extension / "package.json").write_text(json.dumps(PACKAGE, indent=1) + "\n", encoding="utf-8")
    directory.templates.mkdir(exist_ok=True)
    (directory.templates / "login.html").write_text(LOGIN.format(session=session), encoding="utf-8")
