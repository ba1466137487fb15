"""What lies on a platform: the sessions of an account, whichever computer they were started from. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from launcher.kinds import RUN, SESSION
from launcher.model import FINAL, NodeState, Session
from launcher.scripts.shell import RemotePath

FILES = ("session.json", "submission", "login", "state.json")

_JOB_NAME = re.compile(r"springline-[a-z0-9_-]+")  # it will stand in commands

# A random mark and the names before each file, so that nothing a file holds can pass for the next one; files may be
# missing, or half there. What was set aside has a dot in its name.
_LIST = """\
cd {sessions} 2>/dev/null || exit 0
printf '{mark} %s\\n' "$(pwd -P)"
for directory in */; do
  name=${{directory%/}}
  case $name in *[!a-z0-9-]*) continue;; esac
  for file in {files}; do
    printf '\\n{mark} %s %s\\n' "$name" "$file"
    [ ! -f "$name/$file" ] || head -c 100000 "$name/$file"
  done
done
"""


@dataclass(frozen=True)
class Found:
    """A session's directory on a platform, and what could be read in it."""

    name: str
    directory: str
    session: Session | None  # None: no readable session.json, so that nobody knows the name of its job
    known_as: str  # the platform's name where it was started
    submission: str  # what the scheduler answered to its submission
    node: NodeState | None

    @property
    def over(self) -> bool:
        """True if the session said that it ended, and for what reason: a run's job may begin again after some."""
        again = self.session is not None and self.session.kind is RUN and self.node and self.node.reason not in FINAL
        return self.node is not None and self.node.exit_code is not None and not again


def list_script(sessions: RemotePath, mark: str) -> str:
    """Print the small files of all sessions below a directory."""
    return _LIST.format(sessions=sessions.quoted(), mark=mark, files=" ".join(FILES))


def parse_list(text: str, mark: str, platform: str, config: str) -> list[Found]:
    """Read what `list_script` printed; `platform` and `config` are how this laptop knows the place."""
    home, *parts = re.split(rf"^{re.escape(mark)} ", text, flags=re.MULTILINE)[1:] or [""]
    files: dict[str, dict[str, str]] = {}
    for part in parts:
        head, _, body = part.partition("\n")
        name, _, file = head.partition(" ")
        files.setdefault(name, {})[file] = body
    found = [_found(name, f"{home.strip()}/{name}", texts) for name, texts in files.items()]
    return [
        replace(one, session=replace(one.session, platform=platform, config=config)) if one.session else one
        for one in found
    ]


def _found(name: str, directory: str, texts: Mapping[str, str]) -> Found:
    document = _object(texts.get("session.json", ""))
    job_name, created = document.get("job_name"), document.get("created")
    session = None
    if isinstance(job_name, str) and _JOB_NAME.fullmatch(job_name) and isinstance(created, str):
        session = Session(
            name,
            "",
            job_name,
            created,
            directory=directory,
            login=texts.get("login", "").strip(),
            noun=RUN.noun if job_name.startswith(RUN.prefix) else SESSION.noun,
            analysis=str(document.get("analysis", "")),
        )
    state = _object(texts.get("state.json", ""))
    return Found(
        name,
        directory,
        session,
        known_as=str(document.get("platform", "")),
        submission=texts.get("submission", "").strip(),
        node=NodeState.parse(state) if state else None,
    )


def _object(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
