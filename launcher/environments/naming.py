"""Which sections of a platforms.ini name an environment, so that none of them is left with one that is gone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from launcher.environments.record import Record
from launcher.errors import SpringlineError
from launcher.model import Platform
from launcher.platforms import loading, sections
from launcher.platforms.sections import PRESET, Value
from launcher.scripts.shell import RemotePath
from launcher.transports.base import Transport

Naming = Mapping[str, Mapping[str, str]]  # section → key → text
_KEYS = ("python", "image")


def naming(transport: Transport, platform: Platform, record: Record, file: Path) -> Naming:
    """The file's own keys, of the platform and of others on its host, that make sessions use this environment."""
    if not file.exists():
        return {}
    known = loading.Platforms([loading.shipped_file(), file])
    here = _host(known, platform.name)
    own = {name: values for name, values in sections.read(file, []).items() if _host(known, name) == here}
    inside = _inside(
        transport, record.prefix, (values[key].text for values in own.values() for key in _KEYS & values.keys())
    )
    found = {}
    for name, values in own.items():
        keys = {key: values[key].text for key in _KEYS if key in values and values[key].text in inside}
        if keys or name == platform.name:
            keys |= {key: text for key, text in record.section.items() if text and _text(values, key) == text}
        if keys:
            found[name] = keys
    return found


def listed(names: Iterable[str]) -> str:
    """Sections for a sentence."""
    return ", ".join(f"[{name}]" for name in names)


def _host(known: loading.Platforms, section: str) -> tuple[str, str] | None:
    with suppress(SpringlineError):  # a section that is wrong is no platform's
        values = known.values(section.partition(PRESET)[0])
        return _text(values, "transport"), _text(values, "host")
    return None


def _text(values: Mapping[str, Value], key: str) -> str:
    return values[key].text if key in values else ""


def _inside(transport: Transport, prefix: str, texts: Iterable[str]) -> set[str]:
    """Those of the paths that lie below the prefix, when ~ and variables are what they are over there."""
    paths = sorted({text for text in texts if text.startswith(("/", "~", "$"))})
    meant = paths
    if any(not path.startswith("/") for path in paths):
        words = " ".join(RemotePath(path).quoted() for path in paths)
        meant = transport.run(f"printf '%s\\n' {words}").text.splitlines()
    return {path for path, real in zip(paths, meant, strict=False) if real.startswith(f"{prefix}/")}
