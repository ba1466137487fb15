"""Being told to end, by whatever signal this system has for it, as if by Ctrl-C."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

TOLD = ("SIGTERM", "SIGHUP", "SIGBREAK")  # where they exist


@contextmanager
def ended_as_by_ctrl_c() -> Iterator[None]:
    """Being told to end, or a terminal that closes (but for `nohup`), is a KeyboardInterrupt; told again, nothing."""
    numbers = [getattr(signal, name) for name in TOLD if hasattr(signal, name)]
    before = {number: signal.getsignal(number) or signal.SIG_DFL for number in numbers}  # None: not set from Python

    def end(*_: object) -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in numbers:
        if before[number] is not signal.SIG_IGN:
            signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
