"""The old command's platforms.ini: where it lay, how it was read, and what its sections are now."""

from __future__ import annotations

import configparser
import hashlib
import io
import locale
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from launcher.errors import ConfigurationError, SpringlineError
from launcher.laptop.private import state_home, write_private
from launcher.platforms import loading
from launcher.platforms.keys import INHERIT, KEYS

TRUE = ("true", "yes", "y", "1", "on")


@dataclass(frozen=True)
class OldSection:
    """A platform in a file of the old command."""

    file: Path
    uid: str
    values: Mapping[str, str]  # as the old command read them

    @property
    def key_pass(self) -> bool:
        """Whether its key has a passphrase, which the old command then asked for."""
        return self.values.get("key_pass", "").lower() in TRUE


def places() -> tuple[Path, Path]:
    """Where the old command read and wrote: in its own checkout, and since 2024 below the home directory."""
    tail = Path("platforms") / "platforms.ini"
    return Path("config") / tail, Path.home() / ".config" / tail


def find(uid: str) -> OldSection | None:
    """The section of that name in the first file that has one."""
    for file in places():
        if file.is_file() and uid in (sections := read(_text(file), file)):
            return OldSection(file, uid, sections[uid])
    return None


def read(text: str, file: Path) -> dict[str, dict[str, str]]:
    """Every section, by the old reader's rules: keys of [DEFAULT] count in all, and % refers to other keys.

    A section that is there twice, which adding a UID twice made and nothing could read, counts with its last lines.
    """
    parser = configparser.ConfigParser(strict=False)
    try:
        parser.read_string(text, source=str(file))
    except configparser.Error as error:
        raise ConfigurationError(f"{file} cannot be read: {error}", "correct it, or move it away") from error
    return {name: {key: _value(parser, name, key) for key in parser[name]} for name in parser.sections()}


def translated(values: Mapping[str, str], base: str) -> dict[str, str]:
    """An old section in today's keys. What the old command did not look at, and nothing today knows, is left out."""
    new = {key: text for key, text in values.items() if key in KEYS and text and key != "key_pass"}
    if base:
        new = {INHERIT: base, **new}
    host, port = _address(new.get("host", ""))
    if host:
        new["host"] = host
    if port:
        new["port"] = port
    if "keypath" in new:
        new["keypath"] = new["keypath"] if new["keypath"].startswith("~") else str(Path(new["keypath"]).absolute())
    if values.get("key_pass", "").lower() in TRUE:
        new["key_pass"] = "True"
    return new


def _address(text: str) -> tuple[str, str]:
    """Host and port, empty if it has none; the colons of an IPv6 address are its own, unless it stands in []."""
    host = text.rpartition("@")[2]
    if bracketed := re.fullmatch(r"\[(.+)](?::(\d+))?", host):
        return bracketed[1], bracketed[2] or ""
    name, _, port = host.partition(":")
    return (host, "") if host.count(":") > 1 else (name, port if port.isdecimal() else "")


def named(platform: str, known: loading.Platforms) -> str:
    """The name under which springline knows the platform; empty if it does not."""
    return next((name for name in (platform, platform.lower()) if name in known.names), "")


def standing_alone(uid: str, values: Mapping[str, str], known: loading.Platforms, earlier: str = "") -> str:
    """A platforms.ini in which the section needs no other file: with what the user's own says of its platform.

    What was added to the section in an earlier text stays.
    """
    parser = configparser.ConfigParser(interpolation=None, default_section="")
    parser.read_string(earlier)
    added = {key: text for key, text in parser[uid].items() if key not in values} if uid in parser else {}
    base = named(values.get(INHERIT, ""), known)
    below = _own_keys(base, known) if base else {}
    parser[uid] = {**(below if base == uid else {}), **added, **translated(values, base if base != uid else "")}
    if below and base != uid:
        parser[base] = below
    text = io.StringIO()
    parser.write(text)
    return text.getvalue()


def _own_keys(name: str, known: loading.Platforms) -> dict[str, str]:
    """What the user's own sections say of a platform, and the shipped one below them."""
    values, shipped = known.values(name), loading.Platforms([loading.shipped_file()]).names
    own = {key: value for key, value in values.items() if value.file != loading.shipped_file() and key != INHERIT}
    texts = {key: value.text for key, value in own.items()}
    if re.fullmatch(r"\S+\.sh", texts.get("prologue", "")):  # beside the user's own file
        texts["prologue"] = str(own["prologue"].file.parent / Path(texts["prologue"]).expanduser())
    base = name
    while base not in shipped and (link := known.values(base).get(INHERIT)) and link.text != base:
        base = link.text
    return {INHERIT: base, **texts} if base in shipped and base != name else texts


def as_configuration(section: OldSection) -> Path:
    """A platforms.ini in which new commands find the section: its own where they understand it, else a translation.

    The translation keeps what was added to it, e.g. the Python of an environment that was installed since.
    """
    known = loading.Platforms([loading.shipped_file()])
    if not named(section.values.get(INHERIT, ""), known):  # then perhaps one of the user's own
        known = loading.load()
    base = named(section.values.get(INHERIT, ""), known)
    if _understood(section, translated(section.values, base)):
        return section.file
    mark = hashlib.sha256(os.fsencode(section.file.resolve())).hexdigest()[:8]
    file = state_home() / "old-platforms" / f"{mark}.ini"
    earlier = file.read_text(encoding="utf-8") if file.exists() else ""
    text = standing_alone(section.uid, section.values, known, earlier)
    write_private(file, f"# Made from {section.file.resolve()}; change that one.\n{text}")
    return file


def _understood(section: OldSection, new: Mapping[str, str]) -> bool:
    try:
        known = loading.load(section.file)
        known.get(section.uid)
        values = known.values(section.uid)
    except SpringlineError:
        return False
    return all(key in values and values[key].text == text for key, text in new.items() if key != "key_pass")


def _value(parser: configparser.ConfigParser, name: str, key: str) -> str:
    try:
        return parser[name][key].strip()
    except configparser.InterpolationError:  # a % that refers to nothing is a %
        return parser.get(name, key, raw=True).strip()


def _text(file: Path) -> str:
    """The file's text. The old command wrote it in the encoding of the system, which was not UTF-8 everywhere."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"cannot read {file}: {error.strerror}", "check that the file is yours") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode(locale.getencoding(), errors="replace")
    return re.sub(r"\r\n?", "\n", text)
