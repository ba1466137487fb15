"""Method `existing`: a Python that is there, taken as it is; or, with extras or requirements, a venv on top of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from shlex import quote

from launcher.environments.base import STEP, Facts, Supply, Tell, Wish
from launcher.environments.venv import Venv, sees_below
from launcher.errors import UsageError
from launcher.needed import floors
from launcher.scripts.shell import RemotePath

_OLDEST_PYTHON = (3, 9)

# Run by whatever Python it is; its words are the last of its stderr. A version's first numbers are compared, no more.
_LOOK = f"""\
import sys
if sys.version_info < {_OLDEST_PYTHON}:
    sys.exit("%s is Python %s, and a session needs {".".join(map(str, _OLDEST_PYTHON))} or newer; give another with "
             "--python, or take --method venv" % (sys.executable, sys.version.split()[0]))
from importlib import metadata
from re import findall
numbers = lambda version: [int(number) for number in findall(r"\\d+", version)[:3]]
wrong = []
for name, least in zip(sys.argv[1::2], sys.argv[2::2]):
    try:
        found = metadata.version(name)
        if numbers(found) < numbers(least): wrong.append(f"{{name}} {{found}} (at least {{least}})")
    except metadata.PackageNotFoundError:
        wrong.append(name)
if wrong:
    sys.exit(f"{{sys.executable}} lacks {{', '.join(wrong)}}; ask who keeps it, or take --method venv")
"""

_BUILD = """\
echo {step}
python=$(command -v {python}) || {{
  echo {missing} >&2
  exit 3
}}
"$python" -c {look} {needed}
printf '#!/bin/sh\\n# Starts a Python that was there. Made by springline.\\nexec "%s" "$@"\\n' "$python" >{start}
chmod 755 {start}
"""


class Existing:
    """A Python with all that a session needs."""

    name = "existing"

    def check(self, facts: Facts, wish: Wish) -> None:
        """Where something is to be installed, the Python must be one that this is made for."""
        if not _adds(wish):
            return
        if not wish.python.startswith(("/", "~", "$")):
            what = "--method existing with --extras or --requirements needs the Python's path"
            raise UsageError(what, "give --python PATH")
        Venv().check(facts, wish)

    def supplies(self, facts: Facts, wish: Wish, tell: Tell) -> Sequence[Supply]:
        """What is to be installed on top of it."""
        return Venv().supplies(facts, wish, tell) if _adds(wish) else ()

    def build_script(self, facts: Facts, wish: Wish, new: RemotePath, supplies: RemotePath) -> str:
        """Look at what it has, and fail with what it lacks; or make an environment on top of it, which sees it all."""
        if _adds(wish):
            return Venv().build_script(facts, wish, new, supplies) + sees_below(new, RemotePath(wish.python))
        python = _python(wish)
        missing = f"there is no {python} over there; load its module in the section's prologue, or give --python PATH"
        return _BUILD.format(
            step=quote(f"{STEP}look at what {python} has"),
            python=RemotePath(python).quoted(),
            missing=quote(missing),
            look=quote(_LOOK),
            needed=" ".join(quote(word) for pair in floors().items() for word in pair),
            start=(new / "python").quoted(),
        )

    def section(self, wish: Wish, prefix: RemotePath, new: RemotePath) -> Mapping[str, str | None]:
        """The Python itself, for it does not change places; or what starts the environment on top of it."""
        return {"python": f"{prefix.text}/python" if _adds(wish) else _python(wish), "image": None}


METHOD = Existing


def _adds(wish: Wish) -> bool:
    return bool(wish.extras or wish.requirements)


def _python(wish: Wish) -> str:
    """A path, or a name on the path; a bare version is the name that Python has."""
    return f"python{wish.python}" if re.fullmatch(r"\d[\d.]*", wish.python) else wish.python or wish.platform.python
