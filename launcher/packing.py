"""The scripts that send files of a run as one tar archive on their output. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from shlex import quote

from launcher.scripts import RemotePath, write_file

NOTHING = 4  # exit code: none of the files is there

_PACK = """\
set --
{pieces}
[ $# -gt 0 ] || exit {nothing}
exec tar -cf - "$@"
"""
_PACK_LISTED = """\
cd {directory} || exit 3
list=$(mktemp) || exit 3
trap 'rm -f "$list"' EXIT
{{
{names}
}} >"$list"
tar -cf - -T "$list"
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
    """Pack files and directories by their paths below a directory; each must be there."""
    text = "".join(f"./{name}\n" for name in names)
    body = write_file("/dev/stdout", text).replace("cat >/dev/stdout ", "cat ")
    return _PACK_LISTED.format(directory=_place(directory), names=body)


def _place(directory: str) -> str:
    return RemotePath(directory).quoted()
