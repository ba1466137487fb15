"""Sending a file through a shell over there: from where an earlier attempt stopped, believed only by its checksum."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePosixPath
from shlex import quote

from launcher.errors import ConfigurationError, ConnectError
from launcher.scripts.shell import RemotePath
from launcher.transports.base import Incoming, Parcel

CHUNK = 1 << 18  # bytes
CANNOT_WRITE, CUT, DAMAGED = 3, 5, 6  # exit codes

# The part carries the checksum in its name: what is left of another file is never taken for the beginning of this one.
_SCRIPT = """\
umask 077
mkdir -p {directory} && cd {directory} || exit {cannot_write}
name={name}; part={part}
sum() {{ if command -v sha256sum >/dev/null; then sha256sum <"$1"; else shasum -a 256 <"$1"; fi | cut -d' ' -f1; }}
length() {{ echo $(($(wc -c <"$1"))); }}
if [ -f "$name" ] && [ "$(length "$name")" = {size} ] && [ "$(sum "$name")" = {sha256} ]; then
  echo @there; exit
fi
: >>"$part" || exit {cannot_write}
[ "$(length "$part")" -le {size} ] || : >"$part"
echo "@from $(length "$part")"
cat >>"$part" || exit {cannot_write}
[ "$(length "$part")" = {size} ] || exit {cut}
[ "$(sum "$part")" = {sha256} ] || {{ rm -f "$part"; exit {damaged}; }}
mv -f "$part" "$name" || exit {cannot_write}
"""


@dataclass(frozen=True)
class Conversation:
    """A script over there that is spoken to: its output, and what it gets on its input after its own text."""

    incoming: Incoming
    write: Callable[[bytes], None]  # raises OSError where the script does not listen any more
    end: Callable[[], None]


def send_script(parcel: Parcel) -> str:
    """What takes the file in over there; it says `@there`, or from which byte on it needs it."""
    directory, _, name = parcel.target.text.rpartition("/")
    return _SCRIPT.format(
        directory=RemotePath(directory or "/").quoted(),
        name=quote(name),
        part=quote(f".{name}.{parcel.sha256[:16]}.part"),
        size=parcel.size,
        sha256=parcel.sha256,
        cannot_write=CANNOT_WRITE,
        cut=CUT,
        damaged=DAMAGED,
    )


def deliver(parcel: Parcel, talk: Conversation, host: str, tell: Callable[[int], None]) -> None:
    """Hold the conversation. `tell` hears how many bytes are over there."""
    said = _line(talk.incoming)
    if said.startswith("@from "):
        _pour(parcel, int(said.removeprefix("@from ")), talk.write, tell)
    with suppress(OSError):
        talk.end()
    code = talk.incoming.answer()
    if code.exit_code:
        raise _refused(parcel, code.exit_code, code.errors, host)
    tell(parcel.size)


def _pour(parcel: Parcel, begin: int, write: Callable[[bytes], None], tell: Callable[[int], None]) -> None:
    with parcel.source.open("rb") as file:
        file.seek(begin)
        tell(begin)
        while data := file.read(CHUNK):
            try:
                write(data)
            except OSError:  # the script ended before the file did, and says why
                return
            tell(file.tell())


def _line(incoming: Incoming) -> str:
    line = b""
    while (byte := incoming.read(1)) not in (b"", b"\n"):
        line += byte
    return line.decode(errors="replace")


def _refused(parcel: Parcel, code: int, errors: str, host: str) -> ConfigurationError | ConnectError:
    name = PurePosixPath(parcel.target.text).name
    if code == CUT:
        return ConnectError(f"{host}: {name} was cut off on its way", "try again; it goes on from there")
    if code == DAMAGED:
        return ConnectError(f"{host}: {name} arrived damaged, and was removed", "try again")
    said = (errors.strip().splitlines() or ["no reason given"])[-1]
    return ConfigurationError(
        f"{host}: cannot write {parcel.target.text}: {said}",
        "make room there (see `quota` and `df` over there), then run this again: it goes on from there",
    )
