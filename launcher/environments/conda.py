"""Method `conda`: Python, and what an environment.yml asks for, by micromamba, mamba or conda; on top of it a venv.

The packages of the session itself are the same locked wheels as everywhere else: they go into a venv made with conda's
Python, which sees conda's packages too. So conda's solver never has to agree with them.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from shlex import quote
from typing import Any

from launcher.environments import resolving
from launcher.environments.base import PYTHONS, STEP, Facts, PythonFound, Supply, Tell, Tool, Wish
from launcher.environments.venv import Venv, sees_below
from launcher.errors import ConfigurationError, UsageError
from launcher.scripts.shell import RemotePath

_NAMES = ("micromamba", "mamba", "conda")
_MACHINES = {"x86_64": "linux-64", "aarch64": "linux-aarch64", "ppc64le": "linux-ppc64le"}
_RELEASES = "https://github.com/mamba-org/micromamba-releases/releases/latest/download"

_BUILD = """\
echo {step}
mkdir -p {conda}/work
cat >{conda}/work/environment.yml <<'environment'
{text}
environment
export CONDA_PKGS_DIRS={conda}/work/packages MAMBA_ROOT_PREFIX={conda}/work/root MAMBA_NO_BANNER=1
export MAMBA_REMOTE_CONNECT_TIMEOUT_SECS=15 CONDA_REMOTE_CONNECT_TIMEOUT_SECS=15 CONDA_REMOTE_MAX_RETRIES=2
said=$({command} </dev/null 2>&1) || {{
  printf '%s\\n' "$said" >&2
  case $said in
    *resolve*|*onnect*|*imeout*|*imed\\ out*|*onnection*|*ownload*|*HTTP*|*offline*)
      why="the channels cannot be reached from over there; --method venv installs without internet" ;;
    *[Nn]othing\\ provides*|*not\\ exist*|*NotFound*|*UnsatisfiableError*|*not\\ available*|*not\\ found*)
      why="the channels have no such packages, or they do not go together; mend environment.yml" ;;
    *space\\ left*|*isk\\ quota*) why="the disk or its quota is full; free some space, or give another --prefix" ;;
    *) why="it went wrong" ;;
  esac
  echo "springline: {tool} made no environment: $why" >&2
  exit 3
}}
rm -rf {conda}/work
{inner}
{sees_below}
mv {new}/python {conda}/start
cat >{new}/python <<'start'
#!/bin/sh
# Starts the environment's Python with the settings that conda's packages want. Made by springline.
here={new}
export CONDA_PREFIX="$here/conda" PATH="$here/conda/bin:$PATH"
for file in "$CONDA_PREFIX"/etc/conda/activate.d/*.sh; do [ ! -e "$file" ] || . "$file"; done
exec "$here/conda/start" "$@"
start
chmod 755 {new}/python
"""


@dataclass(frozen=True)
class Asked:
    """An environment.yml, taken apart."""

    text: str  # without what is pip's, with a Python
    pip: str  # what is
    python: str  # e.g. 3.12


class Conda:
    """Conda's Python and packages, and the locked wheels over them."""

    name = "conda"

    def __init__(self) -> None:
        self._venv = Venv()

    def check(self, facts: Facts, wish: Wish) -> None:
        """A conda over there, or one that can be brought; and what the wheels need."""
        asked = read(wish)
        if wish.pack:
            raise ConfigurationError(
                "--pack does not go with the method conda: its packages hold the path they were installed at",
                "take --method venv, or an image, which is one file",
            )
        if _tool(facts, wish) is None and facts.machine not in _MACHINES:
            raise ConfigurationError(
                f"there is no micromamba, mamba or conda over there, and none can be brought for {facts.machine}",
                "load the module that has one (a line of the section's `prologue`), or take --method venv",
            )
        self._venv.check(*_over(facts, wish, asked, RemotePath("/")))

    def supplies(self, facts: Facts, wish: Wish, tell: Tell) -> Sequence[Supply]:
        """The wheels, and micromamba where there is no conda."""
        brought = [] if _tool(facts, wish) else [_micromamba(facts.machine, tell)]
        return [*brought, *self._venv.supplies(*_over(facts, wish, read(wish), RemotePath("/")), tell)]

    def build_script(self, facts: Facts, wish: Wish, new: RemotePath, supplies: RemotePath) -> str:
        """Make conda's environment in `new/conda`, and the venv around it."""
        asked, conda = read(wish), new / "conda"
        tool = _tool(facts, wish) or Tool((supplies / "micromamba").text)
        return _BUILD.format(
            step=quote(f"{STEP}make an environment with Python {asked.python} by {Path(tool.path).name}"),
            conda=conda.quoted(),
            new=new.quoted(),
            text=asked.text.rstrip(),
            command=_command(tool, conda, offline=wish.online is False),
            tool=Path(tool.path).name,
            sees_below=sees_below(new, conda / "bin/python"),
            inner=self._venv.build_script(*_over(facts, wish, asked, new), new, supplies),
        )

    def section(self, wish: Wish, prefix: RemotePath, new: RemotePath) -> Mapping[str, str | None]:
        """The program that starts it."""
        return {"python": f"{prefix.text}/python", "image": None}


METHOD = Conda


def read(wish: Wish) -> Asked:
    """What is conda's and what is pip's. A requirements file is all pip's."""
    document = _document(wish.requirements)
    if document is None:
        version = _version(wish.python or PYTHONS[0])
        return Asked(_text(["conda-forge"], [f"python={version}"]), wish.requirements, version)
    listed = document.get("dependencies") or []
    pip = [str(line) for one in listed if isinstance(one, dict) for line in one.get("pip") or []]
    specs = [str(one) for one in listed if not isinstance(one, dict)]
    theirs = next((spec for spec in specs if re.fullmatch(r"python\b(?!-).*", spec)), "")
    found = re.search(r"3\.\d+", theirs)
    version = _version(found[0] if found else wish.python or PYTHONS[0])
    if not found:
        specs = [f"python={version}", *(spec for spec in specs if spec != theirs)]
    return Asked(_text(document.get("channels") or ["conda-forge"], specs), "\n".join(pip), version)


def _document(requirements: str) -> dict[str, Any] | None:
    """What an environment.yml says; None for anything else."""
    yaml = import_module("yaml")
    try:
        document = yaml.safe_load(requirements)
    except yaml.YAMLError:
        return None  # the resolver of requirements says what is wrong with it
    return document if isinstance(document, dict) and "dependencies" in document else None


def _text(channels: Sequence[str], specs: Sequence[str]) -> str:
    return json.dumps({"channels": channels, "dependencies": specs}, indent=1)  # JSON is YAML too


def _version(text: str) -> str:
    minor = ".".join(text.split(".")[:2])
    if minor not in PYTHONS:
        raise UsageError(f"Python {text}: the packages are locked for {', '.join(PYTHONS)}", "ask for one of them")
    return minor


def _over(facts: Facts, wish: Wish, asked: Asked, new: RemotePath) -> tuple[Facts, Wish]:
    """As the venv on top sees things: one Python, conda's, which is not there yet."""
    python = PythonFound((new / "conda/bin/python").text, f"{asked.python}.0")
    return replace(facts, pythons=(python,)), replace(wish, python=python.path, requirements=asked.pip)


def _tool(facts: Facts, wish: Wish) -> Tool | None:
    if wish.conda:
        return Tool(wish.conda)
    return next((facts.tools[name] for name in _NAMES if name in facts.tools), None)


def _command(tool: Tool, conda: RemotePath, *, offline: bool) -> str:
    verb = "create --yes" if Path(tool.path).name == "micromamba" else "env create"
    words = f"{verb} --prefix {conda.quoted()} --file {conda.quoted()}/work/environment.yml"
    return f"{RemotePath(tool.path).quoted()} {words}{' --offline' if offline else ''}"


def _micromamba(machine: str, tell: Tell) -> Supply:
    """micromamba, as its makers build it: fetched to this computer once, checked against their checksum, and kept."""
    place = resolving.cache() / "tools"
    kept = place / f"micromamba-{_MACHINES[machine]}"
    if not kept.exists():
        data = _fetch(f"{_RELEASES}/{kept.name}", tell)
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place) as scratch:
            part = Path(scratch) / kept.name
            part.write_bytes(data)
            part.replace(kept)
    return replace(resolving.supply_of("tool", kept), name="micromamba")


def _fetch(url: str, tell: Tell) -> bytes:
    from urllib.error import URLError
    from urllib.request import urlopen

    tell(f"fetching micromamba from {url}")
    try:
        with urlopen(f"{url}.sha256", timeout=60) as answer:
            expected = answer.read(4096).decode().split()[0]
        with urlopen(url, timeout=60) as answer:
            data: bytes = answer.read()
    except (URLError, OSError, IndexError) as error:
        raise ConfigurationError(
            f"there is no micromamba, mamba or conda over there, and micromamba cannot be fetched from {url}: {error}",
            "load a module that has conda (a line of `prologue`), or take --method venv, which needs none",
        ) from error
    if hashlib.sha256(data).hexdigest() != expected:
        raise ConfigurationError(f"what came from {url} is not what its checksum says", "try again; tell its makers")
    return data
