"""platforms.ini → Platform. The user's file lies over the shipped one; whatever is wrong is said with file and line."""

from __future__ import annotations

import configparser
import difflib
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from launcher.errors import ConfigurationError, NotFoundError, UsageError
from launcher.model import Platform, Resources, Workers
from launcher.units import parse_memory, parse_walltime

TRANSPORTS = ("fabric", "local")
SCHEDULERS = ("slurm", "local")


@dataclass(frozen=True)
class Key:
    """One key of a section: where its value goes and how its text is read."""

    target: str  # a field of Platform, or "resources.FIELD", "workers.FIELD"
    read: Callable[[str], Any]
    help: str


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


def _whole(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(f"'{text}' is not a whole number above zero")
    return number


def _count(text: str) -> int:
    return 0 if text.strip() == "0" else _whole(text)


def _port(text: str) -> int:
    number = _whole(text)
    if number > 65535:
        raise ValueError(f"'{text}' is not a port (1 to 65535)")
    return number


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"'{text}' is not one of: {', '.join(choices)}")
        return text

    return read


def _plain(text: str) -> str:
    """Text that may stand on a directive line of a batch script."""
    if not text or "\n" in text or text != text.strip() or "\0" in text:
        raise ValueError("the value must be one line of text")
    return text


def _word(text: str) -> str:
    if not re.fullmatch(r"[\w.,+@%:/=-]+", text) or text.startswith("-"):
        raise ValueError(f"'{text}' must be one word of letters, digits and . , + @ % : / = -")
    return text


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _directives(text: str) -> tuple[str, ...]:
    lines = _lines(text)
    for line in lines:
        if not line.startswith("-"):
            raise ValueError(f"'{line}' is not an option of the scheduler; write one per line, e.g. --constraint=rome")
    return lines


KEYS: Mapping[str, Key] = {
    "host": Key("host", _word, "login host, or an alias of ~/.ssh/config"),
    "user": Key("user", _word, "account on the host; default as in ~/.ssh/config"),
    "port": Key("port", _port, "SSH port"),
    "keypath": Key("keypath", _plain, "private key; default as in ~/.ssh/config, or the agent"),
    "key_pass": Key("", _plain, "old key: True if the private key has a passphrase; it is asked for when needed"),
    "transport": Key("transport", _one_of(*TRANSPORTS), "how to reach the host"),
    "scheduler": Key("scheduler", _one_of(*SCHEDULERS), "who starts jobs there"),
    "python": Key("python", _plain, "Python with jupyterlab, dask and dask-jobqueue on the platform"),
    "prologue": Key("prologue", _lines, "bash lines, or a file NAME.sh with them, run before Python"),
    "image": Key("image", _plain, "Apptainer image that holds Python"),
    "run_dir": Key("run_dir", _plain, "directory for session files, on a file system all nodes share"),
    "local_port": Key("local_port", _port, "port on the laptop; default any free one"),
    "partition": Key("resources.partition", _word, "partition of the session's job"),
    "account": Key("resources.account", _word, "account to charge"),
    "qos": Key("resources.qos", _word, "quality of service"),
    "reservation": Key("resources.reservation", _word, "reservation"),
    "walltime": Key("resources.walltime", parse_walltime, "walltime of the session's job, HH:MM:SS"),
    "cores": Key("resources.cores", _whole, "CPU cores of the session's job"),
    "memory": Key("resources.memory", parse_memory, "memory of the session's job, e.g. 8GB"),
    "sbatch": Key("resources.directives", _directives, "further sbatch options, one per line"),
    "workers": Key("workers.count", _count, "worker jobs at start"),
    "worker_cores": Key("workers.cores", _whole, "CPU cores of a worker job"),
    "worker_memory": Key("workers.memory", parse_memory, "memory of a worker job"),
    "worker_processes": Key("workers.processes", _whole, "Dask worker processes in a worker job"),
    "worker_walltime": Key("workers.walltime", parse_walltime, "walltime of a worker job"),
    "worker_partition": Key("workers.partition", _word, "partition of the worker jobs; default the session's"),
    "worker_local_directory": Key("workers.local_directory", _plain, "spill space on the node, e.g. $TMPDIR"),
    "worker_max_jobs": Key("workers.max_jobs", _whole, "no more worker jobs than this"),
}
INHERIT = "platform"


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
    if extra is not None and not extra.exists():
        raise ConfigurationError(f"there is no file {extra}", "give --config an existing platforms.ini")
    own = extra or user_file()
    return Platforms([shipped_file(), *([own] if own.exists() else [])])


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


def _read(file: Path) -> dict[str, dict[str, Value]]:
    parser = configparser.ConfigParser(interpolation=None, default_section="")
    try:
        text = file.read_text(encoding="utf-8-sig")
        parser.read_string(text, source=str(file))
    except OSError as error:
        raise ConfigurationError(f"cannot read {file}: {error.strerror}", "check that the file is yours") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{file} is not a text file in UTF-8 ({error.reason})") from error
    except configparser.Error as error:
        first = str(error).splitlines()[-1].strip() if isinstance(error, configparser.ParsingError) else str(error)
        raise ConfigurationError(
            f"cannot read {file}: {first}", "write [section] lines and below each `key = value` lines"
        ) from error
    lines = text.splitlines()
    return {
        section: {
            key: _checked_key(key, Value(value.strip(), file, section, _line(lines, section, key)))
            for key, value in parser.items(section)
        }
        for section in parser.sections()
    }


def _line(lines: list[str], section: str, key: str) -> int:
    inside = False
    for number, line in enumerate(lines, 1):
        if line.strip().startswith("["):
            inside = line.strip() == f"[{section}]"
        elif inside and re.match(rf"{re.escape(key)}\s*[=:]", line.strip(), re.IGNORECASE):
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
    file = value.file.parent / Path(value.text).expanduser()
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
