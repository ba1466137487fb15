"""The old command line: its questions in their order, its files as they are, and the new commands it stands for."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from launcher.laptop.store import Store
from launcher.legacy import oldfiles
from launcher.legacy.command import parse
from launcher.model import Session
from launcher.platforms import loading
from tests.launcher.command import Command
from tests.launcher.dialogue import old_command, recorded, replay, screen

ROOT = Path(__file__).parents[2]
LECTURE = (
    "[spider-stursdat]\nplatform = spider\nhost = spider.surf.nl\nuser = stursdat-34\n"
    "keypath = /nowhere/rsa_stursdat_34\n"
)
LOCAL = "[spider-bob]\nplatform = local\nhost = spider.surf.nl\nuser = bob\nkeypath = ~/.ssh/id_rsa\nkey_pass = False\n"
ASKED = recorded("add")


def old_file(springline: Command, text: str, *, place: str = "config") -> Path:
    """A platforms.ini where the old command had it."""
    file = springline.home / place / "platforms" / "platforms.ini"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def old(springline: Command, *arguments: str) -> tuple[int, str]:
    """Exit code and errors of the old command, without a terminal."""
    result = springline(*arguments, program="runJupyterDaskOnSLURM")
    return result.code, result.errors


@pytest.mark.parametrize(
    ("arguments", "new"),
    [
        (["--uid", "bob", "--mode", "run", "--local_port", "8123"], "up bob --local-port 8123"),
        (["-u", "bob", "-m", "run", "-lp", "8123", "-wt", "300"], "up bob --local-port 8123 --wait 300"),
    ],
)
def test_it_says_the_new_command_once(springline: Command, arguments: list[str], new: str) -> None:
    """Long and short options mean the same as before; the new command is told on stderr, and its exit code counts."""
    code, errors = old(springline, *arguments)
    assert errors.splitlines().count(f"springline {new}") == 1
    assert (code, "there is no platform 'bob'" in errors) == (60, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "required"),
        (["--uid", "bob"], "--mode run"),
        (["--uid", "bob", "--one_off"], "not allowed with"),
        (["--uid", "bob", "--mode", "fly"], "invalid choice"),
        (["--one_off", "--mode", "install"], "--add_platform first"),
        (["--uid", "bob", "--mode", "run", "--local_port", "many"], "not a port"),
        (["--uid", "bob", "--mode", "run", "--wait_time", "-3"], "wait_time"),
        (["--add_platform"], "springline platform add"),
        (["--one_off"], "springline up"),
        (["--uid", "bob", "--mode", "install"], "springline env install bob"),
        (["--uid", "bob", "--mode", "uninstall"], "springline env uninstall bob"),
    ],
)
def test_what_cannot_be_ends_with_2(springline: Command, arguments: list[str], said: str) -> None:
    """Unlike the old command, which ended with 0 or a traceback; nothing is asked without a terminal."""
    code, errors = old(springline, *arguments)
    assert code == 2 and said in errors, errors


def test_adding_asks_as_it_was_recorded(springline: Command) -> None:
    """The screen of then, question by question; the section has the answers, and no other file was made."""
    turns = ASKED[:-1]
    with old_command(springline, "--add_platform", "--mode", "run") as terminal:
        replay(terminal, turns, {})
        assert terminal.finish() == 0
    questions = [shown[-1] for shown, _ in turns]
    echoed = [f"{q}{a}" if q.startswith("Got") else q for q, (_, a) in zip(questions, turns, strict=True)]
    answers = [a for q, (_, a) in zip(questions, turns, strict=True) if not q.startswith("Got")]
    assert [line for line in screen(terminal) if line not in answers][: len(echoed)] == echoed
    assert "Platform added successfully! Please use '--uid spider-alice --mode install'" in terminal.text
    assert springline.config.read_text() == (
        "[spider-alice]\nplatform = spider\nhost = spider.surf.nl\nuser = alice\n"
        "keypath = /home/alice/.ssh/id_ed25519\n"
    )
    assert [path for path in springline.home.rglob("*") if path.is_file()] == [springline.config]


def test_adding_again_asks_and_replaces_where_it_was(springline: Command) -> None:
    """A UID of an old file is changed there, after a question; the section's neighbours and comments stay."""
    file = old_file(springline, f"# mine\n{LECTURE}\n[spider-alice]\nhost = old\n# and this\n", place=".config")
    with old_command(springline, "-a") as terminal:
        replay(terminal, ASKED[:-1], {})
        assert terminal.until("Replace it")
        terminal.type("n")
        assert terminal.finish() == 0
    assert "host = old" in file.read_text()
    with old_command(springline, "-a") as terminal:
        replay(terminal, ASKED[:-1], {})
        assert terminal.until("Replace it")
        terminal.type("")
        assert terminal.finish() == 0
    text = file.read_text()
    assert text.startswith(f"# mine\n{LECTURE}")
    assert text.endswith("keypath = /home/alice/.ssh/id_ed25519\n# and this\n") and "old" not in text
    assert not springline.config.exists()


def test_files_are_read_before_anything_is_asked(springline: Command) -> None:
    """What could not be saved is not asked for; a UID in a file that cannot be changed is asked again at once."""
    broken = old_file(springline, "[a\nhost=b\n")
    with old_command(springline, "-a") as terminal:
        assert terminal.finish() == 2
    assert f"{broken.relative_to(springline.home)} cannot be read" in terminal.text and "UID" not in terminal.text
    broken.write_text("[a]\nhost=g\n[a]\nhost=h\n")
    with old_command(springline, "-a") as terminal:
        assert terminal.until("unique ID")
        terminal.type("a")
        terminal.type("")
        assert terminal.until("this cannot be: 'a' is in .*take another UID")
    broken.unlink()
    springline.configure("[a\nhost=b\n")
    for option in ("-a", "-oo"):
        with old_command(springline, option) as terminal:
            assert terminal.finish() == 2
        assert "line 1: '[a'" in terminal.text and "UID" not in terminal.text


def test_a_shipped_name_lies_over_its_own_platform_alone(springline: Command) -> None:
    """This computer's name and DEFAULT are no UIDs; [spider] may lie over spider, and over nothing else."""
    with old_command(springline, "-a") as terminal:
        for text in ("local", "DEFAULT", "spider", "snellius", "Spider"):
            assert terminal.until(r"(\(UID\)|platform name):")
            terminal.type(text)
            assert terminal.until("is this correct")
            terminal.type("")
        assert terminal.until("is the host alias")
    assert terminal.text.count("this cannot be") == 3
    assert "springline ships the platform 'spider'" in terminal.text
    old_file(springline, "[local]\nhost = h\nuser = u\n")
    code, errors = old(springline, "-u", "local", "-m", "run")
    assert code == 2 and "another name" in errors


@pytest.mark.parametrize("number", range(len(ASKED) - 1))
def test_leaving_at_any_question(springline: Command, number: int) -> None:
    """Ctrl-C and the end of input end with 130, and nothing is written."""
    with old_command(springline, "-a") as terminal:
        replay(terminal, ASKED[:number], {})
        assert terminal.until(re.escape(ASKED[number][0][-1]))
        if number % 2:
            terminal.press_ctrl_c()
        else:
            terminal.press("\x04")
        assert terminal.finish() == 130
    assert "Traceback" not in terminal.text
    assert list(springline.home.iterdir()) == []


def test_leaving_at_the_passphrase_and_at_install(springline: Command) -> None:
    """The same at the questions that come before a session and an installation."""
    old_file(springline, f"{LECTURE}key_pass = True\n")
    for mode, answers in (("run", []), ("run", ["secret"]), ("install", ["secret", "secret"])):
        with old_command(springline, "-u", "spider-stursdat", "-m", mode) as terminal:
            for answer in answers:
                assert terminal.until("passphrase for ssh key:")
                terminal.type(answer)
            assert terminal.until(r"\(Y/n\)" if mode == "install" else "passphrase for ssh key:")
            terminal.press_ctrl_c()
            assert terminal.finish() == 130, terminal.text


def test_an_answer_that_cannot_be_is_asked_again(springline: Command) -> None:
    """A UID that no section can have, and a host of two words, are asked again with the reason."""
    with old_command(springline, "-a") as terminal:
        for text in ("my uid", "uid", "spider", "two words", "spider.surf.nl"):
            assert terminal.until(r"(\(UID\)|platform name|is the host alias):")
            terminal.type(text)
            assert terminal.until("is this correct")
            terminal.type("Y")
        assert terminal.until("username")
    assert terminal.text.count("this cannot be") == 2


OLD_FILES = {
    "the lecture's": (LECTURE, "spider-stursdat", True, ("spider.surf.nl", "stursdat-34", "/nowhere/rsa_stursdat_34")),
    "the first script's": ("[spider]\nhost=h\nuser: u\nkeypath = /k\n", "spider", True, ("h", "u", "/k")),
    "capital keys": ("[a]\nHost = h\nUSER = u\nKeyPath = /k\nkey_pass: True\n", "a", True, ("h", "u", "/k")),
    "own job script": ("[a]\nplatform = lisa\nhost = h\nuser = u\nkeypath = /k\n", "a", False, ("h", "u", "/k")),
    "other keys": ("[a]\nplatform=spider\nhost=h\nuser=u\nkeypath=/k\nnote = x\n", "a", False, ("h", "u", "/k")),
    "percent": ("[a]\nhost=h\nuser=u\nkeypath=/%(user)s/50%%\n", "a", False, ("h", "u", "/u/50%")),
    "stray percent": ("[a]\nhost=h\nuser=u\nkeypath=/50%\n", "a", True, ("h", "u", "/50%")),
    "DEFAULT": ("[DEFAULT]\nuser = u\nkeypath = /k\n[a]\nhost=h\n", "a", False, ("h", "u", "/k")),
    "added twice": ("[a]\nhost=g\nuser=u\nkeypath=/k\n[a]\nhost=h\nuser=u\nkeypath=/k\n", "a", False, ("h", "u", "/k")),
    "user in the host": ("[a]\nhost=u@h\nuser=u\nkeypath=/k\n", "a", False, ("h", "u", "/k")),
    "IPv6": ("[a]\nhost=u@[2001:db8::1]:22\nuser=u\nkeypath=/k\n", "a", False, ("2001:db8::1", "u", "/k")),
    "IPv6 alone": ("[a]\nhost=fe80::1\nuser=u\nkeypath=/k\n", "a", True, ("fe80::1", "u", "/k")),
    "Spider": ("[my spider]\nplatform=Spider\nhost=h\nuser=u\nkeypath=/k\n", "my spider", False, ("h", "u", "/k")),
    "empty keypath": ("\n\n[a]\nhost=h\nuser=u\nkeypath =\nkey_pass = False\n", "a", False, ("h", "u", None)),
}


@pytest.mark.parametrize("case", OLD_FILES)
def test_old_files_are_read_as_they_are(
    springline: Command, case: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """All that the old reader took gives the same host, user and key; the file itself is used where that is enough."""
    text, uid, as_it_is, wanted = OLD_FILES[case]
    file = old_file(springline, text)
    monkeypatch.chdir(springline.home)
    for name, value in springline.environment.items():
        monkeypatch.setenv(name, value)
    section = oldfiles.find(uid)
    assert section is not None and section.key_pass == (case == "capital keys")
    config = oldfiles.as_configuration(section)
    assert (config.resolve() == file) == as_it_is
    platform = loading.load(config).get(uid)
    assert (platform.host, platform.user, platform.keypath) == wanted
    partition = "normal" if uid == "spider" or ("platform" in text and "lisa" not in text) else None
    assert platform.resources.partition == partition
    assert file.read_text() == text


def test_a_translation_keeps_what_was_added_to_it(springline: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python of an installed environment stays; what changes in the old file comes over, a host's port too."""
    monkeypatch.chdir(springline.home)
    monkeypatch.setenv("XDG_STATE_HOME", springline.environment["XDG_STATE_HOME"])
    monkeypatch.setenv("XDG_CONFIG_HOME", springline.environment["XDG_CONFIG_HOME"])
    old_file(springline, "[a]\nplatform=lisa\nhost=h\nuser=u\nkeypath=/k\n")
    config = oldfiles.as_configuration(oldfiles.find("a") or pytest.fail())
    config.write_text(config.read_text() + "python = /env/python\n")
    old_file(springline, "[a]\nplatform=lisa\nhost=h:2222\nuser=u\nkeypath=key\n")
    again = oldfiles.as_configuration(oldfiles.find("a") or pytest.fail())
    platform = loading.load(again).get("a")
    assert again == config
    assert (platform.python, platform.host, platform.port) == ("/env/python", "h", 2222)
    assert platform.keypath == str(springline.home / "key")


def test_the_users_own_platform_is_found_from_an_old_file(springline: Command) -> None:
    """What it says counts, its changes too; a platform that nobody knows is told of."""
    old_file(springline, "[a]\nplatform = mine\nhost = h\nkeypath = /nowhere/k\n")
    (springline.config.parent).mkdir(parents=True, exist_ok=True)
    (springline.config.parent / "lines.sh").write_text("module load python\n")
    for partition in ("short", "long"):
        springline.configure(f"[mine]\nplatform = spider\npartition = {partition}\nprologue = lines.sh\n")
        _, errors = old(springline, "-u", "a", "-m", "run", "-lp", "8123")
        config = re.findall(r"--config (\S+)", errors)[0]
        shown = springline("up", "a", "--dry-run", "--config", config).output
        assert f"#SBATCH --partition={partition}\n" in shown and "module load python" in shown
        assert "#SBATCH --time=01:00:00" in shown  # of spider
        assert "knows no platform" not in errors
    springline.config.unlink()
    _, errors = old(springline, "-u", "a", "-m", "run", "-lp", "8123")
    assert errors.count("springline knows no platform 'mine'") == 1


def test_a_one_off_platform_stays_as_long_as_a_record_names_it(tmp_path: Path) -> None:
    """It goes when the command ends without a session, and later with the record; one of a moment ago may wait."""
    store = Store(tmp_path / "sessions")
    with store.one_off("[a]\n") as lost:
        assert lost.stat().st_mode & 0o777 == 0o600
    assert not lost.exists()
    with store.one_off("[a]\n") as kept:
        store.save(Session("s", "a", "springline-s", "2026-01-01T00:00:00+00:00", config=str(kept), ended="ended"))
    store.purge(time.time())
    assert kept.exists()
    with store.one_off("[a]\n") as young:
        store.purge(time.time() + 3600)
        assert young.exists()
        store.purge(time.time() + 15 * 86400)
        assert not young.exists() and not kept.exists() and store.all() == []


def test_the_checkouts_file_goes_before_the_homes(springline: Command) -> None:
    """As with the old command the directory it runs in counts; the other place is where its last version looked."""
    old_file(springline, LECTURE, place=".config")
    code, errors = old(springline, "-u", "spider-stursdat", "-m", "run", "-lp", "8123")
    assert f"--config {springline.home}/.config/platforms/platforms.ini" in errors and code == 2
    old_file(springline, LECTURE)
    _, errors = old(springline, "-u", "spider-stursdat", "-m", "run", "-lp", "8123")
    assert "springline up spider-stursdat --local-port 8123 --config config/platforms/platforms.ini" in errors
    assert "no readable private key /nowhere/rsa_stursdat_34" in errors


@pytest.mark.parametrize("name", ["runJupyterDaskOnSLURM.py", "runJupyterDaskOnSLURM"])
def test_the_lectures_commands(springline: Command, name: str) -> None:
    """Both spellings of its notes run in a directory that holds them, with the platforms.ini that was edited there."""
    shutil.copy(ROOT / "runJupyterDaskOnSLURM.py", springline.home)
    shutil.copy(ROOT / name, springline.home)
    old_file(springline, LECTURE)
    words = (
        ["-u", "spider-stursdat", "-m", "run"]
        if name.endswith("SLURM")
        else ["--uid", "spider-stursdat", "--mode", "run"]
    )
    done = subprocess.run(
        [sys.executable, name, *words], cwd=springline.home, env=springline.environment, capture_output=True, text=True
    )
    assert re.search(r"^springline up spider-stursdat --local-port \d+ --config config/plat", done.stderr, re.MULTILINE)
    assert "private key /nowhere/rsa_stursdat_34" in done.stderr and done.returncode == 2


def test_the_port_is_the_old_one_or_a_free_one(springline: Command) -> None:
    """Without --local_port it is 8889 as ever; where that is taken, another, which the old command could not do."""
    try:
        taken = socket.create_server(("127.0.0.1", 8889))
    except OSError:
        taken = socket.socket()  # somebody else has it already
    with taken:
        _, errors = old(springline, "-u", "bob", "-m", "run")
    port = int(re.findall(r"--local-port (\d+)", errors)[0])
    assert port != 8889
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_abbreviated_options_are_understood() -> None:
    """The old parser took any unambiguous beginning of an option."""
    old = parse(["--ui", "bob", "--mod", "run", "--local", "8123", "--wait", "7"])
    assert (old.uid, old.mode, old.local_port, old.wait_time) == ("bob", "run", 8123, 7)


@pytest.mark.slow
def test_a_session_ends_its_tunnel_with_end(springline: Command) -> None:
    """`end`, in whatever case, leaves the session running and ends with 0, as it did; so does nothing else typed."""
    old_file(springline, LOCAL)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    try:
        with old_command(springline, "-u", "spider-bob", "-m", "run", "-lp", str(port)) as terminal:
            assert terminal.until(rf"http://127\.0\.0\.1:{port}/lab", 60), terminal.text
            assert terminal.until("enter 'end' to stop port forwarding:")
            terminal.type("What?")
            assert springline("status", "--json").document["state"] == "ready"
            terminal.type("END")
            assert terminal.until("goes on without this terminal")
            assert terminal.finish() == 0
        (session,) = springline("ls", "--json").document["sessions"]
        assert (session["platform"], session["state"]) == ("spider-bob", "ready")
    finally:
        springline("stop", "--all")
