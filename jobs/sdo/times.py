"""Times as people and catalogs write them. All are UTC. Pure."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime

from jobs.errors import UsageError

DATE = re.compile(r"(\d{4})(-\d\d)?(-\d\d)?Z?")


def moment(text: str) -> datetime:
    """The UTC time of an ISO 8601 text, which may be a year, a month or a day.

    Raises
    ------
    UsageError
        If it is none.
    """
    date = DATE.fullmatch(text)
    try:
        found = datetime.fromisoformat(f"{date[1]}{date[2] or '-01'}{date[3] or '-01'}" if date else text)
        return found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"{text} is no time.", "Write it as 2020, 2020-02, 2020-02-17 or 2020-02-17T12:30:00Z."
        ) from error


def moment_or_none(text: str) -> datetime | None:
    """The same where a text that is no time means nothing."""
    with suppress(UsageError):
        return moment(text)
    return None


def said(time: datetime | None) -> str:
    """A UTC time in ISO 8601."""
    return f"{time.isoformat()}Z" if time else ""
