"""Bringing supplies over there: once, in any order of interruptions."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from shlex import quote

from launcher.console.console import Console
from launcher.environments.base import Supply
from launcher.errors import AuthenticationError, ConnectError, HostKeyError
from launcher.scripts.shell import RemotePath
from launcher.transports.base import Parcel, Transport

TRIES = 4  # a lost connection is made again, and the file goes on from where it stopped
SLOWEST = 20e6  # bytes/s at which a checksum is computed over there, in the worst case
# Without either, nothing is known, and each is looked at when it is sent.
_SUMS = """\
cd {directory} || exit 0
set -- {names}
if command -v sha256sum >/dev/null; then sha256sum "$@"; else shasum -a 256 "$@"; fi
exit 0
"""


def new_ones(
    transport: Transport, supplies: Sequence[Supply], directory: RemotePath, sizes: Mapping[str, int]
) -> list[Supply]:
    """Those that are not over there to the byte; of those whose size is right the sums are asked in one command."""
    kept = [one for one in supplies if sizes.get(one.name) == one.size]
    if not kept:
        return list(supplies)
    script = _SUMS.format(directory=directory.quoted(), names=" ".join(quote(one.name) for one in kept))
    answer = transport.run(script, timeout=max(60.0, sum(one.size for one in kept) / SLOWEST))
    there = set(answer.text.splitlines())
    return [one for one in supplies if f"{one.sha256}  {one.name}" not in there]


def send_all(
    transport: Transport,
    supplies: Sequence[Supply],
    directory: RemotePath,
    console: Console,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Send them, the largest first. Raises what Transport.send does, after it has tried again."""
    whole = sum(one.size for one in supplies)
    sent = [0, 0]  # bytes of files that are there, and of the one under way

    def words(seconds: float) -> str:
        done = sum(sent)
        return f"  sent {done / 1e6:.0f} of {whole / 1e6:.0f} MB, {done / 1e6 / max(seconds, 0.1):.1f} MB/s"

    with console.live(words, remind=True):
        for one in sorted(supplies, key=lambda supply: -supply.size):
            _send(transport, one, directory, lambda done: sent.__setitem__(1, done), sleep)
            sent[:] = sent[0] + one.size, 0


def _send(
    transport: Transport,
    supply: Supply,
    directory: RemotePath,
    tell: Callable[[int], None],
    sleep: Callable[[float], None],
) -> None:
    parcel = Parcel(supply.path, directory / supply.name, supply.size, supply.sha256)
    for attempt in range(1, TRIES + 1):
        try:
            return transport.send(parcel, tell=tell, timeout=max(60.0, supply.size / SLOWEST))
        except (AuthenticationError, HostKeyError):  # it would only ask, or refuse, again
            raise
        except ConnectError as error:
            if attempt == TRIES:
                hint = "what was sent is kept: the same command goes on from there"
                raise ConnectError(error.message, hint) from error
            sleep(2.0**attempt)
    return None
