"""What is over there, asked in one command: Pythons, tools, the C library, internet, room, and what was installed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from shlex import quote

from launcher.discovery import probes
from launcher.discovery.probes import Section
from launcher.environments.base import Facts, PythonFound, Tool, Wish, default_prefix, named_prefix
from launcher.environments.record import Record
from launcher.errors import ConfigurationError
from launcher.model import Platform
from launcher.scripts.shell import RemotePath
from launcher.transports.base import Transport

ASKED = ("system", "pythons", "tools", "internet", "room")
_VERSION = re.compile(r"\d+(?:\.\d+)+")

# The absolute prefix, as it is called; who could write there and we cannot; that it is the home, or what is there where
# no `made` says that the directory is springline's (an empty one was left by a full disk); the record on one line; then
# what was sent before. A directory on the way may not be there yet.
_PREFIX = """\
prefix={prefix}; named={named}
[ -z "$named" ] || ! grep -qs springline_sha256 "$named/record.json" || prefix=$named
case $prefix in /*) ;; *) prefix=$PWD/$prefix;; esac
echo "@prefix $prefix"
place=$prefix
while [ ! -d "$place" ]; do place=${{place%/*}}; place=${{place:-/}}; done
[ -w "$place" ] || echo "@closed $(ls -ld "$place" | awk '{{print $3}}') $place"
[ "$prefix/" -ef "$HOME/" ] && echo "@taken $prefix"
grep -qsx python "$prefix/made" || ls -A "$prefix/" 2>/dev/null | head -n 2 | while IFS= read -r one; do
  [ "$one" = made ] && [ ! -s "$prefix/made" ] || echo "@taken $prefix/$one"
done
[ ! -f "$prefix/record.json" ] || {{ printf '@record '; tr -d '\\n' <"$prefix/record.json"; echo; }}
cd "$prefix/supplies" 2>/dev/null || exit 0
for file in *; do [ -f "$file" ] && echo "@supply $(wc -c <"$file") $file"; done
exit 0
"""
_ASK_VERSION = """\
{prologue}
{python} -c 'import sys; print("@python", ".".join(map(str, sys.version_info[:3])), sys.executable)'
"""


@dataclass(frozen=True)
class There:
    """What lies at the prefix."""

    prefix: RemotePath  # absolute
    record: Record | None = None
    supplies: Mapping[str, int] | None = None  # name → bytes
    closed: tuple[str, str] = ("", "")  # who owns the place where we cannot write, and the place
    taken: str = ""  # a file that is there and not springline's; the prefix itself where it is the home


def look(transport: Transport, platform: Platform, prefix: RemotePath | None) -> There:
    """What lies at the prefix; without one, where the section's `python` is, if a record of springline's is there."""
    named, default = named_prefix(platform), default_prefix(platform)
    beside = named.quoted() if named and not prefix else "''"
    lines = transport.run(_PREFIX.format(prefix=(prefix or default).quoted(), named=beside)).text.splitlines()
    said = [line.partition(" ")[::2] for line in lines if line.startswith("@")]
    first = dict(reversed(said))
    place = first.get("@prefix", default.text).rstrip("/")
    text = first.get("@record", "")
    sizes = [rest.strip().partition(" ")[::2] for word, rest in said if word == "@supply"]
    try:
        record = Record.parse(text) if text else None
    except ValueError as error:
        raise ConfigurationError(
            f"{transport.label}: {place}/record.json cannot be read: {error}",
            "it says what was installed there; move the directory away, or give another --prefix",
        ) from error
    owner, _, closed = first.get("@closed", "").partition(" ")
    supplies = {name: int(size) for size, name in sizes if size.isdecimal()}
    return There(RemotePath(place), record, supplies, (owner, closed), first.get("@taken", ""))


def gather(transport: Transport, wish: Wish, prefix: RemotePath) -> Facts:
    """What is over there, with the platform's prologue run as before a session."""
    script = probes.script(ASKED, wish.platform.prologue, [prefix.text])
    found = probes.sections(transport.run(script, timeout=probes.longest(ASKED)).text)
    facts = parse(found, prefix.text)
    if wish.python.startswith(("/", "~", "$")):
        facts = replace(facts, pythons=(_named(transport, wish), *facts.pythons))
    return facts


def parse(found: Mapping[str, Section], prefix: str) -> Facts:
    """Read the probes' answers. Pure."""
    empty = Section(0, ())
    system = dict(line.partition("|")[::2] for line in found.get("system", empty).lines)
    libc, internet = system.get("libc", ""), found.get("internet", empty)
    version = _VERSION.search(libc)
    room = {row[0]: row for row in found.get("room", empty).rows("room") if len(row) > 5}
    free = room.get(prefix) or room.get(system.get("home", "")) or []
    return Facts(
        machine=system.get("arch", ""),
        libc="musl" if "musl" in libc.lower() else "glibc",
        libc_version=version[0] if version else "",
        home=system.get("home", ""),
        user=system.get("user", ""),
        pythons=_pythons(found.get("pythons", empty)),
        tools={
            row[0]: Tool(row[1], _first_version(row[2])) for row in found.get("tools", empty).rows("tool") if row[2:]
        },
        internet=any(row[:1] == ["ok"] for row in internet.rows("pypi")),
        proxies={row[0]: row[1] for row in internet.rows("proxy") if row[1:]},
        free_bytes=int(free[4]) * 1024 if free and free[4].isdecimal() else None,
        free_files=int(free[5]) if free and free[5].isdecimal() else None,
    )


def _pythons(section: Section) -> tuple[PythonFound, ...]:
    """Each Python once, by the path it calls itself."""
    found: dict[str, PythonFound] = {}
    for row in section.rows("python"):
        if len(row) > 3 and row[1] not in found:
            found[row[1]] = PythonFound(row[1], row[2], {"venv", "ensurepip"} <= set(row[3].split()))
    return tuple(found.values())


def _first_version(words: str) -> str:
    match = _VERSION.search(words)
    return match[0] if match else words.strip()


def _named(transport: Transport, wish: Wish) -> PythonFound:
    """The Python that --python names by its path."""
    python = RemotePath(wish.python).quoted()
    script = _ASK_VERSION.format(prologue="\n".join(wish.platform.prologue), python=python)
    answer = transport.run(f"bash -l -c {quote(script)} </dev/null")
    for line in answer.text.splitlines():
        word, _, rest = line.partition(" ")
        if word == "@python":
            version, _, path = rest.partition(" ")
            return PythonFound(path, version)
    said = (answer.errors.strip().splitlines() or ["it said nothing"])[-1]
    raise ConfigurationError(
        f"{transport.label}: cannot run {wish.python}: {said}", "give --python a version, or the path of one there"
    )
