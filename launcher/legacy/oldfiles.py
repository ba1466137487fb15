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

from launcher import platforms
from launcher.errors import ConfigurationError, SpringlineError
from launcher.keys import INHERIT, KEYS
from launcher.private import state_home, write_private

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
        raise ConfigurationError(f"{file} cannot be read: {error}", "correct it, or add the platform again") from error
    return {name: {key: _value(parser, name, key) for key in parser[name]} for name in parser.sections()}


def translated(values: Mapping[str, str], known: list[str]) -> dict[str, str]:
    """An old section in today's keys. What the old command did not look at, and nothing today knows, is left out."""
    new = {key: text for key, text in values.items() if key in KEYS and text and key != "key_pass"}
    name = values.get(INHERIT, "").lower()
    if name in known:
        new = {INHERIT: name, **new}
    host, _, port = new.get("host", "").rpartition("@")[2].partition(":")
    if host:
        new["host"] = host
    if port.isdecimal():
        new["port"] = port
    if "keypath" in new:
        new["keypath"] = new["keypath"] if new["keypath"].startswith("~") else str(Path(new["keypath"]).absolute())
    if values.get("key_pass", "").lower() in TRUE:
        new["key_pass"] = "True"
    return new


def as_configuration(section: OldSection) -> Path:
    """A platforms.ini in which new commands find the section: its own where they understand it, else a translation.

    The translation keeps what was added to it, e.g. the Python of an environment that was installed since.
    """
    new = translated(section.values, platforms.Platforms([platforms.shipped_file()]).names)
    if _understood(section, new):
        return section.file
    mark = hashlib.sha256(os.fsencode(section.file.resolve())).hexdigest()[:8]
    file = state_home() / "old-platforms" / f"{mark}.ini"
    parser = configparser.ConfigParser(interpolation=None, default_section="")
    parser.read(file, encoding="utf-8")
    before = dict(parser[section.uid]) if parser.has_section(section.uid) else {}
    parser[section.uid] = {**{key: text for key, text in before.items() if key not in section.values}, **new}
    text = io.StringIO()
    parser.write(text)
    write_private(file, f"# Made from {section.file.resolve()}; change that one.\n{text.getvalue()}")
    return file


def _understood(section: OldSection, new: Mapping[str, str]) -> bool:
    try:
        known = platforms.load(section.file)
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
