"""Numbers, times and names as a person reads them."""

from __future__ import annotations

from datetime import UTC, datetime

SPACE = "\N{NO-BREAK SPACE}"


def count(number: float) -> str:
    """1234567 → 1,234,567."""
    return f"{round(number):,}"


def items(number: int) -> str:
    """1 → 1 item, 12 → 12 items."""
    return plural(number, "item")


def plural(number: int, noun: str) -> str:
    """2, cause → 2 causes."""
    return f"{count(number)}{SPACE}{noun}" + ("" if number == 1 else "s")


def figures(number: float) -> str:
    """Three figures: 0.123, 1.23, 12.3, 123, 1,234."""
    if abs(number) >= 99.95 or number == 0:
        return count(number)
    digits = 1 if abs(number) >= 9.995 else 2 if abs(number) >= 0.9995 else 3
    text = f"{number:.{digits}f}"
    return text.rstrip("0").rstrip(".") if digits == 3 else text


def duration(seconds: float) -> str:
    """0.012 → 12.0 ms, 3.2 → 3.20 s, 75 → 1 min 15 s, 3900 → 1 h 5 min, 200000 → 2 d 7 h."""
    if seconds < 0.9995:
        return f"{figures(seconds * 1000)}{SPACE}ms" if seconds > 0 else f"0{SPACE}s"
    if seconds < 59.95:
        return f"{figures(seconds)}{SPACE}s"
    if seconds < 3599.5:
        return _two(round(seconds), 60, "min", "s")
    if seconds < 48 * 3600 - 30:
        return _two(round(seconds / 60), 60, "h", "min")
    return _two(round(seconds / 3600), 24, "d", "h")


def _two(small: int, step: int, unit: str, small_unit: str) -> str:
    whole, rest = divmod(small, step)
    return f"{whole:,}{SPACE}{unit}" + (f" {rest}{SPACE}{small_unit}" if rest else "")


def size(number: float) -> str:
    """Bytes in decimal units: 1234567 → 1.23 MB."""
    for power, unit in ((1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if number >= power * 0.9995:
            return f"{figures(number / power)}{SPACE}{unit}"
    return f"{round(number)}{SPACE}B"


def share(part: float, whole: float) -> str:
    """A part in per cent, never rounded up to all or down to none."""
    percent = 100 * part / whole if whole else 0.0
    if 0 < percent < 0.1:
        return f"<{SPACE}0.1{SPACE}%"
    if 99.9 < percent < 100:
        return f">{SPACE}99.9{SPACE}%"
    return f"{percent:.1f}".removesuffix(".0") + f"{SPACE}%"


def local(posix: float) -> datetime:
    """A moment in the time zone of this machine; one that no calendar holds becomes 1970."""
    try:
        return datetime.fromtimestamp(posix, tz=UTC).astimezone()
    except (OverflowError, ValueError, OSError):
        return datetime.fromtimestamp(0, tz=UTC)


def day_and_time(posix: float) -> str:
    """Tue 17 Nov 2026 21:04."""
    moment = local(posix)
    return f"{moment:%a} {moment.day} {moment:%b %Y %H:%M}"


def time_of_day(posix: float) -> str:
    """21:04:30."""
    return f"{local(posix):%H:%M:%S}"


def zone(posix: float) -> str:
    """UTC+01:00."""
    offset = f"{local(posix):%z}"
    return "UTC" if offset == "+0000" else f"UTC{offset[:3]}:{offset[3:]}"


def shorten(text: str, most: int) -> str:
    """The text, its middle left out where it is too long: both ends of a path tell something."""
    if len(text) <= most:
        return text
    tail = (most - 1) * 2 // 3
    return f"{text[: most - 1 - tail]}…{text[-tail:]}"


def split_path(path: str) -> tuple[str, str]:
    """The folder and the name in it."""
    folder, slash, name = path.rstrip("/").rpartition("/")
    return (folder, name) if slash and name else ("", path)


def one_line(text: str) -> str:
    """The text on one line."""
    return " ".join(text.split())
