"""Knocking at doors of the platform: whoever opens says who it is, and perhaps what time it has."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from launcher.errors import SpringlineError
from launcher.transports.base import Endpoint, Stream, Transport

ANSWER_SECONDS = 10.0


@dataclass(frozen=True)
class Knock:
    """What came of it."""

    error: str = ""  # empty if the right one opened
    clock: tuple[float, float, float] | None = None  # the time there, the time here, and how sure that is one moment


def knock(via: Transport, there: Endpoint, greeting: str) -> Knock:
    """Connect and read; right is what begins with the greeting, and a time may follow it."""
    before = time.time()
    try:
        said = _first_words(via.connect(there))
    except (SpringlineError, OSError, EOFError) as error:
        return Knock(getattr(error, "message", str(error)) or "nothing answers")
    if not said.startswith(greeting):
        return Knock(f"somebody else answers: {said[:40]}" if said else "nothing answers")
    words, took = said.split(), time.time() - before
    told = float(words[1]) if words[:1] == [greeting] and len(words) == 2 else None
    return Knock(clock=None if told is None else (told, before + took / 2, took / 2))


def knock_behind(via: Transport, doors: Mapping[str, Endpoint], greeting: str) -> tuple[str, dict[str, Knock]]:
    """Log in and knock at each door there; the error of the login, empty if it let us in."""
    try:
        via.open()
        return "", {name: knock(via, there, greeting) for name, there in doors.items()}
    except SpringlineError as error:
        return error.message, {}
    finally:
        via.close()


def _first_words(stream: Stream) -> str:
    """What is said first; hang up on who says nothing. Raises OSError or EOFError where the stream breaks."""
    timer = threading.Timer(ANSWER_SECONDS, stream.close)
    timer.daemon = True
    timer.start()
    try:
        return stream.recv(4096).decode(errors="replace")
    finally:
        timer.cancel()
        stream.close()
