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

from launcher.daskkinds import Dask
from launcher.errors import ConfigurationError, NotFoundError, UsageError
from launcher.keys import INHERIT, KEYS
from launcher.model import Platform, Resources, Workers

PRESET = ":"  # between a platform and a preset of it: [spider:large]


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
        for section, values in self._sections.items():
            self._check_preset(section, next(iter(values.values()), None))

    def _check_preset(self, section: str, first: Value | None) -> None:
        platform, mark, preset = section.partition(PRESET)
        if mark and (platform not in self.names or not re.fullmatch(r"[\w-]+", preset)):
            where = f"{first.file}, " if first else ""
            raise ConfigurationError(
                f"{where}section [{section}] is no preset of a platform{_nearest(platform, self.names)}",
                "write [PLATFORM:PRESET] with the name of a platform, and a name of letters, digits, _ and -",
            )

    @property
    def names(self) -> list[str]:
        """The names of all platforms."""
        return sorted(section for section in self._sections if PRESET not in section)

    def values(self, name: str, preset: str | None = None) -> dict[str, Value]:
        """Every key of a platform with what it inherits, a preset's over them; each knows where it was written."""
        merged = {key: value for each in self._lineage(name) for key, value in self._sections[each].items()}
        return merged if preset is None else {**merged, **self._preset(name, preset)}

    def presets(self, name: str) -> dict[str, dict[str, Value]]:
        """What each preset of a platform sets: its own and those of the platforms it inherits from."""
        found: dict[str, dict[str, Value]] = {}
        for each in self._lineage(name):
            for section, values in self._sections.items():
                platform, mark, preset = section.partition(PRESET)
                if mark and platform == each:
                    found[preset] = {**found.get(preset, {}), **values}
        return found

    def get(self, name: str, preset: str | None = None) -> Platform:
        """The platform of that name, with a preset laid over it."""
        return _build(name, self.values(name, preset))

    def _preset(self, name: str, preset: str) -> dict[str, Value]:
        presets = self.presets(name)
        if preset not in presets:
            raise NotFoundError(
                f"platform '{name}' has no preset '{preset}'{_nearest(preset, presets)}",
                f"its presets: {', '.join(sorted(presets))}" if presets else f"add [{name}:{preset}] to {user_file()}",
            )
        return presets[preset]

    def _lineage(self, name: str) -> list[str]:
        """The platform and those it inherits from, the first of them first."""
        if name not in self.names:
            raise NotFoundError(
                f"there is no platform '{name}'{_nearest(name, self.names)}",
                f"`springline platform list` shows all; your own go into {user_file()}",
            )
        found = [name]
        while (base := self._sections[found[0]].get(INHERIT)) is not None and base.text != found[0]:
            if base.text not in self.names:
                raise ConfigurationError(
                    f"{base.place}: platform = {base.text}: there is no such platform{_nearest(base.text, self.names)}",
                    f"name one of {', '.join(self.names)}, or leave the line out and give every key yourself",
                )
            if base.text in found:
                raise ConfigurationError(f"{base.place}: platform = {base.text} goes round in a circle")
            found.insert(0, base.text)
        return found


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
    if key == INHERIT and PRESET in value.section:
        raise ConfigurationError(
            f"{value.place}: a preset inherits from its platform alone", f"leave out `{key} = {value.text}`"
        )
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
    groups: dict[str, dict[str, Any]] = {"": {}, "resources": {}, "workers": {}, "dask": {}}
    for key, value in values.items():
        if key == INHERIT or not KEYS[key].target:
            continue
        group, _, field = KEYS[key].target.rpartition(".")
        groups[group][field] = _read_value(key, value)
    platform = Platform(
        name=name,
        resources=Resources(**groups["resources"]),
        dask=Dask(**groups["dask"]),
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
