"""The program that starts a packed environment's Python on whichever node. Text for /bin/sh; pure.

A copy appears by one rename. It is in use while somebody holds a lock on its file `springline-launcher`, which Python
inherits; that file also tells the node program how to start this Python on other nodes.
"""

from __future__ import annotations

LAUNCHER = """\
#!/bin/sh
# Starts the Python of a packed environment, from a copy on this node's own disk. Made by springline.
# SPRINGLINE_UNPACK: where to keep copies, rather than in $TMPDIR or /tmp; or `mount`, to use the archive as it is.
here=@HERE@
archive=$here/@ARCHIVE@
name=$(basename "$here")-$(printf %s "$here" | cksum | cut -d ' ' -f 1)
fail() { echo "springline: cannot start the packed environment $here on $(uname -n): $1" >&2; exit 78; }
unpack() { @UNPACK@; }

start() {  # Python of copy $1 with the words behind it; returns where there is none
  copy=$1; shift
  [ -r "$copy/springline-launcher" ] || return
  { command exec 9<"$copy/springline-launcher"; } 2>/dev/null || return
  flock -s 9; [ -x "$copy/env/bin/python" ] || return
  exec "$copy/env/bin/python" "$@" 7<&-
}

private() { mkdir -m 700 "$1" 2>/dev/null; [ -n "$(find "$1" -prune -type d -user "$(id -u)" ! -perm /077)" ]; }

roomy() {  # whether $1 is on this node's own disk, with enough room, in a directory nobody else may write in
  [ -d "$1" ] && [ -w "$1" ] || { said="$said; $1 cannot be written"; return 1; }
  case $(stat -f -c %T "$1" 2>/dev/null) in nfs*|lustre|gpfs|ceph|smb*|cifs|afs|panfs|beegfs|UNKNOWN*)
    said="$said; $1 is not this node's own"; return 1 ;;
  esac
  free=$(df -Pk "$1" | awk 'END { print $4 }')
  [ "$free" -gt "$(cat "$here/kilobytes")" ] || { said="$said; $1 has $((free / 1024)) MB"; return 1; }
  private "$1/springline-env-$(id -u)" || { said="$said; $1/springline-env-$(id -u) is not yours alone"; return 1; }
}

tidy() {  # copies in $1 that nobody uses: half-made, too old (before /tmp is swept below them), or of no environment
  for old in "$1"/*; do
    case $old in *.part) chmod -R u+w "$old"; rm -rf "$old"; continue ;; esac
    [ -e "$(cat "$old/springline-launcher")" ] && [ -z "$(find "$old/env" -prune -ctime +5)" ] && continue
    ( flock -n 8 && chmod -R u+w "$old" && rm -rf "$old" ) 8<"$old/springline-launcher"
  done
} 2>/dev/null

unmount() { { fusermount -u "$1/env" || fusermount3 -u "$1/env" || umount "$1/env"; } 2>/dev/null && rm -r "$1"; }

mounted() {  # like start, of a mount that goes away with the last process that uses it
  for old in "${TMPDIR:-/tmp}"/springline-mount-*; do  # of jobs that were killed
    ( flock -n 8 && unmount "$old" ) 8<"$old/springline-launcher"
  done 2>/dev/null
  command -v squashfuse >/dev/null || fail "there is no squashfuse; leave SPRINGLINE_UNPACK=mount out"
  mount=$(mktemp -d "${TMPDIR:-/tmp}/springline-mount-XXXXXX") && mkdir "$mount/env" || fail "no place for a mount"
  echo "$here/python" >"$mount/springline-launcher"
  squashfuse -o ro "$archive" "$mount/env" || { rm -r "$mount"; fail "squashfuse cannot mount $archive"; }
  exec 9<"$mount/springline-launcher"; flock -s 9
  ( exec 9<&-; trap '' HUP INT TERM
    flock 8; unmount "$mount" ) 8<"$mount/springline-launcher" </dev/null >/dev/null 2>&1 &
  exec "$mount/env/bin/python" "$@"
}

[ "${SPRINGLINE_UNPACK:-}" != mount ] || mounted "$@"
bases=$(for base in "${SPRINGLINE_UNPACK:-}" "${TMPDIR:-}" /tmp; do [ -z "$base" ] || echo "$base"; done)
IFS='
'
set -f
for base in $bases; do
  home=$base/springline-env-$(id -u)
  [ -n "$(find "$home/$name/env" -prune -ctime -5 2>/dev/null)" ] && private "$home" && start "$home/$name" "$@"
done
said='' home=''
for base in $bases; do
  if roomy "$base"; then home=$base/springline-env-$(id -u); break; fi
done
unset IFS
set +f
[ -n "$home" ] || fail "it needs $(($(cat "$here/kilobytes") / 1024)) MB of the node's own disk$said. \\
Set SPRINGLINE_UNPACK to a directory with room, in a line of the platform's \\`prologue\\`"
exec 7>"$home/.lock"
flock 7  # others of this node wait here, and find the copy
tidy "$home"
start "$home/$name" "$@"
part=$(mktemp -d "$home/$name.XXXXXX.part") && echo "$here/python" >"$part/springline-launcher" \\
  && unpack "$part/env" && mv -T "$part" "$home/$name" || { rm -rf "$part"; fail "it could not be unpacked in $home"; }
exec 7>&-
start "$home/$name" "$@"
fail "its copy $home/$name went away"
"""
