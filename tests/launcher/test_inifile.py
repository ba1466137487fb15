"""Keys are changed in a platforms.ini and nothing else is; what is written reads back."""

from __future__ import annotations

import string
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from launcher.errors import ConfigurationError
from launcher.platforms import sections
from launcher.platforms.inifile import check_target, set_keys

FILE = """\
# my clusters; do not lose this

[a]
; of a colleague
host = a.example.org
PROLOGUE =
    module load 2023
    # a comment inside

    source env
user: alice

# about b
[b]
host=b.example.org"""

_LINE = (
    st.text(string.ascii_letters + string.digits + " ~/$=[]:,#;%.-é", min_size=1)
    .map(str.strip)
    .filter(lambda line: line and line[0] not in "#;")
)
_VALUE = st.lists(_LINE, min_size=1, max_size=3).map("\n".join)
_KEY = st.sampled_from(["host", "user", "cores", "prologue", "python"])  # few, so that changes meet what is there
_SECTIONS = st.dictionaries(
    st.sampled_from(["a", "b", "b:large"]),
    st.dictionaries(_KEY, _VALUE, min_size=2, max_size=4),
    min_size=1,
)
_BETWEEN = st.sampled_from(["", "\n", "# note\n", "\n; [no] section\n\n", "  \n"])


def read(file: Path) -> dict[str, dict[str, str]]:
    """All sections as the launcher reads them."""
    mistakes: list[sections.Mistake] = []
    found = sections.read(file, mistakes)
    assert not mistakes
    return {name: {key: value.text for key, value in values.items()} for name, values in found.items()}


@given(
    have=_SECTIONS,
    name=st.sampled_from(["a", "b", "new"]),
    changes=st.dictionaries(_KEY, st.none() | _VALUE, min_size=1, max_size=4),
    between=_BETWEEN,
    indent=st.sampled_from(["", "  ", "\t"]),
    end=st.sampled_from(["\n", "\r\n"]),
    mark=st.sampled_from(["", "\ufeff"]),
    tail=st.integers(0, 2),
)
@settings(max_examples=100, deadline=None)
def test_what_is_written_reads_back(
    have: dict[str, dict[str, str]],
    name: str,
    changes: dict[str, str | None],
    between: str,
    indent: str,
    end: str,
    mark: str,
    tail: int,
) -> None:
    """Whatever the file is like, exactly the wished keys change, and every comment stays where it was."""
    text = mark
    for section, values in have.items():
        text += f"{between}[{section}]\n"
        for key, value in values.items():
            text += f"{between}{indent}{key.upper()} = " + value.replace("\n", f"\n{indent}   ") + "\n"
    text = text.replace("\n", end)
    text = text[: len(text) - tail * len(end)] if tail == 1 else text
    with TemporaryDirectory() as directory:
        file = Path(directory, "platforms.ini")
        file.write_bytes(text.encode())
        before = read(file)
        set_keys(file, name, changes)
        own = {**before.get(name, {}), **changes}
        assert read(file) == {**before, name: {key: value for key, value in own.items() if value is not None}}
        after = file.read_bytes().decode()
        assert comments(after) == comments(text)
        set_keys(file, name, changes)
        assert file.read_bytes().decode() == after


def comments(text: str) -> list[str]:
    """The comment lines."""
    return [line for line in text.splitlines() if line.strip().startswith(("#", ";"))]


def test_every_other_byte_stays(tmp_path: Path) -> None:
    """A key is changed on its line, a new one comes below the last of its section, one that is gone takes its lines."""
    file = tmp_path / "platforms.ini"
    file.write_text(FILE, encoding="utf-8")
    set_keys(file, "a", {"host": "new.example.org", "cores": "2", "prologue": None, "user": "alice"})
    assert file.read_text(encoding="utf-8") == FILE.replace("host = a.", "host = new.").replace(
        "PROLOGUE =\n    module load 2023\n", ""
    ).replace("    source env\n", "").replace("user: alice\n", "user: alice\ncores = 2\n")
    set_keys(file, "c", {"host": "c.example.org", "prologue": "module load x\nsource y"})
    assert file.read_text(encoding="utf-8").endswith(
        "host=b.example.org\n\n[c]\nhost = c.example.org\nprologue =\n    module load x\n    source y\n"
    )
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[a]\nhost = x\n[b\nport = 1\n", "line 3: '[b' is the name of a section without its ]"),
        ("host = x\n", "line 1: 'host = x' is below no [section]"),
        ("[a]\nhost = x\n[a]\n", "line 3: there is a section [a] above already"),
        ("[a]\nhost = x\nhost = y\n", "line 3: section [a] has 'host' above already"),
    ],
)
def test_a_broken_file_is_left_alone(tmp_path: Path, text: str, said: str) -> None:
    """What is half-written is said with file and line, and the file keeps every byte."""
    file = tmp_path / "platforms.ini"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as error:
        set_keys(file, "c", {"host": "z"})
    assert f"{file}, {said}" in error.value.message
    assert file.read_text(encoding="utf-8") == text


def test_a_directory_one_may_not_enter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said with the file's name; nothing is taken for missing."""

    def closed(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    for name in ("open", "stat"):  # as they do for who is not root
        monkeypatch.setattr(Path, name, closed)
    with pytest.raises(ConfigurationError, match=r"cannot read .*platforms.ini: Permission denied"):
        check_target(tmp_path / "platforms.ini", "name another")


@pytest.mark.parametrize(("key", "value"), [("prologue", "a\n# b"), ("python", "a\x00b"), ("k]\n[x", "y")])
def test_what_the_file_cannot_hold_is_refused(tmp_path: Path, key: str, value: str) -> None:
    """Rather than written and read back as something else."""
    with pytest.raises(ConfigurationError):
        set_keys(tmp_path / "platforms.ini", "a", {key: value})
    assert list(tmp_path.iterdir()) == []
