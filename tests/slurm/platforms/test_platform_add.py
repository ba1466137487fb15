"""`springline platform add` as a person types it, against a real login host: what it finds, proposes and writes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.slurm import factors
from tests.slurm.cluster import Cluster
from tests.slurm.laptop import Springline
from tests.slurm.requirements import SPRINGLINE, VENV_PYTHON
from tests.slurm.terminal import Terminal

ANSWERS = (
    ("Name of the platform", "mine"),
    ("Login host", "login"),
    ("Your account", "alice"),
    ("Private key", "~/.ssh/id_ed25519"),
    ("Enter takes it", ""),
    ("Replace", "y"),
)
PROMPT = r"[^:\n]*(?:\[[^\]]*\])?:"
OPTIONS = ("--host", "login", "--user", "alice", "--key", "~/.ssh/id_ed25519")


@contextmanager
def adding(springline: Springline, *arguments: str) -> Iterator[Terminal]:
    """The command in a terminal of its own."""
    command = [str(SPRINGLINE), "platform", "add", *arguments]
    with Terminal(springline.cluster.laptop, command, user=springline.user, columns=160) as terminal:
        yield terminal


def ini(springline: Springline) -> Path:
    """The user's platforms.ini, as the outside sees it."""
    return springline.home / ".config/springline/platforms.ini"


def added(springline: Springline, *arguments: str) -> dict[str, Any]:
    """What `add --json` says of a platform named mine, taken as it is proposed."""
    result = springline("platform", "add", "mine", *OPTIONS, "--yes", "--json", *arguments, check=True)
    (line,) = result.stdout.splitlines()
    said: dict[str, Any] = json.loads(line)
    return said


def test_dialogue(springline: Springline) -> None:
    """Four answers, a look at the cluster, a change of mind, Enter; wrong answers are asked for again."""
    before = ini(springline).read_text()
    with adding(springline) as terminal:
        for question, answer in (
            *ANSWERS[:1],
            ("Login host", ""),
            *ANSWERS[1:3],
            ("Private key", "~/.ssh/nosuch"),
            ("Private key", "~/.ssh/id_ed25519"),
            ("Enter takes it", "partition = nosuch"),
            ("Enter takes it", "partition = short"),
            ("Enter takes it", ""),
        ):
            assert terminal.until(question + PROMPT), terminal.text
            terminal.type(answer)
        assert terminal.finish() == 0
    for said in (
        "a cluster has a login host",
        "there is no file ~/.ssh/nosuch",
        "the default one: up to 1-00:00:00, 2 nodes of 8 cores and 8000MiB",
        "there is no partition 'nosuch' here; there are normal, short",
        "the limit of partition short is 00:05:00",
        "springline env install mine\r\nspringline platform check mine\r\nspringline up mine",  # no JupyterLab there
    ):
        assert said in terminal.text
    after = ini(springline).read_text()
    assert after.startswith(before.rstrip("\n"))
    assert "\n[mine]\nhost = login\nuser = alice\nkeypath = ~/.ssh/id_ed25519\nscheduler = slurm\n" in after
    assert "\npartition = short\nwalltime = 00:05:00\n" in after


def test_every_question_can_be_left(springline: Springline) -> None:
    """Ctrl-C or end-of-file (in turn) at any of them end with 130, and the file keeps every byte."""
    added(springline)
    before = ini(springline).read_bytes()
    for number, (question, _) in enumerate(ANSWERS):
        with adding(springline, "--cores", "1") as terminal:
            for earlier, answer in ANSWERS[:number]:
                assert terminal.until(earlier + PROMPT), terminal.text
                terminal.type(answer)
            assert terminal.until(question + PROMPT), terminal.text
            time.sleep(0.5)  # nobody is faster: a Ctrl-C between the words and the reading can be lost
            terminal.press("\x03\x04"[number % 2])
            assert terminal.finish() == 130, terminal.text
        assert ini(springline).read_bytes() == before, question


def test_a_host_key_is_asked_for(springline: Springline) -> None:
    """An unknown host shows its fingerprint first; without a yes nothing is asked of it and nothing is written."""
    (springline.home / ".ssh/known_hosts").unlink()
    before = ini(springline).read_bytes()
    with adding(springline, "mine", *OPTIONS) as terminal:
        assert terminal.until("SHA256:")
        assert terminal.until(r"\[y/N\]:")
        terminal.type("n")
        assert terminal.finish() == 12
    assert ini(springline).read_bytes() == before


def test_password_and_code_are_asked_for_once(springline: Springline) -> None:
    """One connection: each factor is asked for once, and what was typed is seen nowhere."""
    port = springline.cluster.want_more_than_a_key("sshd-password-otp")
    with adding(springline, "mine", "--host", "login", "--user", "alice", "--port", str(port)) as terminal:
        answers: factors.Answers = {
            "Private key": str,
            "assword": lambda: factors.PASSWORD,
            "code": factors.code,
            "Enter takes it": str,
        }
        assert terminal.answer(answers) == list(answers), terminal.text
        assert terminal.returncode == 0, terminal.text
    assert factors.PASSWORD not in terminal.text + ini(springline).read_text()
    assert f"\nport = {port}\n" in ini(springline).read_text()


@pytest.mark.slow
def test_a_session_starts_on_what_was_proposed(springline: Springline) -> None:
    """With options and --yes nobody is asked; adding again shows what changes; the section carries a session."""
    rehearsed = added(springline, "--dry-run", "--python", str(VENV_PYTHON))
    assert not rehearsed["written"] and "[mine]" not in ini(springline).read_text()
    said = added(springline, "--python", str(VENV_PYTHON))
    assert said["written"] and said["section"] == rehearsed["section"]
    assert said["next"][0] == "springline platform check mine"  # a Python that was named may do
    assert (said["section"]["partition"], said["section"]["walltime"]) == ("normal", "04:00:00")
    assert "account" not in said["section"] and said["found"]["accounts"] == []
    assert said["found"]["internet"] is False and said["found"]["pythons"][0]["version"][0] == 3
    again = added(springline, "--walltime", "01:00:00")
    assert again["section"]["python"] == str(VENV_PYTHON)  # what is there stays unless it is said
    assert again["changes"]["walltime"] == {"before": "04:00:00", "after": "01:00:00"}
    back = springline("platform", "add", "mine", *OPTIONS, "--yes", "--walltime", "04:00:00", check=True)
    assert "walltime         01:00:00  04:00:00" in back.stderr
    ready = springline("up", "mine", "--detach", "--json", check=True)
    assert json.loads(ready.stdout)["state"] == "ready"


@pytest.mark.slow
def test_accounts_are_found(accounting_cluster: Cluster) -> None:
    """With accounting the default account is proposed, and one that is not the user's is refused."""
    springline = Springline(accounting_cluster)
    try:
        said = added(springline)
        assert said["section"]["account"] == "lab" and said["why"]["account"] == "your default account"
        refused = springline("platform", "add", "mine", *OPTIONS, "--yes", "--account", "theirs")
        assert refused.returncode == 2 and "you have no account 'theirs' here; you have lab" in refused.stderr
    finally:
        springline.close()


def test_without_a_terminal(springline: Springline) -> None:
    """What cannot be asked for is named, and ends with 2."""
    before = ini(springline).read_bytes()
    for arguments, said in (
        (("mine", "--yes"), "--host"),
        (("mine", *OPTIONS), "--yes"),
        ((*OPTIONS, "--yes"), "needs a name"),
        (("a b", *OPTIONS, "--yes"), "for example: a-b"),
        (("mine", *OPTIONS, "--yes", "--walltime", "long"), "walltime: 'long' is not a walltime"),
        (("mine", *OPTIONS, "--yes", "--partition", "nosuch"), "there are normal, short"),
    ):
        result = springline("platform", "add", *arguments)
        assert (result.returncode, result.stdout) == (2, "") and said in result.stderr, result.stderr
    assert ini(springline).read_bytes() == before


def test_a_file_that_cannot_be_written(springline: Springline) -> None:
    """Half-written, unreadable, read-only or on a full disk: each is said with the file, and nothing is lost."""
    laptop, user = springline.cluster.laptop, springline.user
    file = "/mnt/platforms.ini"
    laptop.run(f"mount -t tmpfs -o size=16k,mode=0777 tmpfs /mnt && printf '[a]\\nhost = x\\n[b\\nport = 1' >{file}")
    try:
        laptop.run(f"chown {user} {file}")
        for spoil, said in (
            ("true", f"{file}, line 3: '[b' is the name of a section without its ]"),
            (f"sed -i '$!d' {file}", "is below no [section]"),
            (f"chmod 000 {file}", f"'{file}' is not readable"),
            (f"printf '[a]\\nhost = x\\n' >{file}; chmod 444 {file}; chown {user} {file}", f"cannot write {file}"),
            (f"chmod 644 {file}; dd if=/dev/zero of=/mnt/fill bs=4k || true", f"cannot write {file}: No space left"),
        ):
            laptop.run(spoil)
            before = laptop.run(["cat", file]).stdout
            result = springline("platform", "add", "mine", *OPTIONS, "--yes", "--config", file)
            assert result.returncode == 2 and said in result.stderr, (spoil, result.stderr)
            assert laptop.run(["cat", file]).stdout == before
            assert laptop.run(["ls", "/mnt"]).stdout.split() in (["platforms.ini"], ["fill", "platforms.ini"])
    finally:
        laptop.run("umount /mnt")
