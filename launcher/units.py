"""Walltimes and memory sizes as people and schedulers write them. Pure."""

from __future__ import annotations

import re

_MEMORY = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(i?B)?", re.IGNORECASE)
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


def parse_walltime(text: str) -> int:
    """Seconds of a SLURM time: minutes, MM:SS, HH:MM:SS, D-HH, D-HH:MM or D-HH:MM:SS."""
    days, dash, clock = text.strip().rpartition("-")
    fields = clock.split(":")
    if not all(field.isdecimal() for field in fields) or (dash and not days.isdecimal()) or len(fields) > 3:
        raise ValueError(f"'{text}' is not a walltime; write HH:MM:SS or D-HH:MM:SS")
    numbers = [int(field) for field in fields]
    if dash:
        hours, minutes, seconds = (*numbers, 0, 0)[:3]
    elif len(numbers) == 3:
        hours, minutes, seconds = numbers
    else:
        hours, minutes, seconds = 0, numbers[0], numbers[1] if len(numbers) == 2 else 0
    total = int(days or 0) * 86400 + hours * 3600 + minutes * 60 + seconds
    if total == 0:
        raise ValueError("a walltime of zero leaves no time to run")
    return total


def format_walltime(seconds: int) -> str:
    """The time as D-HH:MM:SS, without the days when there are none."""
    days, rest = divmod(seconds, 86400)
    clock = f"{rest // 3600:02d}:{rest % 3600 // 60:02d}:{rest % 60:02d}"
    return f"{days}-{clock}" if days else clock


def format_hours(seconds: int) -> str:
    """The time as HH:MM:SS with as many hours as it takes, for PBS, which knows no days."""
    return f"{seconds // 3600:02d}:{seconds % 3600 // 60:02d}:{seconds % 60:02d}"


def parse_memory(text: str) -> int:
    """Bytes of a size such as 8GB, 32GiB, 500M. `GB` means 10^9, `GiB` and SLURM's bare `G` mean 2^30."""
    match = _MEMORY.fullmatch(text.strip())
    if not match:
        raise ValueError(f"'{text}' is not a memory size; write for example 8GB or 32GiB")
    number, prefix, suffix = match.groups()
    if len(number) > 12:
        raise ValueError(f"'{text}' is more memory than there is")
    base = 1000 if (suffix or "").upper() == "B" else 1024
    size = int(float(number) * base ** _POWERS[prefix.upper()])
    if size < 1024**2:
        raise ValueError(f"'{text}' is less than 1 MiB; write for example 8GB or 32GiB")
    return size


def format_memory(size: int) -> str:
    """The size in the largest binary unit that keeps it readable, e.g. 32GiB."""
    for unit, factor in (("TiB", 1024**4), ("GiB", 1024**3)):
        if size >= factor and size % factor == 0:
            return f"{size // factor}{unit}"
    return f"{-(-size // 1024**2)}MiB"


def format_duration(seconds: float) -> str:
    """The time in words for a terminal: 0.4 s, 12 s, 3 min 05 s, 2 h 10 min."""
    whole = round(seconds)
    if whole < 10:
        return f"{seconds:.1f} s"
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def format_size(size: float) -> str:
    """Bytes in words for a terminal: 12 kB, 3.4 MB."""
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size:.0f} bytes"
