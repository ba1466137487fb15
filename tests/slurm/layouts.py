"""What each host of the cluster is made of."""

from __future__ import annotations

import pwd
from pathlib import Path

from tests.slurm import accounting as accounts
from tests.slurm import files, network
from tests.slurm.hosts import Directory, Layout
from tests.slurm.requirements import CHECKOUT, VENV_PYTHON, test_data

LOGINS = "cluster"  # on the laptop: one name for both login hosts
INNER = "inner-login"  # login's name on the bastion, and nowhere else
BASTION_PORT = 2222
COMMON = (
    *(Directory(path) for path in ("/run", "/var/spool", "/home", "/run/sshd")),
    *(Directory(path, 0o1777) for path in ("/tmp", "/var/tmp", "/dev/shm")),
)
# A bastion passes connections on and has no shell for anybody.
_INSIDE = ("login", "login2", INNER, network.LOGIN_ADDRESS, network.LOGIN2_ADDRESS)
_OPEN = " ".join(f"{host}:22" for host in _INSIDE)
_BASTION = f"PermitTTY no\nForceCommand echo no shell here\nPermitOpen {_OPEN}\n"
_PROFILE = f'PATH="$PATH:{VENV_PYTHON.parent}"\n'


def laptop(state: Path) -> Layout:
    """The laptop: the laptop's users, ssh, and the checkout's programs on the path."""
    etc = files.make_etc(state, "laptop", files.LAPTOP_USERS, laptop_names())
    files.write(etc / "profile.d/springline.sh", _PROFILE)
    binds = {user.home: str(state / "home/laptop" / user.name) for user in files.LAPTOP_USERS}
    return _layout(state, "laptop", etc, binds)


def laptop_names(*, second_first: bool = False) -> list[tuple[str, str]]:
    """What the laptop's /etc/hosts says; the name for both login hosts gives them in this order."""
    both = [(LOGINS, network.LOGIN_OUTSIDE_ADDRESS), (LOGINS, network.LOGIN2_OUTSIDE_ADDRESS)]
    return [
        ("laptop", network.LAPTOP_ADDRESS),
        ("login", network.LOGIN_OUTSIDE_ADDRESS),
        *(reversed(both) if second_first else both),
        ("bastion", network.BASTION_OUTSIDE_ADDRESS),
    ]


def member(state: Path, name: str, *, munge_key: bytes, nodes: int, accounting: bool, sshd: bool) -> Layout:
    """A login host or a node: Slurm, munge, the cluster's users with their shared homes."""
    addresses = network.inside_addresses(nodes)
    etc = files.make_etc(state, name, files.CLUSTER_USERS, addresses.items())
    files.make_slurm(etc, munge_key=munge_key, nodes=nodes, accounting=accounting)
    if sshd:
        first = state / "etc/login/ssh" / files.HOST_KEY  # both login hosts have one key, as real ones do
        files.make_sshd(etc, key=first if name == "login2" else None)
    if name == "login":
        files.make_factors(etc)
    binds = {user.home: str(state / "home/cluster" / user.name) for user in files.CLUSTER_USERS}
    own = _directories_of_slurm()
    if name == "login" and accounting:
        account = pwd.getpwnam("mysql")
        own.extend(accounts.directories(account.pw_uid, account.pw_gid))
    return _layout(state, name, etc, binds, own)


def bastion(state: Path) -> Layout:
    """The bastion: ssh only, with homes of its own, on the way to the login hosts."""
    addresses = {**network.inside_addresses(0), INNER: network.LOGIN_ADDRESS}
    etc = files.make_etc(state, "bastion", [files.ALICE], addresses.items())
    files.make_sshd(etc, port=BASTION_PORT, further=_BASTION)
    files.make_factors(etc, _BASTION)
    return _layout(state, "bastion", etc, {files.ALICE.home: str(state / "home/bastion/alice")})


def _layout(state: Path, name: str, etc: Path, binds: dict[str, str], own: list[Directory] | None = None) -> Layout:
    binds = {"/etc": str(etc), "/var/log": str(files.make_log(state, name)), **binds}
    return Layout(name, str(state), [*COMMON, *(own or [])], visible(), binds)


def visible() -> list[str]:
    """What every user of every host must be able to read where the outside has it."""
    return [str(path) for path in (CHECKOUT, test_data()) if path.is_dir()]


def _directories_of_slurm() -> list[Directory]:
    slurm, munge = pwd.getpwnam("slurm"), pwd.getpwnam("munge")
    return [
        Directory("/run/slurm", 0o755, slurm.pw_uid, slurm.pw_gid),
        Directory("/var/spool/slurmctld", 0o755, slurm.pw_uid, slurm.pw_gid),
        Directory("/var/spool/slurmd"),
        Directory("/run/munge", 0o755, munge.pw_uid, munge.pw_gid),
        Directory("/var/lib/munge", 0o711, munge.pw_uid, munge.pw_gid),
    ]
