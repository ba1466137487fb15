"""The Dask panel of JupyterLab in a real browser, through the tunnel, on worker jobs of the real cluster."""

from __future__ import annotations

from tests.browser.lab import Lab
from tests.slurm.upping import Up


def test_jupyterlab_opens_from_what_up_gives_the_browser(lab: Lab, up: Up) -> None:
    """The page that `up` opens leads to JupyterLab, logged in, with the token in no address that stays."""
    assert lab.page.title().endswith("JupyterLab"), lab.page.title()
    assert lab.page.url.startswith(up.line["url"]) and "token" not in lab.page.url
    lab.window.picture("jupyterlab")
