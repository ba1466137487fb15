"""Change single keys of a platforms.ini and leave every other byte of it as it is."""

from __future__ import annotations

import configparser
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from launcher.errors import ConfigurationError
from launcher.laptop.private import write_private
from launcher.platforms import sections

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")
_SECTION = re.compile(r"\[(?P<name>.+)\]")  # as configparser reads it, greedy
_OPTION = re.compile(r"(?P<key>.*?)\s*[=:]")
_NAME = re.compile(r"[A-Za-z0-9][\w.+-]*(?::[\w.+-]+)?")
_INSIDE = "    "  # before the lines of a value that has several


@dataclass(frozen=True)
class _Line:
    """One line of the file and what it is: section, option, more (of the option above), or nothing."""

    text: str  # with its end
    kind: str
    section: str
    key: str = ""

    @property
    def indent(self) -> str:
        return self.text[: len(self.text) - len(self.text.lstrip())]


def set_keys(file: Path, section: str, values: Mapping[str, str | None]) -> None:
    """Set keys of one section, which is made if it is not there; None removes a key. A broken file is left alone."""
    if not _NAME.fullmatch(section):
        raise ConfigurationError(
            f"'{section}' cannot be the name of a platform", "letters, digits and . _ + - make a name"
        )
    wished = {key.lower(): None if text is None else _checked(key, text) for key, text in values.items()}
    before = _read(file)
    after = _changed(before, section, wished)
    expected = _parsed(before)
    own = {key: text for key, text in {**expected.get(section, {}), **wished}.items() if text is not None}
    _write(file, before, after, {**expected, section: own})


def check_target(file: Path, hint: str) -> None:
    """Raise ConfigurationError, with this hint, for what would keep `set_keys` from writing."""
    _read(file)
    place = file.resolve().parent
    while not place.exists():
        place = place.parent
    for path in (place, file) if file.exists() else (place,):
        if not os.access(path, os.W_OK):
            raise ConfigurationError(f"cannot write {file}: {path} is not yours to write", hint)


def _changed(text: str, section: str, wished: Mapping[str, str | None]) -> str:
    """The text with these keys set, in the manner of the lines around them."""
    lines, end = _lines(text), _line_end(text)
    have = _parsed(text).get(section, {})
    if not any(line.kind == "section" and line.section == section for line in lines):
        gap = "" if not text.strip("\ufeff") else end if text.endswith(("\n", "\r")) else 2 * end
        lines += [_Line(gap, "", ""), _Line(f"[{section}]{end}", "section", section)]
    changed = {key: text for key, text in wished.items() if have.get(key) != text}
    last = max(number for number, line in enumerate(lines) if line.section == section and line.kind)
    new = [_option(key, text, "", end) for key, text in changed.items() if key not in have and text is not None]
    out: list[str] = []
    for number, line in enumerate(lines):
        if line.section != section or line.key not in changed:
            out.append(line.text)
        elif line.kind == "option" and (value := changed[line.key]) is not None:
            out.append(_option(line.key, value, line.indent, end))
        if number == last and new:
            if out and out[-1] and not out[-1].endswith(("\n", "\r")):
                out.append(end)
            at = next(line.indent for line in reversed(lines[: last + 1]) if line.kind in ("section", "option"))
            out += [_indented(option, at, end) for option in new]
    return "".join(out)


def _option(key: str, text: str, indent: str, end: str) -> str:
    """The lines of one key; several lines of a value stand below it."""
    if "\n" not in text:
        return f"{indent}{key} = {text}".rstrip() + end
    below = [f"{indent}{_INSIDE}{line}".rstrip() for line in text.split("\n")]
    return end.join([f"{indent}{key} =", *below]) + end


def _indented(option: str, indent: str, end: str) -> str:
    return (
        "".join(indent + line if line.strip() else line for line in option.splitlines(keepends=True))
        if indent
        else option
    )


def _lines(text: str) -> list[_Line]:
    """Every line with what configparser takes it for: what is indented below a key belongs to its value."""
    found: list[_Line] = []
    section = key = ""
    indent = -1
    for raw in _LINE.findall(text):
        if not raw:
            continue
        bare = raw.lstrip("\ufeff") if not found else raw
        value, at = bare.strip(), len(bare) - len(bare.lstrip())
        if not value or value[0] in "#;":
            found.append(_Line(raw, "", section))
        elif key and at > indent:
            found.append(_Line(raw, "more", section, key))
        elif header := _SECTION.match(value):
            section, key, indent = header["name"], "", at
            found.append(_Line(raw, "section", section))
        else:
            option = _OPTION.match(value)
            key, indent = (option["key"].lower() if option else value.lower()), at
            found.append(_Line(raw, "option", section, key))
    return found


def _checked(key: str, text: str) -> str:
    """The value as it will be read back: lines without spaces around them."""
    lines = [line.strip() for line in text.strip().split("\n")]
    if any(line.startswith(("#", ";")) for line in lines[len(lines) == 1 :]) or re.search(r"[^\S \n\t]|\0", text):
        raise ConfigurationError(
            f"the value of '{key}' has a comment line or a control character, which platforms.ini cannot hold",
            "leave the comment out"
            if key != "prologue"
            else "put the lines into a file and name it: prologue = NAME.sh",
        )
    if not re.fullmatch(r"[a-z_]+", key):
        raise ConfigurationError(f"'{key}' cannot be a key", "keys are small letters with _ between them")
    return "\n".join(lines)


def _read(file: Path) -> str:
    """The file's text with its line ends; what is wrong in it is said with its line."""
    try:
        sections.check_file(file)  # which says, too, that its directory may not be entered
    except FileNotFoundError:
        return ""
    return file.read_bytes().decode("utf-8")


def _parsed(text: str) -> dict[str, dict[str, str]]:
    parser = configparser.ConfigParser(interpolation=None, default_section="")
    parser.read_string("\n".join(re.split(r"\r\n|\r|\n", text.lstrip("\ufeff"))))
    return {section: {key: value.strip() for key, value in parser.items(section)} for section in parser.sections()}


def _write(file: Path, before: str, after: str, expected: Mapping[str, Mapping[str, str]]) -> None:
    """Write whole or not at all, and only what reads back as it must."""
    if _parsed(after) != expected:
        raise ConfigurationError(f"{file} is written in a way that cannot be changed safely", "change it by hand")
    if after == before:
        return
    try:
        write_private(file.resolve(), after)
    except ConfigurationError as error:
        raise ConfigurationError(error.message, "the file is as it was; make room, or make it yours") from error


def _line_end(text: str) -> str:
    found: Sequence[str] = re.findall(r"\r\n|\r|\n", text[:10000])
    return found[0] if found else "\n"
