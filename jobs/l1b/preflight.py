"""Before anything is computed: is it a GRD product, is all of it there, and which of several processings to take."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jobs import storage
from jobs.errors import InputError
from jobs.l1b.model import Safe, SafeFile
from jobs.l1b.options import Settings, settings
from jobs.l1b.safe import read_safe
from jobs.l1b.xml import FETCH_AGAIN

ROLES = ("product", "calibration", "noise", "measurement")
"""What is read of each polarisation; a missing quick look or KML does not matter."""
SAME_START = 3.0
"""Two processings of one acquisition begin within so many seconds."""
SHOWN = 3
"""Processings of one acquisition that are named."""
logger = logging.getLogger("springline")


def check(source: str, options: Mapping[str, Any]) -> None:
    """Look at a product without reading measurement data.

    Raises
    ------
    InputError
        Naming the product, what is wrong and what to do; trying again would not help.
    """
    inspect(source, settings(options))


def inspect(source: str, chosen: Settings) -> tuple[Safe, tuple[str, ...]]:
    """The checked product and its polarisations to compute; costs the manifest and a `stat` per file."""
    if not storage.is_local(source):
        raise InputError(f"{source} is not on this machine's file systems.", "Copy or mount the SAFE first.")
    safe = read_safe(storage.absolute(source))
    if safe.product_type != "GRD":
        raise InputError(f"{safe.name} holds {safe.product_type} of mode {safe.mode}.", "l1b reads GRD products.")
    if chosen.engine == "xsar" and safe.mode == "SM":
        raise InputError(f"{safe.name} is a Stripmap product ({safe.swath}), which xsar cannot open at a resolution.",
                         "--engine direct opens it.")  # fmt: skip
    lacking = [p for p in chosen.polarisations if p not in safe.polarisations]
    if lacking:
        raise InputError(
            f"{safe.name} has no {lacking[0]}; it has {' and '.join(safe.polarisations)}.", "See --polarisations."
        )
    polarisations = chosen.polarisations or safe.polarisations
    for polarisation in polarisations:
        for role in ROLES:
            _check_file(safe, role, polarisation)
    return safe, tuple(p for p in safe.polarisations if p in polarisations)


def _check_file(safe: Safe, role: str, polarisation: str) -> None:
    """A file of the manifest must be there, with the size that the manifest says."""
    listed = safe.find(role, polarisation)
    what = f"{polarisation} {'annotation' if role == 'product' else role}"
    if listed is None:
        raise InputError(f"{safe.name}: the manifest lists no {what}.", FETCH_AGAIN)
    size = _size(safe, listed, what)
    if listed.size is not None and size != listed.size:
        raise InputError(
            f"{safe.name}: the {what} file {listed.href} has {size:,} bytes; the manifest says {listed.size:,}.",
            f"It is damaged or cut short: {FETCH_AGAIN}.",
        )


def _size(safe: Safe, listed: SafeFile, what: str) -> int:
    try:
        return Path(safe.path, listed.href).stat().st_size
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"{safe.name}: the {what} file {listed.href} is missing.", FETCH_AGAIN) from error


def select(sources: list[str], options: Mapping[str, Any]) -> list[str]:
    """All sources, or with `newest_ipf` one processing of each acquisition; says what it found.

    Raises
    ------
    UsageError
        If the options cannot be met at all, so that no run begins for nothing.
    """
    chosen = settings(options)
    if chosen.engine == "xsar":
        from jobs.l1b.xsar_engine import require

        require()
    if chosen.land_mask:
        from jobs.l1b.landmask import require_file

        require_file(chosen.land_mask)
    dropped: set[str] = set()
    for group in _acquisitions(sources):
        *older, newest = sorted(group, key=_processing)
        more = f" and {len(group) - SHOWN} more" if len(group) > SHOWN else ""
        names = f"One acquisition, processed more than once: {', '.join(map(storage.basename, group[:SHOWN]))}{more}"
        if chosen.newest_ipf:
            dropped.update(older)
            _say(f"{names}. Taking {storage.basename(newest)}.")
        else:
            _say(f"{names}. All are computed; --newest-ipf takes the newest.")
    return [source for source in sources if source not in dropped]


@cache
def _say(text: str) -> None:
    """Say it once, however often the engine asks."""
    logger.warning(text)


def _acquisitions(sources: list[str]) -> list[list[str]]:
    """Groups of two or more products, told by their names, that are one acquisition processed again."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for source in dict.fromkeys(sources):
        parts = storage.basename(source).removesuffix(".SAFE").split("_")
        if len(parts) >= 9:  # S1A IW GRDH 1SDV start stop orbit datatake unique
            alike.setdefault((*parts[:-5], *parts[-3:-1]), []).append(source)
    groups = []
    for same in alike.values():
        group: list[str] = []
        for source in sorted(same, key=_start):
            if group and _start(source) - _start(group[-1]) > SAME_START:
                groups.append(group)
                group = []
            group.append(source)
        groups.append(group)
    return [group for group in groups if len(group) > 1]


def _start(source: str) -> float:
    """Start of the acquisition in the name [s since 1970]; 0.0 where it is none."""
    from datetime import UTC, datetime

    text = storage.basename(source).removesuffix(".SAFE").split("_")[-5]
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%S").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return 0.0


def _processing(source: str) -> tuple[str, float]:
    """What orders processings: the version of the IPF, then when it ended; a product that cannot be read is oldest."""
    try:
        safe = read_safe(storage.absolute(source))
    except InputError:
        return "", 0.0
    return safe.ipf_version, safe.processed.timestamp() if safe.processed else 0.0
