"""platforms.ini → Platform. The user's file lies over the shipped one; whatever is wrong is said with file and line."""

from __future__ import annotations

import configparser
import difflib
import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from launcher.errors import ConfigurationError, NotFoundError, UsageError
from launcher.keys import INHERIT, KEYS
from launcher.model import Platform, Resources, Workers


@dataclass(frozen=True)
class Value:
    """A key's text and where it was written."""

    text: str
    file: Path
    section: str
    line: int

    @property
    def place(self) -> str:
        """The place for a message: file, line and section."""
        return f"{self.file}, line {self.line}, section [{self.section}]"


def user_file() -> Path:
    """The user's own platforms.ini."""
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "springline" / "platforms.ini"


def shipped_file() -> Path:
    """The platforms.ini that comes with springline: beside this module when installed, else in the checkout."""
    installed = Path(__file__).parent / "config" / "platforms" / "platforms.ini"
    return installed if installed.exists() else Path(__file__).parents[1] / "config" / "platforms" / "platforms.ini"


class Platforms:
    """All sections of all files, later files over earlier ones."""

    def __init__(self, files: Iterable[Path]) -> None:
        self._sections: dict[str, dict[str, Value]] = {}
        for file in files:
            for section, values in _read(file).items():
                self._sections.setdefault(section, {}).update(values)

    @property
    def names(self) -> list[str]:
        """The names of all platforms."""
        return sorted(self._sections)

    def values(self, name: str) -> dict[str, Value]:
        """Every key of a platform with what it inherits; each value knows where it was written."""
        return self._inherit(name, seen=())

    def get(self, name: str) -> Platform:
        """The platform of that name."""
        return _build(name, self.values(name))

    def _inherit(self, name: str, seen: tuple[str, ...]) -> dict[str, Value]:
        if name not in self._sections:
            raise NotFoundError(
                f"there is no platform '{name}'{_nearest(name, self._sections)}",
                f"`springline platform list` shows all; your own go into {user_file()}",
            )
        own = self._sections[name]
        base = own.get(INHERIT)
        if base is None or base.text == name:
            return own
        if base.text not in self._sections:
            raise ConfigurationError(
                f"{base.place}: platform = {base.text}: there is no such platform{_nearest(base.text, self._sections)}",
                f"name one of {', '.join(self.names)}, or leave the line out and give every key yourself",
            )
        if base.text in seen:
            raise ConfigurationError(f"{base.place}: platform = {base.text} goes round in a circle")
        return {**self._inherit(base.text, (*seen, name)), **own}


def load(extra: Path | None = None) -> Platforms:
    """Shipped platforms, then the user's file, or `extra` in its place."""
    own = extra or user_file()
    try:
        return Platforms([shipped_file(), own])
    except FileNotFoundError:
        if extra is not None:
            raise ConfigurationError(f"there is no file {extra}", "give --config an existing platforms.ini") from None
    return Platforms([shipped_file()])


def override(platform: Platform, options: Mapping[str, str | None]) -> Platform:
    """Lay command-line options over a section's values; keys that are no option or None are passed over."""
    for key, text in options.items():
        if text is None or key not in KEYS:
            continue
        group, _, field = KEYS[key].target.rpartition(".")
        try:
            value = KEYS[key].read(text)
        except ValueError as error:
            raise UsageError(f"--{key} {text}: {error}", KEYS[key].help) from error
        owner = replace(getattr(platform, group), **{field: value}) if group else value
        platform = replace(platform, **{group or field: owner})
    return platform


def check_file(file: Path) -> None:
    """Raise ConfigurationError, with file and line, for what cannot be read as sections of keys."""
    _parse(file, _text(file))


def _read(file: Path) -> dict[str, dict[str, Value]]:
    return _parse(file, _text(file))


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ConfigurationError(f"cannot read {file}: {error.strerror}", "check that the file is yours") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{file} is not a text file in UTF-8 ({error.reason})") from error


def _parse(file: Path, text: str) -> dict[str, dict[str, Value]]:
    parser = configparser.ConfigParser(interpolation=None, default_section="")
    try:
        parser.read_string(text, source=str(file))
    except configparser.Error as error:
        raise ConfigurationError(
            f"{file}, {_mistake(error)}", "write [section] lines and below each `key = value` lines"
        ) from error
    lines = text.splitlines()
    return {
        section: {
            key: _checked_key(key, Value(value.strip(), file, section, _line(lines, section, key)))
            for key, value in parser.items(section)
        }
        for section in parser.sections()
    }


def _mistake(error: configparser.Error) -> str:
    match error:
        case configparser.MissingSectionHeaderError():
            return f"line {error.lineno}: '{error.line.strip()}' is below no [section]"
        case configparser.ParsingError():
            number, line = error.errors[0]
            return f"line {number}: {line} is no `key = value`"
        case configparser.DuplicateSectionError():
            return f"line {error.lineno}: there is a section [{error.section}] above already"
        case configparser.DuplicateOptionError():
            return f"line {error.lineno}: section [{error.section}] has '{error.option}' above already"
    return str(error)


def _line(lines: list[str], section: str, key: str) -> int:
    """The line a key stands on; what is indented below a key belongs to its value, whatever it looks like."""
    inside = False
    for number, line in enumerate(lines, 1):
        if line.startswith("["):
            inside = line.startswith(f"[{section}]")
        elif inside and re.match(rf"{re.escape(key)}\s*[=:]", line, re.IGNORECASE):
            return number
    return 0


def _checked_key(key: str, value: Value) -> Value:
    if key != INHERIT and key not in KEYS:
        raise ConfigurationError(
            f"{value.place}: unknown key '{key}'{_nearest(key, KEYS)}",
            "valid keys: " + ", ".join([INHERIT, *KEYS]),
        )
    return value


def _nearest(word: str, words: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(words), n=1)
    return f"; did you mean '{near[0]}'?" if near else ""


def _build(name: str, values: Mapping[str, Value]) -> Platform:
    groups: dict[str, dict[str, Any]] = {"": {}, "resources": {}, "workers": {}}
    for key, value in values.items():
        if key == INHERIT or not KEYS[key].target:
            continue
        group, _, field = KEYS[key].target.rpartition(".")
        groups[group][field] = _read_value(key, value)
    platform = Platform(
        name=name,
        resources=Resources(**groups["resources"]),
        workers=_with_partition(Workers(**groups["workers"]), groups["resources"].get("partition")),
        **groups[""],
    )
    return _completed(platform, values)


def _read_value(key: str, value: Value) -> Any:  # noqa: ANN401 - each key has its own type
    if key == "prologue" and re.fullmatch(r"\S+\.sh", value.text):
        return _prologue_file(value)
    try:
        return KEYS[key].read(value.text)
    except ValueError as error:
        raise ConfigurationError(f"{value.place}: {key} = {value.text}: {error}", KEYS[key].help) from error


def _prologue_file(value: Value) -> tuple[str, ...]:
    file = value.file.parent / os.path.expanduser(value.text)  # noqa: PTH111 - unlike Path's, it never raises
    try:
        return tuple(file.read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{value.place}: cannot read the prologue {file}: {error}",
            "name a bash file, or write its lines here",
        ) from error


def _with_partition(workers: Workers, partition: str | None) -> Workers:
    return workers if workers.partition else replace(workers, partition=partition)


def _completed(platform: Platform, values: Mapping[str, Value]) -> Platform:
    if platform.transport == "local":
        # Here the environment springline itself runs in is the natural one.
        python = platform.python if "python" in values else sys.executable
        return replace(platform, host=None, python=python)
    if platform.host is None:
        raise ConfigurationError(
            f"platform '{platform.name}' has no host", f"add `host = …` to [{platform.name}] in {user_file()}"
        )
    return platform
