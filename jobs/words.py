"""Numbers as they are said to people. Pure."""

from __future__ import annotations

UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")


def count(number: int, what: str) -> str:
    """3 → 3 items, 1 → 1 item."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def file_size(size: float | None) -> str:
    """1234567 → 1.23 MB; - if it is not known."""
    if size is None:
        return "-"
    unit = 0
    while size >= 999.5 and unit < len(UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.3g} {UNITS[unit]}" if unit else f"{size:.0f} bytes"
