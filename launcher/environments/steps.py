"""The scripts around the making of an environment. Pure.

What they touch, they note before in the file `made` below the prefix: every path, in its order; those above it whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote

from launcher.scripts.shell import RemotePath, end_mark, write_file

ABANDONED_MINUTES = 60  # an environment that was not finished by then is nobody's work any more
_ID = "[0-9]" * 8 + "T" + "[0-9]" * 6 + "-" + "[0-9a-f]" * 4  # what the name of an environment looks like
KEPT_DAYS = 14  # an older environment, where sessions of somebody may still use it

# What is not noted, or is named otherwise, is somebody else's, and is neither marked nor removed.
_OURS = f"""\
ours() {{ case $1 in envs/{_ID}) grep -qxF "$1" made;; *) false;; esac; }}
"""
# Directories above the prefix that are not there are noted as ours, too.
_PREPARE = """\
{ours}
umask {umask}
missing=; directory={prefix}
while [ ! -d "$directory" ]; do missing="$directory
$missing"; directory=${{directory%/*}}; directory=${{directory:-/}}; done
mkdir -p {prefix} && cd {prefix} || exit 3
grep -qsx python made || printf 'python\n%s' "$missing" >>made || exit 3
for one in envs supplies record.json {names}; do
  grep -qxF "$one" made || echo "$one" >>made || exit 3
done
mkdir -p envs || exit 3
[ -d supplies ] || mkdir -m 700 supplies || exit 3
for building in envs/*/.building; do
  ! ours "${{building%/*}}" || [ -z "$(find "$building" -mmin +{minutes} 2>/dev/null)" ] || rm -rf "${{building%/*}}"
done
mkdir {new} && : >{new}/.building || exit 3
"""
_BUILD = """\
if command -v bash >/dev/null; then shell='bash -l'; else shell=sh; fi
$shell <<'{end}'
{{
{prologue}
umask {umask}
set -e
echo "$(uname -n) $(ps -o pgid= -p $$ | tr -d ' ')" >{new}/.building
{build}
}} </dev/null
{end}
"""
_FIND = """\
import importlib.metadata as metadata, importlib.util as util, json, sys
missing = [name for name in sys.argv[1:] if util.find_spec(name) is None]
packages = {found.metadata["Name"]: found.version for found in metadata.distributions() if found.metadata["Name"]}
print("@found", json.dumps({"missing": missing, "python": sys.version.split()[0], "packages": packages}))
"""
_LOOK = """\
{new}/python -c {find} {modules} </dev/null || exit 3
{new}/python -c 'import distributed, jupyterlab' </dev/null || exit 3
du -sk {new} | {{ read -r size rest; echo "@size $size"; }}
"""
# Python is started by its own path. A path in the words of `grep` itself would be found, too.
_RUNNING = """\
running() {{ printf '%s\\n' "$1" | grep -{how}sF -f - /proc/[0-9]*/cmdline; }}
"""
_TAKE_OVER = """\
{running}
{ours}
umask {umask}
cd {prefix} || exit 3
{record}
rm -f envs/{id}/.lock  # uv's, which anybody could write to
cp envs/{id}/python .python.new && chmod {mode} .python.new && rm -f envs/{id}/.building || exit 3
mv -f .python.new python && mv -f .record.new record.json || exit 3
for one in envs/*; do
  [ "$one" = envs/{id} ] || ! ours "$one" || [ -f "$one/.building" ] || [ -f "$one/.replaced" ] || : >"$one/.replaced"
done
for one in envs/*/.replaced; do
  [ ! -f "$one" ] || ! ours "${{one%/*}}" || {keep} || running "$PWD/${{one%/*}}/" || rm -rf "${{one%/*}}"
done
"""
# What makes it may still be at work, after a Ctrl-C here; its processes are a group of their own.
_DISCARD = """\
read -r host group <{new}/.building 2>/dev/null
[ "$host" != "$(uname -n)" ] || [ "${{group:-0}}" -le 1 ] || kill -- "-$group" 2>/dev/null
rm -rf {new} || {{ sleep 1; rm -rf {new}; }}
"""
# Nothing but what `made` says and is named as ours is, the newest first; a directory only when nothing else is in it.
_REMOVE = """\
cd {prefix} || exit 3
tac made 2>/dev/null >.removing || sed '1!G;h;$!d' made >.removing || exit 3
while IFS= read -r path; do
  case $path in
    envs/{id}) rm -rf "./$path";;
    envs | supplies) rmdir "./$path" 2>/dev/null;;
    /* | envs/* | *..*) ;;
    ?*) rm -f "./$path";;
  esac
done <.removing
above=$(grep '^/' .removing)
rm -f .removing made
find . ! -name . | head -n 20 | sed 's/^/@left /'
cd /
printf '%s\\n' "$above" | while IFS= read -r path; do [ -z "$path" ] || rmdir "$path" 2>/dev/null; done
exit 0
"""


def umask(shared: bool) -> str:
    """Everything is the user's alone, or for others to read, where it is shared."""
    return "022" if shared else "077"


def prepare(prefix: RemotePath, identity: str, supplies: Sequence[str], *, shared: bool) -> str:
    """Make the directories, note what will be made, remove what was abandoned."""
    names = [f"envs/{identity}", *(f"supplies/{name}" for name in supplies)]
    return _PREPARE.format(
        ours=_OURS,
        prefix=prefix.quoted(),
        umask=umask(shared),
        names=" ".join(quote(name) for name in names),
        new=quote(f"envs/{identity}"),
        minutes=ABANDONED_MINUTES,
    )


def build(new: RemotePath, prologue: Sequence[str], text: str, *, shared: bool) -> str:
    """Run a method's script as a session would run: in a login shell, after the platform's prologue."""
    body = "\n".join([*prologue, text])
    return _BUILD.format(
        new=new.quoted(), prologue="\n".join(prologue), build=text, umask=umask(shared), end=end_mark(body)
    )


def verify(new: RemotePath, modules: Sequence[str], prologue: Sequence[str]) -> str:
    """Look what is in a new environment, and import what every session does first."""
    look = _LOOK.format(new=new.quoted(), find=quote(_FIND), modules=" ".join(modules))
    return build(new, prologue, look, shared=False)


def take_over(prefix: RemotePath, identity: str, record: str, *, shared: bool, used: bool) -> str:
    """The one rename, then the record. Environments that were replaced stay for as long as sessions may use them."""
    return _TAKE_OVER.format(
        running=_RUNNING.format(how="q"),
        ours=_OURS,
        prefix=prefix.quoted(),
        id=identity,
        umask=umask(shared),
        record=write_file(".record.new", record),
        mode="755" if shared else "700",
        keep=f'[ -z "$(find "$one" -mtime +{KEPT_DAYS})" ]' if used else "false",
    )


def processes(prefix: RemotePath) -> str:
    """List the processes of that host that were started from an environment there, each as /proc/ID/cmdline."""
    return f"{_RUNNING.format(how='l')}running {prefix.quoted()}/envs/ || true"


def discard(new: RemotePath) -> str:
    """Remove an environment that was not finished."""
    return _DISCARD.format(new=new.quoted())


def remove(prefix: RemotePath) -> str:
    """Remove what was made; `@left` names what is there besides, and stays."""
    return _REMOVE.format(prefix=prefix.quoted(), id=_ID)
