"""Which method makes an environment, and of which packages; and what is said where it cannot be made."""

from __future__ import annotations

from importlib.metadata import metadata
from pathlib import Path

import pytest

from launcher.environments import conda, resolving
from launcher.environments.base import EXTRAS, Facts, PythonFound, Tool, Wish
from launcher.environments.choosing import choose
from launcher.environments.requirements import read
from launcher.environments.resolving import Target
from launcher.environments.venv import Venv
from launcher.errors import ConfigurationError, ConnectError, UsageError
from launcher.model import Platform
from launcher.scripts.shell import RemotePath

FOUND = (PythonFound("/usr/bin/python3", "3.11.2"),)
TARGET = Target("x86_64", 28, "3.11")


def facts(**more: object) -> Facts:
    """A host with Python 3.11."""
    return Facts("x86_64", "glibc", "2.36", "/h", "me", pythons=FOUND, **more)  # type: ignore[arg-type]


def wish(**more: object) -> Wish:
    """A wish for a platform of no matter."""
    return Wish(Platform("x"), RemotePath("/p"), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("python", ["3.12", "2.7"])
@pytest.mark.parametrize("tools", [{}, {"conda": Tool("/opt/conda")}])
def test_python_that_is_not_there_and_cannot_be_brought(python: str, tools: dict[str, Tool]) -> None:
    """Without internet over there conda has no channels: what is said is what is missing, not what conda lacks."""
    assert choose(facts(tools=tools), wish()).name == "venv"
    with pytest.raises(
        ConfigurationError, match=rf"no Python {python} over there.*found: 3\.11\.2 \(/usr/bin/python3\)"
    ):
        choose(facts(tools=tools), wish(python=python))


def test_conda_in_place_of_venv_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """With internet conda brings the Python that is not there: the user hears it, and also when conda then fails."""
    method, told = choose(facts(internet=True), wish(python="3.12")), list[str]()
    assert method.name == "conda"

    def unreachable(*_: object) -> None:
        raise ConfigurationError("micromamba cannot be fetched", "conda's hint")

    monkeypatch.setattr(conda, "_micromamba", unreachable)
    with pytest.raises(
        ConfigurationError, match=r"^there is no Python 3\.12 over there.*micromamba cannot be"
    ) as caught:
        method.supplies(facts(internet=True), wish(python="3.12"), told.append)
    assert "no Python 3.12 over there" in told[0] and told[0].endswith("; conda makes one")
    assert "--python" in caught.value.hint and "conda" not in caught.value.hint


def test_old_or_other_c_library_leads_to_an_image() -> None:
    """Conda installs the same wheels, so it is no way out of it."""
    musl = Facts("x86_64", "musl", "1.2", "/h", "me", pythons=FOUND, internet=True)
    with pytest.raises(ConfigurationError, match=r"musl 1\.2") as caught:
        choose(musl, wish())
    assert "--method image" in caught.value.hint and "conda" not in caught.value.hint


REFUSALS = {  # as uv says it: the input's path stands in backticks
    "Because h5py==3.16.0 has no usable wheels and springline depends": ("no wheel of h5py 3.16.0", "image"),
    "Because all versions of gdal have no usable wheels and you": ("no wheel of gdal", "environment.yml"),
    "No solution found when resolving\ncause: Because nosuch was not found in the package registry": ("nosuch", "name"),
    "No solution found when resolving\ncause: Because you require networkx==99": ("do not go together", "correct"),
    "Couldn't parse requirement in `/tmp/x/requirements.txt` at position 0": ("parse requirement in --req", "correct"),
    "Failed to fetch: https://pypi.org/simple/x/\ndns error": ("cannot get packages from the internet", "proxy"),
}


@pytest.mark.parametrize("said", REFUSALS)
def test_what_uv_refuses(said: str) -> None:
    """Each of its reasons gets its own words and its own way out."""
    words, hint = REFUSALS[said]
    error = resolving._unresolved(TARGET, f"error: {said}")
    assert words in error.message and hint in error.hint, error
    assert isinstance(error, ConnectError) == ("fetch" in said)


def test_files_that_requirements_name(tmp_path: Path) -> None:
    """Each is read from beside the file that names it; limits are kept apart; addresses stay for uv."""
    (tmp_path / "more").mkdir()
    texts = {
        "mine.txt": "cowsay\n-r more/other one.txt  # mine\n--constraint=limits.txt\n-r https://x.org/r.txt\n",
        "more/other one.txt": "tabulate>=0.8 \\\n    --hash=sha256:aa\n-cnext.txt\n",
        "more/next.txt": "six<2\n-r ../limits.txt\n",
        "limits.txt": "cowsay<7\n",
        "environment.yml": 'dependencies:\n- gdal\n- pip:\n  - "-r limits.txt"\n  - -r marked.txt\n  - -c limits.txt\n',
        "marked.txt": "# comment\n\nsix; python_version < '3.12'  # why\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    wanted, limits = read(tmp_path / "mine.txt")
    assert wanted.splitlines() == [
        "cowsay",
        "tabulate>=0.8 \\",
        "    --hash=sha256:aa",
        "-r https://x.org/r.txt",
    ]
    assert sorted(limits.splitlines()) == ["cowsay<7", "cowsay<7", "six<2"]
    asked = conda.read(wish(requirements=read(tmp_path / "environment.yml")[0]))
    assert asked.pip.splitlines() == ["cowsay<7", "six; python_version < '3.12'"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("-r none.txt", r"none\.txt, which \S*mine\.txt names: No such file"),
        ("-r mine.txt", "being read already"),
        ("\xff", "it is no text"),
    ],
)
def test_file_that_cannot_be_read(tmp_path: Path, text: str, words: str) -> None:
    """Its name, the name of the file that names it, and why."""
    (tmp_path / "mine.txt").write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError, match=words):
        read(tmp_path / "mine.txt")


def test_extras_are_those_of_the_lock() -> None:
    """What can be asked for with --extras is what the project has packages for, and the lock holds them."""
    assert set(EXTRAS) <= set(metadata("springline").get_all("Provides-Extra") or ())
    assert "dask-gateway" in resolving.names(resolving.lock_file().read_text())


def test_limits_reach_the_resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package with a limit is another question than the same without, for the answers that are kept."""
    asked = []
    monkeypatch.setattr(resolving, "resolve", lambda *words: asked.append(words) or "")
    Venv._pinned(facts(), wish(requirements="a", constraints="a<2"))
    assert asked[0][2:] == ("a", "a<2")
    assert resolving.kept_answer(TARGET, "jobs", "a", "a<2") != resolving.kept_answer(TARGET, "jobs", "a")
