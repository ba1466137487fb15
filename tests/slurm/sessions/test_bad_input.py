"""What can be wrong between the laptop and a job: each with its exit code, a sentence, a way out and no traceback."""

from __future__ import annotations

import subprocess

import pytest

from tests.slurm.laptop import Springline, mounted, section

# name, what the section says, exit code, words that must be said
SECTIONS = [
    ("unknown-host", "host = nowhere.invalid", 10, "nowhere.invalid"),
    ("no-key", "keypath = ~/.ssh/none", 2, "keypath"),
    ("wrong-user", "user = mallory", 11, "does not accept user 'mallory'"),
    ("no-partition", "partition = nope", 20, "Invalid partition name"),
    ("too-long", "partition = short\nwalltime = 10:00:00", 20, "could never start"),
    ("too-much", "memory = 900GB", 20, "--memory"),
    ("too-wide", "cores = 17", 20, "more than the partition has"),
    ("no-apptainer", "image = analysis.sif", 2, "cannot run apptainer"),
    ("relative", "run_dir = here", 2, "must begin with /"),
    ("bad-option", "sbatch = --no-such-option", 20, "sbatch"),
    ("renamed", "sbatch = --job-name=mine", 2, "springline's own"),
    ("brace", "run_dir = /home/$USER/x", 2, "no other $"),
    ("spill", "worker_local_directory = $(touch x)/x y", 2, "must begin with /"),
    ("no-python", "python = /opt/none/bin/python", 2, "there is no such program"),
    ("leaving", "prologue = exit 0", 2, "before Python answered"),
    ("no-jupyter", "python = /usr/bin/python3", 2, "-m pip install jupyterlab"),
    ("no-permission", "run_dir = /root/springline", 2, "run_dir"),
    ("misspelt", "partion = normal", 2, "did you mean 'partition'?"),
    ("bad-walltime", "walltime = tomorrow", 2, "HH:MM:SS"),
]


def live(springline: Springline) -> list[dict[str, str]]:
    """Alice's jobs that wait or run."""
    return [job for job in springline.cluster.jobs() if job["state"] in ("PENDING", "RUNNING")]


def says(answer: subprocess.CompletedProcess[str], code: int, words: str) -> None:
    """The exit code, the words, a hint and no traceback."""
    assert answer.returncode == code, answer.stderr
    assert words in answer.stderr, answer.stderr
    assert "→" in answer.stderr and "Traceback" not in answer.stderr


@pytest.mark.parametrize(("name", "text", "code", "words"), SECTIONS, ids=[row[0] for row in SECTIONS])
def test_a_wrong_section_is_explained(springline: Springline, name: str, text: str, code: int, words: str) -> None:
    """Nothing is left on the cluster, nor in `ls`."""
    section(springline, name, text)
    says(springline("up", name, "--detach", timeout=60), code, words)
    if name not in ("misspelt", "bad-walltime", "relative", "renamed", "brace", "spill"):
        assert springline("ls").stdout.startswith("no sessions")
    assert not live(springline)


def test_a_changed_host_key_is_refused(springline: Springline) -> None:
    """--yes does not skip it."""
    springline.cluster.change_host_key()
    says(springline("up", "testbed", "--yes"), 12, "CHANGED")


def test_an_unknown_host_key_is_asked_for_once(springline: Springline) -> None:
    """Without a terminal it is refused; --yes shows it and remembers it."""
    known = springline.home / ".ssh" / "known_hosts"
    before = known.read_bytes()
    try:
        known.write_bytes(b"")
        says(springline("up", "testbed"), 12, "is not known yet")
        accepted = springline("platform", "show", "testbed")
        assert accepted.returncode == 0
        assert springline("up", "testbed", "--yes", "--detach").returncode == 0
        assert known.read_bytes()
        assert springline("ls").returncode == 0
    finally:
        known.write_bytes(before)


def test_no_sbatch_on_the_path(springline: Springline) -> None:
    """The host may not be a login host: say so."""
    with mounted(springline, "--bind /dev/null /usr/bin/sbatch", "/usr/bin/sbatch"):
        says(springline("up", "testbed"), 2, "there is no 'sbatch'")


def test_a_run_dir_of_somebody_else(springline: Springline) -> None:
    """Below a directory of mallory's she could put other files in the session's place: nothing is submitted."""
    springline.cluster.login.run("mkdir /tmp/open && chmod 777 /tmp/open", user="mallory")
    section(springline, "below", "run_dir = /tmp/open/springline")
    says(springline("up", "below"), 2, "/tmp/open belongs to another user, or everybody may write there")
    assert "below your home" in springline("up", "below").stderr
    assert not live(springline)


def test_a_full_disk(springline: Springline) -> None:
    """The session's files do not fit: nothing is submitted."""
    section(springline, "full", "run_dir = /mnt/springline")
    with mounted(springline, "-t tmpfs -o size=16k,mode=1777 tmpfs /mnt", "/mnt"):
        says(springline("up", "full"), 2, "No space left")


def test_a_busy_local_port_is_said_before_anything_is_submitted(springline: Springline) -> None:
    """An explicit port that is taken ends with 50."""
    cluster = springline.cluster
    script = "import socket,time; s=socket.create_server(('127.0.0.1', 8891)); print('up', flush=True); time.sleep(60)"
    holder = cluster.laptop.popen(["python3", "-c", script], user=cluster.laptop_user, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    says(springline("up", "testbed", "--local-port", "8891"), 50, "8891")
    assert not live(springline)
    holder.kill()
    holder.wait()
    holder.stdout.close()
