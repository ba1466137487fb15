"""Opening JupyterLab without a token on any command line: the browser is given a private file that forwards."""

from __future__ import annotations

import html
import os
import sys
import webbrowser
from pathlib import Path

from launcher.private import state_home, write_private

_PAGE = """<!doctype html>
<meta charset="utf-8"><meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={url}">
<title>springline</title><p>Opening JupyterLab …</p>
"""


def redirect_file(session: str) -> Path:
    """The private page of a session."""
    return state_home() / "open" / f"{session}.html"


def open_page(session: str, url: str) -> bool:
    """Show the address in the user's browser. False if there is none."""
    if not _has_browser():
        return False
    page = redirect_file(session)
    write_private(page, _PAGE.format(url=html.escape(url, quote=True)))
    try:
        return webbrowser.open(page.as_uri())
    except webbrowser.Error:
        return False


def _has_browser() -> bool:
    """On Linux without a display, `webbrowser` would put a text browser over the terminal."""
    graphical = sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return bool(graphical or os.environ.get("BROWSER"))
