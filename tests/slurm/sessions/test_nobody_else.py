"""Mallory, on the same login host and the same node, gets nowhere: not at files, token, JupyterLab, Dask or tunnel."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from tests.slurm.hosts import Host
from tests.slurm.laptop import Springline, reaches
from tests.slurm.upping import Up, start, until

PEEP = """\
import os, sys
token, seen = sys.stdin.read().strip().encode(), 0
for pid in filter(str.isdigit, os.listdir("/proc")):
    for name in ("cmdline", "environ"):
        try:
            text = open(f"/proc/{pid}/{name}", "rb").read()
        except OSError:
            continue
        seen += 1
        if token in text:
            print(pid, name)
print("seen" if seen else "nothing seen")
"""
INTRUDE = """\
import asyncio, ssl, sys
from distributed.comm import connect
from distributed.security import Security
address, how = sys.argv[1:]
lenient = ssl.create_default_context()
lenient.check_hostname, lenient.verify_mode = False, ssl.CERT_NONE
async def main():
    arguments = {"ssl_context": lenient} if address.startswith("tls") else {}
    comm = await connect(address, timeout=5, **arguments)
    await comm.write({"op": "identity", "reply": True})
    print("IN", await asyncio.wait_for(comm.read(), 5))
try:
    asyncio.run(main())
except Exception as error:
    print("refused", type(error).__name__)
"""


@dataclass(frozen=True)
class Scene:
    """A session with a worker, and where mallory stands: on its login host and on its node."""

    up: Up
    token: str
    login: Host
    node: Host

    @property
    def run_dir(self) -> str:
        """The session's directory."""
        return f"/home/alice/.springline/sessions/{self.up.line['session']}"

    def mallory(self, *command: str, on: Host | None = None, input: str = "") -> subprocess.CompletedProcess[str]:
        """Run something as mallory, on the node by default."""
        return (on or self.node).run(command, user="mallory", check=False, input=input, timeout=60)


@pytest.fixture(scope="module")
def scene(shared_springline: Springline) -> Iterator[Scene]:
    """One session with one worker for the tests of this module; alice's home is open, as some are."""
    cluster = shared_springline.cluster
    for node in cluster.nodes:  # where Dask would write by default: mallory was there first
        node.run("rm -rf /tmp/dask-scratch-space /tmp/springline-*")  # of jobs that other tests killed
        node.run("mkdir -m 777 /tmp/dask-scratch-space", user="mallory")
    up = start(shared_springline, "--name", "private", "--workers", "1")
    until(lambda: sum(job["state"] == "RUNNING" for job in cluster.jobs()) == 2, 60)
    cluster.login.run("chmod 755 /home/alice")
    yield Scene(up, up.token, cluster.login, cluster.hosts[up.line["node"]])
    cluster.login.run("chmod 700 /home/alice")


def test_the_run_directory(scene: Scene) -> None:
    """Mallory can neither list it nor read any file in it, though she knows their names and the home is open."""
    for host in (scene.login, scene.node):
        assert "Permission denied" in scene.mallory("ls", scene.run_dir, on=host).stderr
        for name in ("token", "tls.key", "state.json", "job.log", "jupyter.log", "request.json", "job.sh"):
            host.run(["test", "-e", f"{scene.run_dir}/{name}"], user="alice")
            assert "Permission denied" in scene.mallory("cat", f"{scene.run_dir}/{name}", on=host).stderr


def test_the_token_is_in_no_process_list(scene: Scene) -> None:
    """Not in ps, nor in any command line or environment in /proc, on either host, nor on the laptop."""
    laptop = scene.up.springline.cluster.laptop
    for host, user in ((scene.login, "mallory"), (scene.node, "mallory"), (laptop, "colleague")):
        assert scene.token not in host.run("ps axwwe", user=user).stdout
        peeped = host.run([sys.executable, "-c", PEEP], user=user, input=scene.token).stdout
        assert peeped == "seen\n", peeped
        everything = host.run([sys.executable, "-c", PEEP], input=scene.token).stdout
        assert "cmdline" not in everything and "environ" not in everything, f"as root: {everything}"


def test_the_token_is_in_nothing_that_slurm_shows(scene: Scene) -> None:
    """Not in what scontrol and squeue tell everybody, nor in the batch script that administrators can read."""
    shown = scene.mallory("scontrol", "-o", "show", "job", on=scene.login).stdout
    assert scene.up.line["job_id"] in shown and scene.token not in shown
    assert scene.token not in scene.mallory("squeue", "-a", "-o", "%all", on=scene.login).stdout
    script = scene.login.run(["scontrol", "write", "batch_script", scene.up.line["job_id"], "-"]).stdout
    assert "#SBATCH" in script and scene.token not in script


def test_the_token_is_in_no_log_and_no_second_file(scene: Scene) -> None:
    """Of alice's shared files only the token's own has it; what else has it, on a node, mallory cannot read."""
    found = scene.login.run(["grep", "-rlF", scene.token, "/home/alice"], check=False).stdout.split()
    assert found == [f"{scene.run_dir}/token"]
    for host in (scene.login, scene.node):
        search = ["grep", "-rlsF", scene.token, "/tmp", "/var/tmp", "/dev/shm", "/var/log"]
        for file in host.run(search, check=False).stdout.split():
            assert "Permission denied" in scene.mallory("cat", file, on=host).stderr, file
    assert scene.token not in scene.up.said()


def test_the_socket_of_jupyter(scene: Scene) -> None:
    """JupyterLab has no port; its socket and the socket's directory are alice's alone."""
    state = json.loads(scene.login.run(["cat", f"{scene.run_dir}/state.json"]).stdout)
    assert list(state["doors"]) == ["socket"] and scene.up.line["access"] == "socket"
    socket = state["doors"]["socket"]
    directory = socket.rpartition("/")[0]
    modes = scene.node.run(["stat", "-c", "%a %U", directory, socket]).stdout
    assert modes == "700 alice\n600 alice\n"
    assert "Permission denied" in scene.mallory("ls", directory).stderr
    asked = scene.mallory("curl", "-sS", "--unix-socket", socket, "http://localhost/api/status")
    assert asked.returncode == 7, asked


def test_jupyter_without_the_token(scene: Scene) -> None:
    """Even alice is asked for it: 403 without, 403 with another, 200 with."""
    assert scene.up.ask("/api/status").stdout.endswith("403")
    assert scene.up.ask("/api/status", "0" * 48).stdout.endswith("403")
    assert scene.up.ask("/api/status", scene.token).stdout.endswith("200")


def addresses(scene: Scene) -> list[str]:
    """Every port that alice's processes have on either node, as Dask would name it."""
    found = []
    for host in scene.up.springline.cluster.nodes:
        for line in host.run("ss -Hltnp").stdout.splitlines():
            fields = line.split()
            if '"python' in line or '"dask' in line:
                found.append(f"{host.name} {fields[3]}")
    return found


def test_dask_without_a_certificate(scene: Scene) -> None:
    """Scheduler, nanny and worker speak only to who has the session's certificate, whatever else he offers."""
    ports = [entry.split() for entry in addresses(scene)]
    open_ones = [(host, address) for host, address in ports if not address.startswith("127.")]
    assert len(open_ones) >= 2, ports  # a scheduler and a worker
    hosts = scene.up.springline.cluster.hosts
    for host, address in open_ones:
        for scheme in ("tls", "tcp"):
            tried = scene.mallory(sys.executable, "-c", INTRUDE, f"{scheme}://{address}", scheme, on=hosts[host])
            assert tried.stdout.startswith("refused"), (host, address, tried.stdout, tried.stderr)
    scheduler = scene.up.line["dask"]["scheduler"]
    joined = scene.mallory("timeout", "15", sys.executable, "-m", "dask", "worker", scheduler, "--no-dashboard")
    assert "Registered to" not in joined.stderr, joined.stderr


def test_alice_s_own_certificate_opens_dask(scene: Scene) -> None:
    """The probe above would have got in: with the session's files it does (so that its refusals mean something)."""
    scheduler = scene.up.line["dask"]["scheduler"]
    ours = 'arguments = {"ssl_context": ssl_context()}'
    script = INTRUDE.replace('arguments = {"ssl_context": lenient} if address.startswith("tls") else {}', ours)
    files = {"ca": "tls.crt", "cert": "tls.crt", "key": "tls.key"}
    paths = {name: f"{scene.run_dir}/{file}" for name, file in files.items()}
    context = (
        "def ssl_context():\n"
        f"    return Security(require_encryption=True, tls_ca_file={paths['ca']!r}, tls_client_cert={paths['cert']!r},"
        f" tls_client_key={paths['key']!r}).get_connection_args('client')['ssl_context']\n"
    )
    script = script.replace("async def main", context + "async def main", 1)
    let_in = scene.node.run([sys.executable, "-c", script, scheduler, "tls"], user="alice", check=False)
    assert let_in.stdout.startswith("IN"), (let_in.stdout, let_in.stderr)


WHERE_DASK_WRITES = """\
import json, sys
from distributed import Client, Security
scheduler, run_dir = sys.argv[1:]
files = {"tls_ca_file": "tls.crt", "tls_client_cert": "tls.crt", "tls_client_key": "tls.key"}
security = Security(require_encryption=True, **{name: f"{run_dir}/{file}" for name, file in files.items()})
with Client(scheduler, security=security) as client:
    client.wait_for_workers(1)
    at_scheduler = client.run_on_scheduler(lambda dask_scheduler: dask_scheduler.local_directory)
    ((worker, at_worker),) = client.run(lambda dask_worker: dask_worker.local_directory).items()
    host = client.run(lambda: __import__("socket").gethostname())[worker]
print(json.dumps([[None, at_scheduler], [host, at_worker]]))
"""


def test_the_files_of_dask(scene: Scene) -> None:
    """Scheduler and worker write where mallory cannot enter, and nothing into the directory she laid out for them."""
    asked = [sys.executable, "-c", WHERE_DASK_WRITES, scene.up.line["dask"]["scheduler"], scene.run_dir]
    places = json.loads(scene.node.run(asked, user="alice").stdout)
    hosts = scene.up.springline.cluster.hosts
    for name, place in places:
        host = hosts[name] if name else scene.node
        assert re.match(r"/tmp/springline-\w{8}/", place), place
        host.run(["test", "-d", place], user="alice")
        private = "/".join(place.split("/")[:3])
        assert host.run(["stat", "-c", "%a %U", private]).stdout == "700 alice\n"
        assert "Permission denied" in scene.mallory("ls", place, on=host).stderr
        assert "Operation not permitted" in scene.mallory("mv", private, f"{private}-x", on=host).stderr
    for host in scene.up.springline.cluster.nodes:
        assert host.run(["find", "/tmp/dask-scratch-space", "-user", "alice"]).stdout == ""


def test_the_dashboard(scene: Scene) -> None:
    """Not at its own port, on which mallory gets no page; through JupyterLab with the token alice gets it."""
    dashboard = scene.up.line["dask"]["dashboard"].removeprefix(scene.up.base)
    assert scene.up.ask(dashboard, scene.token).stdout.endswith("200")
    assert not scene.up.ask(dashboard).stdout.endswith("200")
    assert re.match(r"/proxy/\d+/status", dashboard), dashboard
    for entry in addresses(scene):
        host, address = entry.split()
        port = address.rpartition(":")[2]
        for path in ("/status", "/info/main/workers.html", "/json/counts.json", "/sitemap.json", "/metrics"):
            ask = ["curl", "-s", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}", f"http://127.0.0.1:{port}{path}"]
            asked = scene.mallory(*ask, on=scene.up.springline.cluster.hosts[host])
            assert asked.stdout in ("000", "401", "403", "404"), f"mallory reads {path} on {entry}: {asked.stdout}"


def test_what_listens_on_the_node_s_address(scene: Scene) -> None:
    """Of alice's ports only TLS ones can be reached from elsewhere: nothing there answers plain HTTP."""
    for entry in addresses(scene):
        host, address = entry.split()
        name, port = address.rpartition(":")[::2]
        if name.startswith("127."):
            assert not reaches(scene.login, host, int(port))
            continue
        where = f"{host}:{port}"
        plain = scene.mallory("curl", "-s", "-m", "5", "-w", "%{http_code}", f"http://{where}/", on=scene.login)
        assert plain.stdout.endswith("000"), f"{entry} answers plain HTTP: {plain.stdout}"
        shaken = scene.mallory("timeout", "5", "openssl", "s_client", "-connect", where, on=scene.login)
        assert "BEGIN CERTIFICATE" in shaken.stdout, (entry, shaken.stdout + shaken.stderr)


@pytest.mark.parametrize("transport", ["fabric", "openssh"])
def test_the_laptop_s_port_and_sockets(scene: Scene, transport: str) -> None:
    """The forwarded port is bound to 127.0.0.1, ssh's sockets are in directories of 0700."""
    springline = scene.up.springline
    ini = springline.home / ".config/springline/platforms.ini"
    ini.write_text(f"{ini.read_text()}\n[by-{transport}]\nplatform = testbed\ntransport = {transport}\n")
    here = start(springline, "--name", f"here-{transport}", what=f"by-{transport}")
    laptop = springline.cluster.laptop
    listening = [line.split()[3] for line in laptop.run("ss -Hltn").stdout.splitlines()]
    port = here.base.rpartition(":")[2]
    assert f"127.0.0.1:{port}" in listening
    assert all(address.startswith("127.0.0.1:") for address in listening), listening
    assert not reaches(springline.cluster.login, "192.0.2.10", int(port))
    sockets = [word for line in laptop.run("ss -Hlx").stdout.splitlines() for word in line.split() if word[0] == "/"]
    for socket in filter(lambda path: path.startswith(("/home/", "/tmp/")), sockets):
        mode = laptop.run(["stat", "-c", "%a %U", socket.rpartition("/")[0]]).stdout
        assert mode == f"700 {springline.user}\n", (socket, mode)
    assert any("ssh" in socket for socket in sockets), sockets
    springline("stop", f"here-{transport}")


def test_the_name_of_the_socket_afterwards(scene: Scene) -> None:
    """When the session is over its directory is empty but there, so that mallory cannot wait there for the tunnel.

    The worker's directory, whose name nobody comes back to, is gone. This test ends the session: the last one.
    """
    cluster = scene.up.springline.cluster
    state = json.loads(scene.login.run(["cat", f"{scene.run_dir}/state.json"]).stdout)
    directory = state["doors"]["socket"].rpartition("/")[0]
    workers = workers_directories(cluster.nodes)
    assert workers
    scene.up.springline("stop", "private")
    until(lambda: not cluster.login.run("squeue -h").stdout, 60)
    until(lambda: scene.node.run(["ls", "-A", directory]).stdout == "", 10)
    assert scene.node.run(["stat", "-c", "%a %U", directory]).stdout == "700 alice\n"
    assert "File exists" in scene.mallory("mkdir", directory).stderr
    assert scene.mallory("rmdir", directory).returncode == 1
    for name, place in (entry.split(":") for entry in workers):
        assert cluster.hosts[name].run(["test", "-e", place], check=False).returncode == 1, place


def workers_directories(nodes: Sequence[Host]) -> list[str]:
    """The directories that worker jobs made for Dask on the nodes."""
    search = "find /tmp -mindepth 2 -maxdepth 2 -path '/tmp/springline-*/dask-scratch-space'"
    return [f"{host.name}:{line.rpartition('/')[0]}" for host in nodes for line in host.run(search).stdout.split()]
