"""The text of every configuration file of the cluster. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

NODE_CPUS = 8
NODE_MEMORY = 8000  # MB
FIRST_USER_ID = 20001
CLUSTER = "springline"
ACCOUNT = "lab"

_SLURM = """\
ClusterName={cluster}
SlurmctldHost=login
SlurmUser=slurm
AuthType=auth/munge
AuthInfo=cred_expire=10
StateSaveLocation=/var/spool/slurmctld
SlurmdSpoolDir=/var/spool/slurmd
SlurmctldPidFile=/run/slurm/slurmctld.pid
SlurmdPidFile=/run/slurm/slurmd.pid
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=UsePss,OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=500
PropagateResourceLimits=NONE
MpiDefault=none
ReturnToService=2
SlurmdTimeout=15
KillWait=5
TCPTimeout=2
MinJobAge=300
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
{accounting}
NodeName=node[1-{nodes}] CPUs={cpus} RealMemory={memory} State=UNKNOWN
PartitionName=normal Default=YES Nodes=ALL LLN=YES MaxTime=1-00:00:00 PriorityTier=10 PreemptMode=OFF
PartitionName=short Nodes=ALL LLN=YES MaxTime=00:05:00 PriorityTier=10 PreemptMode=OFF
PartitionName=down Nodes=ALL State=DOWN PriorityTier=10 PreemptMode=OFF
PartitionName=preempt-cancel Nodes=ALL LLN=YES MaxTime=1-00:00:00 PriorityTier=1 PreemptMode=CANCEL
PartitionName=preempt-requeue Nodes=ALL LLN=YES MaxTime=1-00:00:00 PriorityTier=1 PreemptMode=REQUEUE
"""

_ACCOUNTING = """\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=login
JobCompType=jobcomp/none"""

_SLURMDBD = """\
AuthType=auth/munge
DbdHost=login
SlurmUser=slurm
PidFile=/run/slurm/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=slurm
StorageLoc=slurm_acct_db
"""

_SSHD = """\
HostKey /etc/ssh/ssh_host_ed25519_key
PidFile none
UsePAM no
UseDNS no
PermitRootLogin no
PasswordAuthentication no
KbdInteractiveAuthentication no
AllowTcpForwarding yes
AllowStreamLocalForwarding yes
MaxStartups 200
MaxSessions 100
AcceptEnv LANG LC_*
LogLevel VERBOSE
Subsystem sftp internal-sftp
"""


@dataclass(frozen=True)
class User:
    """An ordinary user of some hosts; its group has the same name and number."""

    name: str
    uid: int
    shell: str = "/bin/bash"
    rc: str = ""  # what stands above everything else in .bashrc

    @property
    def home(self) -> str:
        """The home directory inside a host."""
        return f"/home/{self.name}"


def slurm_conf(*, nodes: int, accounting: bool) -> str:
    """Return slurm.conf for `nodes` equal nodes."""
    return _SLURM.format(
        cluster=CLUSTER,
        nodes=nodes,
        cpus=NODE_CPUS,
        memory=NODE_MEMORY,
        accounting=_ACCOUNTING if accounting else "AccountingStorageType=accounting_storage/none",
    )


def cgroup_conf(slurm_version: tuple[int, ...]) -> str:
    """Return cgroup.conf: slurmd loads a plugin even when nothing uses it, so name the one that wants least."""
    return f"CgroupPlugin={'disabled' if slurm_version >= (24,) else 'cgroup/v1'}\n"


def slurmdbd_conf() -> str:
    """Return slurmdbd.conf, for a mariadb that knows the user slurm by its socket."""
    return _SLURMDBD


def sshd_config(openssh_version: tuple[int, ...], *, port: int = 22, further: str = "") -> str:
    """Return sshd_config; newer servers would lock an address out after a few refused logins.

    `further` comes first: of two lines for one setting sshd takes the first, except below a Match.
    """
    lenient = "PerSourcePenalties no\n" if openssh_version >= (9, 8) else ""
    return f"Port {port}\n{further}{_SSHD}{lenient}Match User nora\n    Banner /etc/ssh/banner\n"


def hosts_file(addresses: Iterable[tuple[str, str]]) -> str:
    """Return /etc/hosts for names and addresses; a name may stand there twice."""
    return "".join(f"{address}\t{name}\n" for name, address in (("localhost", "127.0.0.1"), *addresses))


def passwd(outer: str, users: Iterable[User]) -> str:
    """Return /etc/passwd: the outside's system accounts, no people of the outside, these users."""
    system = [line for line in outer.splitlines() if _is_system(line)]
    people = [f"{user.name}:x:{user.uid}:{user.uid}::{user.home}:{user.shell}" for user in users]
    return "\n".join([*system, *people]) + "\n"


def group(outer: str, users: Iterable[User]) -> str:
    """Return /etc/group, in the manner of `passwd`."""
    system = [line for line in outer.splitlines() if _is_system(line)]
    return "\n".join([*system, *(f"{user.name}:x:{user.uid}:" for user in users)]) + "\n"


def shadow(passwd_text: str, passwords: Mapping[str, str]) -> str:
    """Return /etc/shadow: these hashes, else no password at all ("*"; "!" would lock the account, keys included)."""
    names = [line.split(":")[0] for line in passwd_text.splitlines()]
    return "".join(f"{name}:{passwords.get(name, '*')}:19000:0:99999:7:::\n" for name in names)


def _is_system(line: str) -> bool:
    """Whether a line of passwd or group is of a system account."""
    fields = line.split(":")
    return len(fields) > 2 and fields[2].isdigit() and not 1000 <= int(fields[2]) < 64000


def known_hosts(names: Sequence[str], public_key: str) -> str:
    """Return the line of known_hosts for a server."""
    return f"{','.join(names)} {' '.join(public_key.split()[:2])}\n"


def platform_section(name: str, *, host: str, user: str, keypath: str, python: str) -> str:
    """Return a section of platforms.ini."""
    return f"""\
[{name}]
host = {host}
user = {user}
keypath = {keypath}
scheduler = slurm
partition = normal
walltime = 00:30:00
cores = 1
memory = 1GB
python = {python}
worker_cores = 1
worker_memory = 1GB
worker_walltime = 00:20:00
worker_partition = normal
"""
