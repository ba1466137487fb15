"""The state directory: each host's /etc and logs, the users' homes, the keys.

STATE/etc/HOST  STATE/log/HOST  STATE/home/cluster/USER  STATE/home/laptop/USER  STATE/cluster.json
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from tests.slurm import configuration, factors
from tests.slurm.configuration import FIRST_USER_ID, User

LAPTOP_USER = User("scientist", FIRST_USER_ID)
COLLEAGUE = User("colleague", FIRST_USER_ID + 10)  # another account on the laptop, with a key of its own for alice
LAPTOP_USERS = (LAPTOP_USER, COLLEAGUE)
ALICE, MALLORY = User("alice", FIRST_USER_ID + 1), User("mallory", FIRST_USER_ID + 2)
TESS, FINN = User("tess", FIRST_USER_ID + 3, "/bin/tcsh"), User("finn", FIRST_USER_ID + 4, "/usr/bin/fish")
NORA = User("nora", FIRST_USER_ID + 5, rc="echo 'Welcome! Your quota is 97% full.'; echo 'module: gcc/13' >&2\n")
SVEN = User("sven", FIRST_USER_ID + 6, rc="sleep 3\n")
CLUSTER_USERS = (ALICE, MALLORY, TESS, FINN, NORA, SVEN)
BANNER = "NOTICE: authorised use only.\n"  # shown to nora before she is in
HOST_KEY = "ssh_host_ed25519_key"


def version_of(command: Sequence[str]) -> tuple[int, ...]:
    """Return the first version number a program prints of itself."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
    return tuple(int(part) for part in found.group().split(".")) if found else ()


def write(path: Path, text: str | bytes, *, mode: int = 0o644, owner: str | int = 0) -> None:
    """Write a file of a host, in place of whatever had its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(mode)
    give(path, owner)


def give(path: Path, owner: str | int) -> None:
    """Make an account of the outside, or a numbered user, own a file and its group."""
    if isinstance(owner, int):
        os.chown(path, owner, owner)
    else:
        account = pwd.getpwnam(owner)
        os.chown(path, account.pw_uid, account.pw_gid)


def directory(path: Path, mode: int, owner: str | int = 0) -> Path:
    """Make a directory of exactly this mode."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(mode)
    give(path, owner)
    return path


def make_key(path: Path, comment: str, *, owner: int = 0) -> str:
    """Make an ssh key pair without a passphrase; returns the public key."""
    path.unlink(missing_ok=True)
    path.with_suffix(".pub").unlink(missing_ok=True)
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)]
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    for file in (path, path.with_suffix(".pub")):
        give(file, owner)
    return path.with_suffix(".pub").read_text()


def make_homes(state: Path) -> None:
    """Make the users' homes, and the keys: the laptop user has them for everybody, the colleague for alice."""
    laptop, colleague = (make_home(state / "home/laptop", user) for user in LAPTOP_USERS)
    ours = make_key(laptop / ".ssh/id_ed25519", "scientist@laptop", owner=LAPTOP_USER.uid)
    mallory_s = make_key(laptop / ".ssh/id_mallory", "scientist@laptop", owner=LAPTOP_USER.uid)
    theirs = make_key(colleague / ".ssh/id_ed25519", "colleague@laptop", owner=COLLEAGUE.uid)
    keys = {**dict.fromkeys(CLUSTER_USERS, ours), ALICE: ours + theirs, MALLORY: mallory_s}
    for user in CLUSTER_USERS:
        write(make_home(state / "home/cluster", user) / ".ssh/authorized_keys", keys[user], mode=0o600, owner=user.uid)
    write(make_home(state / "home/bastion", ALICE) / ".ssh/authorized_keys", ours, mode=0o600, owner=ALICE.uid)


def make_home(parent: Path, user: User) -> Path:
    """Make one home directory, 0700, with the distribution's dot files."""
    home = directory(parent / user.name, 0o700, user.uid)
    for skeleton in Path("/etc/skel").iterdir():
        if skeleton.is_file():
            write(home / skeleton.name, skeleton.read_bytes(), owner=user.uid)
    if user.rc:
        write(home / ".bashrc", user.rc + (home / ".bashrc").read_text(), owner=user.uid)
    directory(home / ".ssh", 0o700, user.uid)
    return home


def make_etc(state: Path, host: str, users: Iterable[User], addresses: Iterable[tuple[str, str]]) -> Path:
    """Make a host's /etc: the outside's, with the cluster's names and people and no secrets."""
    etc = state / "etc" / host
    etc.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", "/etc", str(etc)], check=True)
    outer_passwd, outer_group = Path("/etc/passwd").read_text(), Path("/etc/group").read_text()
    users = list(users)
    passwd = configuration.passwd(outer_passwd, users)
    write(etc / "passwd", passwd)
    write(etc / "group", configuration.group(outer_group, users))
    write(etc / "shadow", configuration.shadow(passwd, {ALICE.name: factors.PASSWORD_HASH}), mode=0o600)
    write(etc / "hostname", f"{host}\n")
    write(etc / "hosts", configuration.hosts_file(addresses))
    write(etc / "resolv.conf", "")
    for name in ("passwd-", "group-", "shadow-", "gshadow", "gshadow-", "machine-id"):
        (etc / name).unlink(missing_ok=True)
    for name in ("ssh", "slurm", "munge"):
        shutil.rmtree(etc / name, ignore_errors=True)
        (etc / name).mkdir()
    return etc


def make_sshd(etc: Path, *, port: int = 22, further: str = "", key: Path | None = None) -> None:
    """Give a host an ssh server's configuration, and a host key: its own, or that of another host."""
    write(etc / "ssh/sshd_config", configuration.sshd_config(openssh(), port=port, further=further))
    write(etc / "ssh/banner", BANNER)
    if key is None:
        make_key(etc / "ssh" / HOST_KEY, etc.name)
        return
    for file in (key, key.with_suffix(".pub")):
        shutil.copy(file, etc / "ssh" / file.name)


def make_factors(etc: Path, further: str = "") -> None:
    """Give a host the servers that want more than a key, or something else: configuration, PAM stacks, secrets."""
    for way in factors.WAYS.values():
        named = f"PAMServiceName {way.name}\n" if openssh() >= (9, 8) else ""
        text = configuration.sshd_config(openssh(), port=way.port, further=named + way.sshd + further)
        write(etc / f"ssh/{way.name}_config", text)
        write(etc / f"pam.d/{way.name}", way.pam)
    write(etc / "otp" / ALICE.name, factors.SECRET_FILE, mode=0o400)


@cache
def openssh() -> tuple[int, ...]:
    """The version of this machine's OpenSSH."""
    return version_of(["ssh", "-V"])


def make_slurm(etc: Path, *, munge_key: bytes, nodes: int, accounting: bool) -> None:
    """Give a host of the cluster Slurm's and munge's configuration."""
    slurm = etc / "slurm"
    write(slurm / "slurm.conf", configuration.slurm_conf(nodes=nodes, accounting=accounting))
    write(slurm / "cgroup.conf", configuration.cgroup_conf(version_of(["slurmctld", "-V"])))
    if accounting and etc.name == "login":
        write(slurm / "slurmdbd.conf", configuration.slurmdbd_conf(), mode=0o600, owner="slurm")
    directory(etc / "munge", 0o700, "munge")
    write(etc / "munge/munge.key", munge_key, mode=0o400, owner="munge")


def make_log(state: Path, host: str) -> Path:
    """Make a host's /var/log."""
    log = directory(state / "log" / host, 0o755)
    directory(log / "munge", 0o700, "munge")
    return log
