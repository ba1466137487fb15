"""Sections that name an environment when it is removed: all of them are cleared, and said, or it stays."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from launcher.console.console import Console
from launcher.environments.base import Wish
from launcher.environments.install import install
from launcher.environments.record import Record
from launcher.environments.uninstall import uninstall
from launcher.errors import ConfigurationError
from launcher.platforms import inifile, loading
from launcher.scripts.shell import RemotePath

SECTIONS = """\
[nb2]
# mine
platform = local
cores = 2
python = {prefix}/python

[nb2:large]
image = ~/env/envs/20260101T000000-beef/image.sif
cores = 4

[nb2-long]
platform = nb2
walltime = 2-00:00:00

[other]
platform = local
python = {prefix}-2/python

[elsewhere]
platform = spider
python = {prefix}/python
"""


@pytest.fixture
def prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment on this computer."""
    monkeypatch.setenv("HOME", str(tmp_path))
    prefix = tmp_path / "env"
    (prefix / "envs/20260101T000000-beef").mkdir(parents=True)
    (prefix / "python").touch()
    (prefix / "made").write_text(f"{prefix}\nenvs\nenvs/20260101T000000-beef\nrecord.json\npython\n")
    section = {"python": f"{prefix}/python", "image": None}
    record = Record("venv", "20260101T000000-beef", str(prefix), "", "me", "", "2", "", "", "3.11.2", section=section)
    (prefix / "record.json").write_text(record.text())
    return prefix


@pytest.fixture
def file(prefix: Path) -> Path:
    """A platforms.ini with sections that name it."""
    file = prefix.parent / "mine.ini"
    file.write_text(SECTIONS.format(prefix=prefix))
    return file


@pytest.mark.parametrize("name", ["nb2", "nb2-long"])
def test_all_sections_are_cleared(prefix: Path, file: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a shipped platform, inherited, and of a preset; not those of another place or another host."""
    console = Console(yes=True)
    assert uninstall(loading.load(file).get(name), RemotePath(str(prefix)), console, config=file, force=True) == []
    assert not prefix.exists()
    gone = (f"cores = 2\npython = {prefix}/python\n", "image = ~/env/envs/20260101T000000-beef/image.sif\n")
    left = SECTIONS.format(prefix=prefix).replace(gone[0], "cores = 2\n").replace(gone[1], "")
    assert file.read_text() == left
    said = capsys.readouterr().err
    assert f"[nb2] of {file}: without python" in said and f"[nb2:large] of {file}: without image" in said


def test_install_names_them(prefix: Path, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Who else uses what is replaced is said before, and after it whose image will be gone."""
    wish = Wish(loading.load(file).get("nb2-long"), None, method="existing", python=sys.executable)
    record = install(wish, Console(yes=True), config=file)
    assert record and record.prefix == str(prefix) and record.id != "1"
    said = capsys.readouterr().err
    assert f"used by [nb2], [nb2:large] of {file}, too" in said
    assert f"[nb2:large] of {file} names what was replaced; put there, too: python = {sys.executable}" in said
    assert "[nb2] of" not in said.replace("used by [nb2]", "")


def test_question_names_them(prefix: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever removes what another section uses is asked about that section; a no changes nothing."""
    asked: list[str] = []
    monkeypatch.setattr(Console, "interactive", True)

    def no(_: Console, question: str) -> bool:
        asked.append(question)
        return False

    monkeypatch.setattr(Console, "confirm", no)
    platform = loading.load(file).get("nb2-long")
    assert uninstall(platform, RemotePath(str(prefix)), Console(), config=file, force=True) is None
    assert "its keys from [nb2], [nb2:large]?" in asked[0]
    assert prefix.exists() and file.read_text() == SECTIONS.format(prefix=prefix)


def test_file_that_cannot_be_written(prefix: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said before anything is removed; what goes wrong later says which keys to take out."""
    platform, console, place = loading.load(file).get("nb2"), Console(yes=True), RemotePath(str(prefix))
    access = os.access
    monkeypatch.setattr("os.access", lambda path, mode: path != file and access(path, mode))
    with pytest.raises(ConfigurationError, match="is not yours to write"):
        uninstall(platform, place, console, config=file, force=True)
    assert (prefix / "record.json").exists()
    monkeypatch.setattr("os.access", access)

    def full(*_: object) -> None:
        raise ConfigurationError("cannot write it: no space")

    monkeypatch.setattr(inifile, "write_private", full)
    with pytest.raises(ConfigurationError, match="the environment is removed, but cannot write it") as caught:
        uninstall(platform, place, console, config=file, force=True)
    assert "take these keys out of [nb2]: python; of [nb2:large]: image" in caught.value.hint
    assert not prefix.exists()
