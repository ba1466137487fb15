"""Functions as users write them, good and bad, for the tests of the engine."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import sys
import time
from pathlib import Path
from typing import Literal


def copy(source: str, target: str, *, times: int = 1, case: Literal["as-is", "upper"] = "as-is") -> dict[str, int]:
    """Write the text of the source to the target.

    More than one line of help is not shown.
    """
    text = Path(source).read_text()
    text = text.upper() if case == "upper" else text
    Path(target).write_text(text * times)
    return {"characters": len(text)}


def tree(source: str, target: str) -> None:
    """Write a directory, slowly, so that a kill may come in the middle."""
    Path(target).mkdir()
    for number in range(5):
        time.sleep(0.05)
        (Path(target) / f"{number}.txt").write_text(Path(source).read_text())


def bad(source: str, target: str) -> None:  # noqa: C901 - one case for each way
    """Do what the source says: hang, die, leak, fail, or write."""
    what = Path(source).read_text().strip()
    Path(target).write_text("half")
    match what:
        case "hang":
            time.sleep(1000)
        case "hang in C":  # the interpreter's lock is never given back: no thread of this process runs any more
            ctypes.PyDLL(None).sleep(1000)
        case "die":
            print("about to die", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        case "crash":
            ctypes.string_at(0)
        case "leak":
            hoard = []
            while True:
                hoard.append(bytearray(20_000_000))
                time.sleep(0.01)
        case "fork":  # what it leaves behind holds all that it had open
            if os.fork() == 0:
                time.sleep(20)
            os._exit(0)
        case "interrupt":
            raise KeyboardInterrupt
        case "mute":
            sys.stdout.close()
            raise ValueError("and then silence")
        case "unprintable":
            raise Unprintable
        case "exit":
            raise SystemExit(3)
        case "nothing":
            return Path(target).unlink()
        case "value":
            raise ValueError("line 1\nline 2 of a message")
        case "stale":
            _fail_first(source, OSError(errno.ESTALE, "Stale file handle"))
        case "always stale":
            raise OSError(errno.ESTALE, "Stale file handle")
    Path(target).write_text("whole")
    return None


def _fail_first(source: str, error: Exception) -> None:
    """Fail, but only once for each source."""
    note = Path(f"{source}.tried")
    if not note.exists():
        note.touch()
        raise error


class Unprintable(Exception):
    """An error that makes another one when it is shown."""

    def __str__(self) -> str:
        raise ValueError("no words")


def options(
    source: str, target: str, *, N: int = 5, seconds: float = 1.0, keep: bool = True, some: object = ()
) -> None:
    """Write down what was given; sources that say so fail."""
    if "fail" in Path(source).read_text():
        raise ValueError("as told")
    Path(target).write_text(f"{N} {seconds} {keep} {some}")


def rebuild(source: str, target: str) -> None:
    """Write a directory slowly, and make it again where somebody takes it away, as some libraries do."""
    for number in range(20):
        time.sleep(0.1)
        Path(target).mkdir(exist_ok=True)
        (Path(target) / f"{number}.txt").write_text("text")


def poison(source: str, target: str) -> None:
    """Find no room for what says so, though there is."""
    if "full" in Path(source).read_text():
        raise OSError(errno.ENOSPC, "No space left on device")
    Path(target).write_text("whole")


def odd_words(source: str, target: str) -> None:
    """Write a megabyte as a library does that has its own words for a full disk."""
    try:
        Path(target).write_bytes(bytes(1_000_000))
    except OSError:
        raise RuntimeError("HDF error") from None


def kill_worker(source: str, target: str) -> None:
    """Kill the worker itself, as a node that dies does, for sources that say so."""
    if Path(source).read_text().strip() == "die":
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
    Path(target).write_text("whole")


def fill(source: str, target: str) -> None:
    """Write a megabyte."""
    Path(target).write_bytes(bytes(1_000_000))


def fill_most(source: str, target: str) -> None:
    """Write five megabytes: at once, but wait before the last of them, so that others find no room meanwhile."""
    with Path(target).open("wb") as stream:
        stream.write(bytes(4_900_000))
        stream.flush()
        time.sleep(0.3)
        stream.write(bytes(100_000))


def needs_much(source: str, target: str) -> None:
    """Import a lot for its first item, and read little."""
    import xarray.tutorial
    import zarr

    Path(target).write_text(f"{Path(source).read_text()} {xarray.tutorial.__name__} {zarr.__name__}")


def one_parameter(source: str) -> None:
    """No batch function: it has no target."""
