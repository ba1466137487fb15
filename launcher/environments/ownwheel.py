"""springline itself as a wheel, made of what is installed here: so that both ends are the same, index or not."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from importlib.metadata import distribution
from pathlib import Path

NAME = "springline"
PACKAGES = ("launcher", "jobs")
CONFIG = "launcher/config/"
_WHEEL = "Wheel-Version: 1.0\nGenerator: springline\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_WHEN = (1980, 1, 1, 0, 0, 0)  # the same code makes the same wheel, to the byte


def shipped(name: str) -> Path:
    """A file or directory of config/: beside the launcher when installed, else in the checkout."""
    root = Path(__file__).parents[1]
    installed = root / "config" / name
    return installed if installed.exists() else root.parent / "config" / name


def file_name() -> str:
    """The wheel's name."""
    return f"{NAME}-{distribution(NAME).version}-py3-none-any.whl"


def write(directory: Path) -> Path:
    """Make the wheel in a directory."""
    files = _code() | _about()
    record = f"{_about_directory()}/RECORD"
    rows = [f"{name},sha256={_digest(data)},{len(data)}" for name, data in sorted(files.items())]
    files[record] = "\n".join([*rows, f"{record},,", ""]).encode()
    target = directory / file_name()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, data in sorted(files.items()):
            entry = zipfile.ZipInfo(name, _WHEN)
            entry.external_attr = 0o644 << 16
            wheel.writestr(entry, data, zipfile.ZIP_DEFLATED)
    return target


def metadata() -> str:
    """What it says of itself, its requirements above all."""
    return distribution(NAME).read_text("METADATA") or ""


def fingerprint() -> str:
    """What tells this code from any other, whatever version it calls itself."""
    digest = hashlib.sha256()
    for name, data in sorted((_code() | _about()).items()):
        digest.update(f"{name} {_digest(data)}\n".encode())
    return digest.hexdigest()


def _code() -> dict[str, bytes]:
    root = Path(__file__).parents[2]
    files = {}
    for package in PACKAGES:
        for file in (root / package).rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts and file.suffix != ".pyc":
                files[file.relative_to(root).as_posix()] = file.read_bytes()
    for name in ("platforms", "environment.lock"):
        place = shipped(name)
        for file in place.rglob("*") if place.is_dir() else [place]:
            if file.is_file():
                files[CONFIG + file.relative_to(place.parent).as_posix()] = file.read_bytes()
    return files


def _about() -> dict[str, bytes]:
    found = distribution(NAME)
    texts = {"METADATA": metadata(), "entry_points.txt": found.read_text("entry_points.txt")}
    return {f"{_about_directory()}/{name}": (text or "").encode() for name, text in {**texts, "WHEEL": _WHEEL}.items()}


def _about_directory() -> str:
    return f"{NAME}-{distribution(NAME).version}.dist-info"


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
