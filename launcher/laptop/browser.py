"""Opening JupyterLab without a token on any command line: the browser is given a private file that forwards."""

from __future__ import annotations

import html
import os
import shutil
import sys
import webbrowser
from pathlib import Path

from launcher.laptop.private import state_home, write_private

_PAGE = """<!doctype html>
<meta charset="utf-8"><meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={url}">
<title>springline</title><p>Opening JupyterLab …</p>
"""
# Between single quotes nothing but another one means anything to PowerShell.
_OPEN = ("-NoProfile", "-NonInteractive", "-Command", "Start-Process -FilePath '%s'")
_POWERSHELL = "/mnt/c/Windows/System32/WindowsPowerShell/v1.0/powershell.exe"


def redirect_file(session: str) -> Path:
    """The private page of a session."""
    return state_home() / "open" / f"{session}.html"


def open_page(session: str, url: str) -> bool:
    """Show the address in the user's browser. False if there is none."""
    opener = _windows_opener() if in_wsl() and not os.environ.get("BROWSER") else None
    if opener is None and not _has_browser():
        return False
    page = redirect_file(session)
    write_private(page, _PAGE.format(url=html.escape(url, quote=True)))
    page = page.resolve()  # Python from Microsoft's Store writes elsewhere than it says
    try:
        if opener is not None:
            return webbrowser.GenericBrowser([opener, *_OPEN]).open(windows_path(page).replace("'", "''"))
        return webbrowser.open(page.as_uri())
    except webbrowser.Error:
        return False


def in_wsl() -> bool:
    """Whether this Linux runs inside Windows."""
    if sys.platform != "linux":
        return False
    try:
        kernel = Path("/proc/version").read_text(encoding="utf-8", errors="replace")
    except OSError:
        kernel = ""
    return "WSL_DISTRO_NAME" in os.environ or "microsoft" in kernel.lower()


def windows_path(path: Path) -> str:
    """A file of this Linux by the name that Windows has for it."""
    _, first, drive, *rest = (*path.parts, "", "")
    if first == "mnt" and len(drive) == 1:
        return "\\".join([f"{drive.upper()}:", *rest]).rstrip("\\")
    return "\\".join(["", "", "wsl$", os.environ.get("WSL_DISTRO_NAME", "Ubuntu"), *path.parts[1:]])


def _windows_opener() -> str | None:
    return shutil.which("powershell.exe") or shutil.which(_POWERSHELL)


def _has_browser() -> bool:
    """On Linux without a display, `webbrowser` would put a text browser over the terminal."""
    graphical = sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return bool(graphical or os.environ.get("BROWSER"))
