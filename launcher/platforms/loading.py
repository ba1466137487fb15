"""platforms.ini → Platform. The user's file lies over the shipped one; whatever is wrong is said with file and line."""

from __future__ import annotations

import configparser
import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from launcher.daskkinds import Dask
from launcher.errors import ConfigurationError, NotFoundError, UsageError
from launcher.laptop.private import config_home
from launcher.model import Platform, Resources, Workers
from launcher.platforms.keys import INHERIT, KEYS
from launcher.platforms.sections import PRESET, Mistake, Value, nearest, read


def user_file() -> Path:
    """The user's own platforms.ini."""
    return config_home() / "platforms.ini"


def shipped_file() -> Path:
    """The platforms.ini that comes with springline: beside this module when installed, else in the checkout."""
    installed = Path(__file__).parents[1] / "config" / "platforms" / "platforms.ini"
    return installed if installed.exists() else Path(__file__).parents[2] / "config" / "platforms" / "platforms.ini"


class Platforms:
    """All sections of all files, later files over earlier ones. One that is wrong fails only what makes use of it."""

    def __init__(self, files: Iterable[Path]) -> None:
        self._sections: dict[str, dict[str, Value]] = {}
        self._files: dict[str, list[Path]] = {}
        self._wrong: dict[str, ConfigurationError] = {}  # by section, "" for what concerns a whole file
        self._own = user_file()  # where the user's own go
        for file in files:
            self._own = file if file != shipped_file() else self._own
            mistakes: list[Mistake] = []
            found = read(file, mistakes)
            for section, values in found.items():
                self._sections.setdefault(section, {}).update(values)
            for mistake in mistakes:
                self._wrong.setdefault(mistake.section, mistake.error)
            for section in dict.fromkeys([*found, *(mistake.section for mistake in mistakes)]):
                self._files.setdefault(section, []).append(file)
        for section, values in self._sections.items():
            try:
                self._check_preset(section, next(iter(values.values()), None))
            except ConfigurationError as error:
                self._wrong.setdefault(section, error)

    @property
    def mistakes(self) -> list[Mistake]:
        """What is wrong in the files."""
        return [Mistake(section, error) for section, error in self._wrong.items()]

    def refuse(self, section: str = "") -> None:
        """Raise what is wrong with a section, or with a whole file."""
        for name in ("", section):
            if name in self._wrong:
                raise self._wrong[name]

    def files(self, name: str) -> list[Path]:
        """The files that have a section of that name, the one that is read last at the end."""
        return self._files[name]

    def _check_preset(self, section: str, first: Value | None) -> None:
        platform, mark, preset = section.partition(PRESET)
        if mark and (platform not in self.names or not re.fullmatch(r"[\w-]+", preset)):
            where = f"{first.file}, " if first else ""
            raise ConfigurationError(
                f"{where}section [{section}] is no preset of a platform{nearest(platform, self.names)}",
                "write [PLATFORM:PRESET] with the name of a platform, and a name of letters, digits, _ and -",
            )

    @property
    def names(self) -> list[str]:
        """The names of all platforms."""
        return sorted(section for section in {*self._sections, *self._wrong} if section and PRESET not in section)

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
                if mark and platform == each and section not in self._wrong:
                    found[preset] = {**found.get(preset, {}), **values}
        return found

    def get(self, name: str, preset: str | None = None) -> Platform:
        """The platform of that name, with a preset laid over it."""
        platform = _build(name, self.values(name, preset))
        if platform.host is None and platform.transport != "local":
            file = self.files(name)[-1]
            raise ConfigurationError(f"platform '{name}' has no host", f"add `host = …` to [{name}] in {file}")
        return platform

    def _preset(self, name: str, preset: str) -> dict[str, Value]:
        for each in self._lineage(name):
            self.refuse(f"{each}{PRESET}{preset}")
        presets = self.presets(name)
        if preset not in presets:
            raise UsageError(
                f"platform '{name}' has no preset '{preset}'{nearest(preset.lower(), presets)}",
                f"its presets: {', '.join(sorted(presets))}" if presets else f"add [{name}:{preset}] to {self._own}",
            )
        return presets[preset]

    def _missing(self, name: str) -> NotFoundError:
        """That there is no such platform; a line that cannot be read may be the one with its name."""
        said = f"there is no platform '{name}'{nearest(name, self.names)}"
        unread = (error for error in self._wrong.values() if isinstance(error.__cause__, configparser.Error))
        if (broken := next(unread, None)) is not None:
            return NotFoundError(f"{said}; {broken.message}", f"mend {self._own}: {broken.hint}")
        config = "" if self._own == user_file() else f" --config {self._own}"
        return NotFoundError(said, f"`springline platform list{config}` shows all; your own go into {self._own}")

    def _lineage(self, name: str) -> list[str]:
        """The platform and those it inherits from, the first of them first."""
        self.refuse(name)
        if name not in self.names:
            raise self._missing(name)
        found = [name]
        while (base := self._sections[found[0]].get(INHERIT)) is not None and base.text != found[0]:
            if base.text not in self.names:
                raise ConfigurationError(
                    f"{base.place}: platform = {base.text}: there is no such platform{nearest(base.text, self.names)}",
                    f"name one of {', '.join(self.names)}, or leave the line out and give every key yourself",
                )
            if base.text in found:
                raise ConfigurationError(
                    f"{base.place}: platform = {base.text} goes round in a circle", "take one of these lines out"
                )
            self.refuse(base.text)
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
            raise UsageError(f"--{key.replace('_', '-')} {text}: {error}", taken(key)) from error
        owner = replace(getattr(platform, group), **{field: value}) if group else value
        platform = replace(platform, **{group or field: owner})
    return platform


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
        return prologue_file(value)
    try:
        return KEYS[key].read(value.text)
    except ValueError as error:
        raise ConfigurationError(f"{value.place}: {key} = {value.text}: {error}", taken(key)) from error


def taken(key: str) -> str:
    """What a key takes, to be said where it was given something else."""
    form = KEYS[key].form.replace("`", "").rstrip(".")
    if not (form[:2].isalpha() and form[:2].isupper()):  # MM:SS stays
        form = form[:1].lower() + form[1:]
    return f"{key} ({KEYS[key].help}) takes {form}"


def prologue_file(value: Value) -> tuple[str, ...]:
    """The lines of the file that a prologue names, beside the file with the section."""
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
    return platform
