"""The probes' text, each for a shell of its own that nobody types into. Pure."""

from __future__ import annotations

from shlex import quote

from launcher.needed import MODULES

# Names the analyses and sessions need, as find_spec knows them; asked of every Python found.
WANTED = (*MODULES, "jobs")
PYTHON_NAMES = ("python3", *(f"python3.{minor}" for minor in range(14, 8, -1)), "python")

# key|value
_SYSTEM = """\
echo "system|$(uname -s)"; echo "arch|$(uname -m)"; echo "kernel|$(uname -r)"; echo "node|$(uname -n)"
libc=$(getconf GNU_LIBC_VERSION 2>/dev/null || { ldd --version 2>&1 | grep -i -A1 musl | tr '\\n' ' '; })
echo "libc|$libc"
echo "name|$( (. /etc/os-release && echo "$PRETTY_NAME") 2>/dev/null )"
echo "user|$(id -un)"; echo "home|$HOME"; echo "shell|${SHELL:-}"; echo "umask|$(umask)"; echo "clock|$(date +%s)"
echo "tmpdir|${TMPDIR:-}"; echo "cores|$(getconf _NPROCESSORS_ONLN 2>/dev/null)"
exit 0"""

# python|name as asked|path|version|standard parts it has|wanted modules it has. It must speak Python 3.4, too.
_ASK_PYTHON = f"""\
import importlib.util, sys
sys.path = [entry for entry in sys.path if entry]  # not what lies in the directory we happen to be in
has = lambda *names: " ".join(n for n in names if importlib.util.find_spec(n) is not None)
print("python", sys.argv[1], sys.executable, ".".join(map(str, sys.version_info[:3])),
      has("venv", "ensurepip", "pip"), has(*{WANTED!r}), sep="|")"""
_PYTHONS = f"""\
for name in {" ".join(PYTHON_NAMES)}; do
  path=$(command -v "$name" 2>/dev/null) || continue
  "$path" -c {quote(_ASK_PYTHON)} "$name" 2>/dev/null || echo "broken|$name|$path"
done
exit 0"""

# tool|name|path|first line of what it says of its version
_TOOLS = """\
PATH="$PATH:$HOME/.local/bin:$HOME/bin:$HOME/.cargo/bin:$HOME/miniforge3/bin:$HOME/miniconda3/bin:/usr/sbin:/sbin"
for name in uv micromamba mamba conda apptainer singularity mksquashfs unsquashfs squashfuse tar zstd curl wget; do
  path=$(command -v "$name" 2>/dev/null) || continue
  case $name in *squash*) option=-version;; *) option=--version;; esac
  echo "tool|$name|$path|$("$path" $option 2>&1 </dev/null | grep -m 1 '[0-9]' | tr '|' ' ')"
done
exit 0"""

# proxy|variable|host:port, without what it may hold of a password; pypi|ok or no|in words
# Whatever Python raises is the answer.
_ASK_PYPI = """\
import sys, urllib.request
try: urllib.request.urlopen("https://pypi.org/simple/pip/", timeout=8).close()
except Exception as error: sys.exit(str(error))"""
_INTERNET = f"""\
for name in https_proxy HTTPS_PROXY http_proxy HTTP_PROXY all_proxy ALL_PROXY; do
  eval "value=\\${{$name:-}}"
  [ -z "$value" ] || {{ value=${{value##*@}}; value=${{value#*://}}; echo "proxy|$name|${{value%%/*}}"; }}
done
if command -v curl >/dev/null 2>&1; then
  said=$(curl -fsS -o /dev/null --max-time 10 https://pypi.org/simple/pip/ 2>&1); code=$?
elif command -v wget >/dev/null 2>&1; then
  said=$(wget -q -t 1 -T 10 -O /dev/null https://pypi.org/simple/pip/ 2>&1); code=$?
else
  said=$(python3 -c {quote(_ASK_PYPI)} 2>&1); code=$?
fi
[ $code = 0 ] && echo "pypi|ok|" || echo "pypi|no|$(printf '%s' "$said" | tail -n 1 | tr '|' ' ')"
exit 0"""

# room|what was asked|what there is of it|type|total KiB|free KiB|free inodes|mounted on|source|writable; quota|words
_LOOK = """\
look() {
  there=$2; while [ ! -e "$there" ] && [ "${there%/*}" != "$there" ]; do there=${there%/*}; done; there=${there:-/}
  kind=$(stat -f -c %T "$there" 2>/dev/null || df -T "$there" 2>/dev/null | awk 'NR == 2 { print $2 }')
  inodes=$(df -Pi "$there" 2>/dev/null | awk 'END { print $4 }')
  [ -w "$there" ] && writable=yes || writable=no
  df -Pk "$there" 2>/dev/null | awk -v one="$1|$there|$kind" -v inodes="$inodes" -v writable="$writable" \\
    'END { print one "|" $2 "|" $4 "|" inodes "|" $6 "|" $1 "|" writable }'
}"""
_ROOM = f"""\
{_LOOK}
for path in "$HOME" "$@"; do look "room|$path" "$path"; done
if command -v quota >/dev/null 2>&1; then quota -s 2>/dev/null | sed 's/^/quota|/'; fi
if command -v lfs >/dev/null 2>&1; then lfs quota -hu "$(id -un)" "$HOME" 2>/dev/null | sed 's/^/quota|/'; fi
exit 0"""

# scratch|variable or empty|path|… as of room
_SCRATCH = f"""\
{_LOOK}
me=$(id -un)
for name in TMPDIR SCRATCH SCRATCHDIR WORK WORKDIR PSCRATCH DATAWORK; do
  eval "value=\\${{$name:-}}"; [ -d "$value" ] && look "scratch|$name|$value" "$value"
done
for path in /scratch/$me /scratch-shared/$me /scratch-local/$me /gpfs/scratch/$me /lustre/scratch/$me /work/$me; do
  [ -d "$path" ] && look "scratch||$path" "$path"
done
exit 0"""

# system|lmod or modules|version; module|name/version
_MODULES = """\
if ! command -v module >/dev/null 2>&1; then
  for file in /etc/profile.d/lmod.sh /etc/profile.d/z00_lmod.sh /etc/profile.d/modules.sh; do
    [ -r "$file" ] && . "$file" >/dev/null 2>&1 && break
  done
fi
command -v module >/dev/null 2>&1 || exit 0
[ -n "${LMOD_VERSION:-}" ] && echo "system|lmod|$LMOD_VERSION" || echo "system|modules|${MODULES_VERSION:-}"
wanted='python|conda|mamba|apptainer|singularity|jupyter|dask'
module -t avail 2>&1 | grep -Ei "$wanted" | head -n 200 | sed 's/^/module|/'
exit 0"""

# Each line after the `|` as SLURM wrote it; error|program|its last words
_SLURM = """\
command -v sinfo >/dev/null 2>&1 || exit 0
me=$(id -un)
ask() {
  what=$1; shift
  said=$(${SPRINGLINE_LIMIT:+$SPRINGLINE_LIMIT 12} "$@" 2>&1) &&
    printf '%s\\n' "$said" | sed "s/^/$what|/" ||
    echo "error|$1|$(printf '%s' "$said" | tail -n 1)"
}
ask version sinfo --version
ask sinfo sinfo -h -o '%R|%a|%l|%D|%c|%m|%G'
ask partition scontrol -o show partition
ask config scontrol show config | grep -E '^error|^config.(AccountingStorageEnforce|DefMemPer|MaxMemPer|ClusterName)'
ask user sacctmgr -nP show user "$me" format=DefaultAccount
ask assoc sacctmgr -nP show assoc where user="$me" format=Cluster,Account,Partition,QOS,DefaultQOS
ask qos sacctmgr -nP show qos format=Name,MaxWall,MaxTRESPU,MaxJobsPU
exit 0"""

# version, server, queue and node lines after the `|` as PBS wrote them; of nodes only what a job can ask for
_PBS = """\
command -v qstat >/dev/null 2>&1 || exit 0
version=$(qstat --version 2>&1) && echo "version|$(printf '%s' "$version" | tail -n 1)"
qstat -B -f 2>/dev/null | grep -E '^Server|default_queue|pbs_version' | sed 's/^/server|/'
said=$(${SPRINGLINE_LIMIT:+$SPRINGLINE_LIMIT 20} qstat -Q -f 2>&1) && printf '%s\\n' "$said" | sed 's/^/queue|/' ||
  echo "error|qstat|$(printf '%s' "$said" | tail -n 1)"
wanted='^[^ ]|^ *(state|np|properties|resources_available[.](ncpus|mem|ngpus|Qlist|queue_list)) ='
pbsnodes -a 2>/dev/null | grep -E "$wanted" | head -n 20000 | sed 's/^/node|/'
exit 0"""

FRAGMENTS = {
    "system": _SYSTEM,
    "pythons": _PYTHONS,
    "tools": _TOOLS,
    "internet": _INTERNET,
    "room": _ROOM,
    "scratch": _SCRATCH,
    "modules": _MODULES,
    "slurm": _SLURM,
    "pbs": _PBS,
    # Whichever there is: SLURM may come with PBS's commands, too.
    "scheduler": f"if command -v sinfo >/dev/null 2>&1; then\n{_SLURM}\nfi\n{_PBS}",
}
