"""The scripts that send files of a run as one tar archive on their output. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from shlex import quote

from launcher.scripts.shell import RemotePath, end_mark

NOTHING = 4  # exit code: none of the files is there
MISSING = 5  # exit code: not all of them are there

_PACK = """\
set --
{pieces}
[ $# -gt 0 ] || exit {nothing}
exec tar -cf - "$@"
"""
# One name a line; those that a line cannot hold follow as bytes. All of them reach tar with a zero byte at their end.
_PACK_LISTED = """\
cd {directory} || exit 3
list=$(mktemp) || exit 3
trap 'rm -f "$list"' EXIT
missing=
add() {{ if [ -e "$1" ] || [ -L "$1" ]; then printf '%s\\0' "$1"; else missing=1; printf '%s\\n' "${{1#./}}" >&2; fi; }}
{{
{names}
}} >"$list"
[ -z "$missing" ] || exit {missing}
tar -cf - --null -T "$list"
"""
_LINES = """\
while IFS= read -r name; do add "./$name"; done <<'{end}'
{lines}{end}
"""


def pack_script(pieces: Iterable[tuple[str, Sequence[str]]]) -> str:
    """Pack those of the files (or directories) that are there: pairs of a directory and names in it."""
    lines = [
        f'[ ! -e {_place(directory)}/{quote(name)} ] || set -- "$@" -C {_place(directory)} {quote("./" + name)}'
        for directory, names in pieces
        for name in names
    ]
    return _PACK.format(pieces="\n".join(lines), nothing=NOTHING)


def pack_listed_script(directory: str, names: Sequence[str]) -> str:
    """Pack files and directories by their paths below a directory; those that are not there are named on stderr."""
    plain = [name for name in names if name.isprintable()]
    lines = "".join(f"{name}\n" for name in plain)
    added = [_LINES.format(lines=lines, end=end_mark(lines))] if plain else []
    for name in names:
        if not name.isprintable():
            octal = "".join(f"\\0{byte:03o}" for byte in name.encode(errors="surrogateescape"))
            added.append(f"name=$(printf '%b.' '{octal}'); add \"./${{name%.}}\"\n")
    return _PACK_LISTED.format(directory=_place(directory), names="".join(added) or ":", missing=MISSING)


def _place(directory: str) -> str:
    return RemotePath(directory).quoted()
