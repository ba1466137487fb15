"""What is installed on a platform, and how it compares with this computer's springline."""

from __future__ import annotations

from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from launcher.environments import ownwheel
from launcher.environments.record import Record
from launcher.model import SCHEMA_VERSION, Platform
from launcher.sessions.report import table

SHOWN = ("jupyterlab", "dask", "distributed", "dask-jobqueue", "xarray", "numpy", "zarr")


def document(platform: Platform, record: Record) -> dict[str, Any]:
    """The one object of --json."""
    about = differences(record)
    return {"schema_version": SCHEMA_VERSION, "platform": platform.name, **asdict(record), "differences": about}


def differences(record: Record) -> list[str]:
    """How it differs from this computer's springline, in words."""
    ours = version("springline")
    if record.springline != ours:
        return [f"it has springline {record.springline}, this computer {ours}"]
    if record.springline_sha256 != ownwheel.fingerprint():
        return [f"it has another state of springline {ours} than this computer"]
    return []


def sheet(platform: Platform, record: Record) -> str:
    """The same for people."""
    names = {name.lower().replace("_", "-"): found for name, found in record.packages.items()}
    rows = {
        "method": record.method,
        "in": record.prefix + (" (shared)" if record.shared else ""),
        "size": f"{record.size / 1e9:.2f} GB",
        "installed": f"{record.when} by {record.who}",
        "python": record.python,
        "springline": record.springline,
        "extras": ", ".join(record.extras) or "-",
        "packages": f"{len(record.packages)}: " + ", ".join(f"{name} {names[name]}" for name in SHOWN if name in names),
        "lock": record.lock_sha256[:12],
        "use it by": "; ".join(f"{key} = {value}" for key, value in record.section.items() if value),
        "differs": "; ".join(differences(record)) or "no",
    }
    text = table([[f"{key}:", value] for key, value in rows.items()])
    again = f"\nbring it up to date: springline env install {platform.name}" if differences(record) else ""
    return text + again
