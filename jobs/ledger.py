"""The ledger of a run: JSON lines, appended by one process; losing it loses history, not results."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

MOST_WAITING = 1000
"""Lines that are kept before they are written anyway."""


class Ledger:
    """Appends lines. What a full disk does not take is kept and written later."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._waiting: list[bytes] = []
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        if os.fstat(self._file).st_size and os.pread(self._file, 1, os.fstat(self._file).st_size - 1) != b"\n":
            self._waiting.append(b"\n")  # the writer before us was killed in the middle of a line

    def add(self, record: Mapping[str, Any]) -> None:
        """Note one thing; it is on the disk after the next `flush`, or sooner."""
        try:
            line = json.dumps(record, ensure_ascii=False, default=str).encode()
        except UnicodeEncodeError:  # a name that is no UTF-8: escaped, so that it comes back as it was
            line = json.dumps(record, default=str).encode()
        self._waiting.append(line + b"\n")
        if len(self._waiting) >= MOST_WAITING:
            self.flush()

    def flush(self) -> bool:
        """Write what is waiting; False if the disk did not take all of it."""
        rest = memoryview(b"".join(self._waiting))
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError:
            return False
        finally:
            self._waiting = [bytes(rest)] if rest else []
        return True

    def close(self) -> bool:
        """Write the rest; False if some of it is lost."""
        written = self.flush()
        os.close(self._file)
        return written


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a ledger, one at a time; lines that were cut by a kill are passed over."""
    try:
        stream = path.open(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return
    with stream:
        for line in stream:
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if isinstance(record, dict):
                yield record
