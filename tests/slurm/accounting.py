"""Accounting: mariadb behind a socket, slurmdbd, and the users' associations."""

from __future__ import annotations

from pathlib import Path

from tests.slurm.configuration import ACCOUNT, CLUSTER
from tests.slurm.daemons import Daemon
from tests.slurm.hosts import Directory, Host

DATA = "/var/lib/mysql"
SOCKET = "/run/mysqld/mysqld.sock"
DBD_PORT = 6819
_GRANT = "CREATE USER slurm@localhost IDENTIFIED VIA unix_socket; GRANT ALL ON slurm_acct_db.* TO slurm@localhost;"
# The database lives in memory and dies with the host: nothing needs to reach a disk.
_MARIADBD = (
    "mariadbd --no-defaults --user=mysql --skip-networking --skip-log-bin --skip-name-resolve "
    f"--datadir={DATA} --socket={SOCKET} --pid-file=/run/mysqld/mysqld.pid "
    "--innodb-buffer-pool-size=64M --innodb-log-file-size=16M --innodb-lock-wait-timeout=900 "
    "--innodb-flush-log-at-trx-commit=0"
).split()
_INSTALL = f"mariadb-install-db --no-defaults --user=mysql --datadir={DATA} --skip-test-db --skip-name-resolve"


def directories(uid: int, gid: int) -> list[Directory]:
    """Return the directories mariadb needs of its own; the numbers are those of the user mysql."""
    return [Directory(DATA, 0o700, uid, gid), Directory("/run/mysqld", 0o755, uid, gid)]


def daemons(login: Host, log: Path) -> list[Daemon]:
    """Return mariadb and slurmdbd, in the order of their start."""
    socket = Path(f"/proc/{login.record.pid}/root{SOCKET}")
    return [
        Daemon(login, "mariadb", _MARIADBD, log / "mariadb.log", socket.exists),
        Daemon(login, "slurmdbd", ["slurmdbd", "-D"], log / "slurmdbd.log", lambda: login.listens(DBD_PORT)),
    ]


def start(login: Host, log: Path, users: tuple[str, ...]) -> None:
    """Start accounting from nothing, before slurmctld, which wants its cluster to be known."""
    mariadb, slurmdbd = daemons(login, log)
    login.run(f"{_INSTALL} >>/var/log/mariadb-install.log 2>&1")
    mariadb.start()
    login.run(["mariadb", "--no-defaults", f"--socket={SOCKET}"], input=_GRANT)
    slurmdbd.start()
    login.run(f"sacctmgr -i add cluster {CLUSTER}")
    login.run(f"sacctmgr -i add account {ACCOUNT} cluster={CLUSTER}")
    login.run(f"sacctmgr -i add user {','.join(users)} account={ACCOUNT} cluster={CLUSTER}")
