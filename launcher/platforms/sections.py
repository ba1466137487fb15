"""platforms.ini → sections of values that know where they were written; what is wrong is said with file and line."""

from __future__ import annotations

import ast
import configparser
import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from launcher.errors import ConfigurationError
from launcher.platforms.keys import INHERIT, KEYS

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


@dataclass(frozen=True)
class Mistake:
    """What is wrong with one section."""

    section: str  # empty above the first
    error: ConfigurationError


def check_file(file: Path) -> None:
    """Raise where no section could be put into the file safely; what its sections say is not looked at."""
    _parse(file, _text(file))


def read(file: Path, mistakes: list[Mistake]) -> dict[str, dict[str, Value]]:
    """Section by section, each with the lines it has in the whole file; one that is wrong leaves the others."""
    try:
        text = _text(file)
    except ConfigurationError as error:
        mistakes.append(Mistake("", error))
        return {}
    begins = [match.start() for match in re.finditer(r"^\[", text, re.MULTILINE)]
    found: dict[str, dict[str, Value]] = {}
    for begin, end in pairwise([0, *begins, len(text)]):
        name = text[begin + 1 : end].partition("]")[0] if begin in begins else ""
        try:
            if name in found:
                _parse(file, text[:end])  # which says that there are two
            parsed = _parse(file, "\n" * text.count("\n", 0, begin) + text[begin:end])
            for values in parsed.values():
                _check_keys(values)
            found.update(parsed)
        except ConfigurationError as error:
            mistakes.append(Mistake(name.partition("\n")[0], error))
    return found


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ConfigurationError(f"cannot read {file}: {error.strerror}", "check that the file is yours") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"{file} is not a text file in UTF-8 ({error.reason})", "save it again as UTF-8"
        ) from error


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
            key: Value(value.strip(), file, section, _line(lines, section, key)) for key, value in parser.items(section)
        }
        for section in parser.sections()
    }


def _mistake(error: configparser.Error) -> str:
    match error:
        case configparser.MissingSectionHeaderError():
            return f"line {error.lineno}: {_unreadable(error.line, 'is below no [section]')}"
        case configparser.ParsingError():
            number, line = error.errors[0]
            return f"line {number}: {_unreadable(ast.literal_eval(line), 'is no `key = value`')}"
        case configparser.DuplicateSectionError():
            return f"line {error.lineno}: there is a section [{error.section}] above already"
        case configparser.DuplicateOptionError():
            return f"line {error.lineno}: section [{error.section}] has '{error.option}' above already"
    return str(error)


def _unreadable(line: str, why: str) -> str:
    half = line.startswith("[") and "]" not in line
    return f"'{line.strip()}' {'is the name of a section without its ]' if half else why}"


def _line(lines: list[str], section: str, key: str) -> int:
    """The line a key stands on; what is indented below a key belongs to its value, whatever it looks like."""
    inside = False
    for number, line in enumerate(lines, 1):
        if line.startswith("["):
            inside = line.startswith(f"[{section}]")
        elif inside and re.match(rf"{re.escape(key)}\s*[=:]", line, re.IGNORECASE):
            return number
    return 0


def _check_keys(values: Mapping[str, Value]) -> None:
    for key, value in values.items():
        if key == INHERIT and PRESET in value.section:
            raise ConfigurationError(
                f"{value.place}: a preset inherits from its platform alone", f"leave out `{key} = {value.text}`"
            )
        if key != INHERIT and key not in KEYS:
            raise ConfigurationError(
                f"{value.place}: unknown key '{key}'{nearest(key, KEYS)}",
                "valid keys: " + ", ".join([INHERIT, *KEYS]),
            )


def nearest(word: str, words: Iterable[str]) -> str:
    """The beginning of an advice; empty if no word is near."""
    near = difflib.get_close_matches(word, list(words), n=1)
    return f"; did you mean '{near[0]}'?" if near else ""
