"""Adding a platform: look around on the host once, propose a section, and write it to the user's platforms.ini."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from shlex import quote
from typing import Any

from launcher.console.console import Console
from launcher.discovery import probes, reading
from launcher.discovery.found import Found
from launcher.discovery.section import CONNECTION, Section, check, proposed
from launcher.errors import ConfigurationError, UsageError
from launcher.model import SCHEMA_VERSION, Platform
from launcher.platforms import inifile, loading, sections
from launcher.platforms.keys import INHERIT, KEYS
from launcher.sessions import report
from launcher.transports import transport_for

_QUESTIONS = {
    "host": "Login host, or an alias of ~/.ssh/config",
    "user": "Your account there (Enter: as in ~/.ssh/config)",
    "keypath": "Private key (Enter: as in ~/.ssh/config, or the agent)",
}
_CHANGE = re.compile(r"\s*([a-z_]+)\s*=\s*(.*?)\s*")


def add(name: str | None, given: Mapping[str, str], file: Path, console: Console, *, dry_run: bool = False) -> None:
    """Ask, look, propose and write."""
    inifile.check_target(file, "name another with --config")
    for key, text in given.items():
        _of_an_option(partial(_checked, key), text, key)
    if not (console.asks or console.agrees or dry_run):
        raise UsageError("there is no terminal to ask at", "add --yes to take what is proposed, or --dry-run to see it")
    section = _before(name or _name(given, console), file, given)
    section = replace(section, values=_connection(section, console))
    found = look_around(_platform(section, file), console)
    section = _agreed(section, found, console)
    if found.silence and not section.values["partition"] and not (console.asks or dry_run):
        raise ConfigurationError(
            f"{section.name}: the scheduler did not answer ({found.silence}), so no partition is known",
            "try again in some minutes, or name a partition with --partition",
        )
    written = not dry_run and _write(section, file, console)
    following = _next(section, found, file)
    console.result(
        _document(section, found, file, written, following), _ending(section, file, written, following, console)
    )


def look_around(platform: Platform, console: Console) -> Found:
    """Everything the host says of itself: one connection, one remote command."""
    transport = transport_for(platform, console.asker())
    try:
        with console.stage(f"connected to {transport.label}"):
            transport.open()
        with console.stage("looked around"):
            script = probes.script(reading.NAMES, platform.prologue, [platform.run_dir])
            answer = transport.run(script, timeout=probes.longest(reading.NAMES))
    finally:
        transport.close()
    found = reading.read(probes.sections(answer.text))
    for note in found.notes:
        console.say(f"  could not ask: {note}")
    return found


def _name(given: Mapping[str, str], console: Console) -> str:
    if not console.asks:
        raise UsageError("the new platform needs a name", "springline platform add NAME --host HOST")
    return console.ask("Name of the platform", given.get("host", "").partition(".")[0], check=_checked_name)


def _checked_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][\w.+-]*", text):
        raise ValueError(f"'{text}' is no name of a platform; letters, digits and . _ + - make one")
    return text


def _before(name: str, file: Path, given: Mapping[str, str]) -> Section:
    """What there is of a platform of that name, in the file and among the shipped ones."""
    _of_an_option(_checked_name, name, "NAME")
    known = loading.Platforms([loading.shipped_file(), *([file] if file.exists() else [])])
    shipped = loading.Platforms([loading.shipped_file()])
    now = known.values(name) if name in known.names else {}
    own = {key: value.text for key, value in now.items() if (value.section, value.file) == (name, file)}
    base = own.get(INHERIT, name)
    below = known.values(base) if base != name else shipped.values(name) if name in shipped.names else {}
    return Section(name, given, own, {key: value.text for key, value in below.items()})


def _connection(section: Section, console: Console) -> dict[str, str]:
    """Host, user and key: as given, else asked for, else as they were before."""
    values = {key: section.given.get(key, section.own.get(key, "")) for key in CONNECTION}
    if values["transport"] == "local":
        return {"transport": "local"}
    for key, question in _QUESTIONS.items():
        if key not in section.given and console.asks:
            default = values[key] or section.inherited.get(key, "")
            values[key] = console.ask(question, default, check=partial(_checked, key))
    if not values["host"] and "host" not in section.inherited:
        raise UsageError("the platform's host is missing", "give --host, the login host or an alias of ~/.ssh/config")
    return {key: _of_an_option(partial(_checked, key), text, key) if text else "" for key, text in values.items()}


def _checked(key: str, text: str) -> str:
    """A value as its key takes it; a file with a private key must be there."""
    if not text and key == "host":
        raise ValueError("a cluster has a login host, e.g. login.example.org")
    if text:
        KEYS[key].read(text)
    if text and key == "keypath":
        file = Path(text).expanduser()
        if not os.path.isfile(file):  # noqa: PTH113 - never raises
            raise ValueError(f"there is no file {text}")
        return text if text.startswith("~") else str(file.absolute())  # commands run in any directory
    return text


def _of_an_option(read: Callable[[str], str], text: str, key: str) -> str:
    """The value as read; what is wrong with it is an error, for it cannot be asked for again."""
    try:
        return read(text)
    except ValueError as error:
        example = re.sub(r"[^\w.+]+", "-", text).strip("-.+_") or "mycluster"
        raise UsageError(f"{key}: {error}", loading.taken(key) if key in KEYS else f"for example: {example}") from error


def _platform(section: Section, file: Path) -> Platform:
    """Enough of the platform to look around on it."""
    chosen = {key: text for key, text in section.values.items() if text}
    texts = {**section.inherited, **section.own, **section.given, **chosen}
    wanted = {key: texts[key] for key in (*CONNECTION, "prologue", "run_dir") if texts.get(key)}
    if re.fullmatch(r"\S+\.sh", prologue := wanted.get("prologue", "")):
        wanted["prologue"] = "\n".join(loading.prologue_file(sections.Value(prologue, file, section.name, 0)))
    return loading.override(Platform(section.name), wanted)


def _agreed(section: Section, found: Found, console: Console) -> Section:
    """Show the section until the person agrees; a change may move what follows from it."""
    try:
        section = proposed(section, found)
    except ValueError as error:
        raise UsageError(f"{section.name}: {error}") from error

    def changed(text: str) -> str:
        if text.strip():
            _changed(text, section, found)
        return text

    while console.asks:
        console.say(f"\n{_text(section)}\n")
        typed = console.ask("Enter takes it, KEY = VALUE changes a line", check=changed)
        if not typed.strip():
            break
        section = _changed(typed, section, found)
    if not section.keys.get("scheduler") and "scheduler" not in section.inherited:
        why = section.why["scheduler"]
        raise ConfigurationError(
            f"{section.name}: {why}", "is it the login host? Else say with --scheduler what it has"
        )
    return section


def _changed(text: str, section: Section, found: Found) -> Section:
    """The section after what was typed. Raises ValueError."""
    change = _CHANGE.fullmatch(text)
    if change is None or change[1] not in KEYS or change[1] in CONNECTION:
        keys = ", ".join(key for key in KEYS if key not in CONNECTION)
        raise ValueError(f"write for example: walltime = 02:00:00 (nothing behind = leaves it out). Keys: {keys}")
    key, value = change[1], change[2].replace(" | ", "\n")
    check(key, value, found, section.values)
    return proposed(replace(section, given={**section.given, key: value}), found)


def _write(section: Section, file: Path, console: Console) -> bool:
    """Into the user's file; what takes the place of something is shown and asked for."""
    if section.own and section.changes:
        rows = [[f"  {key}", *map(_shown, texts)] for key, texts in section.changes.items()]
        told = report.table([["  KEY", "NOW", "THEN"], *rows])
        console.say(f"{file} has a section [{section.name}] already; this would change:\n{told}")
        if not console.confirm("Replace?"):
            return False
    removed = dict.fromkeys(key for key, (_, after) in section.changes.items() if after is None)
    inifile.set_keys(file, section.name, {**removed, **section.keys})
    return True


def _document(section: Section, found: Found, file: Path, written: bool, following: list[str]) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "platform": section.name,
        "file": str(file),
        "written": written,
        "section": section.keys,
        "why": dict(section.why),
        "changes": {key: {"before": before, "after": after} for key, (before, after) in section.changes.items()},
        "found": found.document(),
        "next": following,
    }


def _ending(section: Section, file: Path, written: bool, following: list[str], console: Console) -> str:
    shown = [] if console.asks else [_text(section), ""]  # a person has just seen it
    if not written:
        return "\n".join([*shown, f"# nothing was written; {file} is as it was"])
    return "\n".join([*shown, f"# written to {file}. Next:", *following])


def _next(section: Section, found: Found, file: Path) -> list[str]:
    """What to type next; the check comes first, unless it would only find that Python lacks what a session needs."""
    config = "" if file == loading.user_file() else f" --config {quote(str(file))}"
    steps = ["platform check", "env install", "up"]
    if _lacks_packages(section, found):
        steps[:2] = reversed(steps[:2])
    return [f"springline {command} {section.name}{config}" for command in steps]


def _lacks_packages(section: Section, found: Found) -> bool:
    """True if the section's Python was seen and is not enough, or nobody has named one; what was not seen may do."""
    chosen = {key: text for key, text in section.values.items() if text}
    texts = {**section.inherited, **section.own, **section.given, **chosen}
    if texts.get("image") or texts.get("transport") == "local":
        return False
    python = texts.get("python", "")
    seen = [one for one in found.pythons if python in (one.path, one.path.rpartition("/")[2])]
    named = python in (section.given.get("python"), section.own.get("python"), section.inherited.get("python"))
    return not seen[0].serves_sessions if seen else not named


def _text(section: Section) -> str:
    """As it will stand in the file, each value with why."""
    rows = [[key, "=", _shown(text), _note(section.why.get(key, ""))] for key, text in section.keys.items()]
    missing = [f"# {key}: {why}" for key, why in section.why.items() if not section.values[key]]
    missing += [
        f"# {key} = {text}: {section.why[key]}"
        for key, text in section.values.items()
        if text and key not in section.keys and key in section.why
    ]
    return "\n".join([f"[{section.name}]", report.table(rows or [[""]]), *missing])


def _shown(text: str | None) -> str:
    return (text or "-").replace("\n", " | ")


def _note(why: str) -> str:
    return f"# {why}" if why else ""
