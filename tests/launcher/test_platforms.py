"""platforms.ini: what is shipped, what lies over it, what it inherits, and how mistakes are said."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from launcher.errors import ConfigurationError, NotFoundError, UsageError
from launcher.model import Platform, Resources, Workers
from launcher.platforms.keys import KEYS
from launcher.platforms.loading import Platforms, override, shipped_file
from tests.launcher.command import Command

GIB = 2**30
Write = Callable[[str], Platforms]
SHIPPED = {
    "spider": Platform(
        name="spider",
        host="spider.surf.nl",
        resources=Resources(cores=1, walltime=3600, partition="normal"),
        workers=Workers(cores=4, memory=32 * GIB, partition="normal", local_directory="$TMPDIR"),
    ),
    "snellius": Platform(
        name="snellius",
        host="snellius.surf.nl",
        resources=Resources(cores=16, walltime=3600, partition="rome"),
        workers=Workers(cores=16, memory=28 * GIB, partition="rome", local_directory="$TMPDIR"),
    ),
    "delftblue": Platform(
        name="delftblue",
        host="login.delftblue.tudelft.nl",
        resources=Resources(cores=1, memory=4 * GIB, walltime=3600, partition="compute", account="innovation"),
        workers=Workers(cores=2, memory=8 * GIB, partition="compute", local_directory="/scratch/$USER"),
    ),
    "local": Platform(
        name="local",
        transport="local",
        scheduler="local",
        python=sys.executable,
        workers=Workers(count=2, cores=1, memory=2 * GIB),
    ),
}
BAD_VALUES = {
    "host": "two words",
    "user": "-oProxyCommand=evil",
    "port": "65536",
    "transport": "telnet",
    "scheduler": "cron",
    "cores": "abc",
    "memory": "8 apples",
    "walltime": "1h",
    "workers": "-1",
    "worker_cores": "1.5",
    "worker_memory": "8",
    "worker_processes": "0",
    "worker_walltime": "0",
    "worker_max_jobs": "0",
    "partition": "a b",
    "account": "a;rm -rf ~",
    "qos": "$(id)",
    "reservation": "",
    "sbatch": "constraint=rome",
    "python": "",
    "run_dir": "",
    "local_port": "http",
}


@pytest.fixture
def own(tmp_path: Path) -> Write:
    """Lay a text over the shipped platforms, as the user's file."""

    def write(text: str) -> Platforms:
        file = tmp_path / "platforms.ini"
        file.write_text(text, encoding="utf-8")
        return Platforms([shipped_file(), file])

    return write


def message(error: pytest.ExceptionInfo[ConfigurationError]) -> str:
    """What the user reads."""
    return f"{error.value.message}\n{error.value.hint}"


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_platforms(name: str) -> None:
    """The shipped sections ask for what the original tool asked of the same clusters."""
    assert Platforms([shipped_file()]).get(name) == SHIPPED[name]


def test_own_section_changes_single_keys(own: Write) -> None:
    """A section of a shipped name changes the keys it has and leaves the others."""
    platform = own("[spider]\nuser = alice\nworker_cores = 8\n").get("spider")
    assert (platform.user, platform.workers.cores) == ("alice", 8)
    assert (platform.host, platform.workers.memory) == ("spider.surf.nl", 32 * GIB)


def test_section_inherits_along_the_chain(own: Write) -> None:
    """`platform = X` takes over what X has and what X itself inherits; the nearest value wins."""
    platform = own("[a]\nplatform = spider\ncores = 2\nuser = bob\n[b]\nplatform = a\ncores = 3\n").get("b")
    assert (platform.name, platform.resources.cores, platform.user) == ("b", 3, "bob")
    assert (platform.host, platform.resources.partition) == ("spider.surf.nl", "normal")


def test_old_section_stays_readable(own: Write) -> None:
    """A section as the old tool wrote it works; its key_pass is accepted and nothing secret is kept from it."""
    text = (
        "[spider-bob]\nplatform = spider\nhost = spider.surf.nl\nuser = bob\nkeypath = ~/.ssh/id_rsa\nkey_pass = True\n"
    )
    platform = own(text).get("spider-bob")
    assert (platform.user, platform.keypath, platform.resources.partition) == ("bob", "~/.ssh/id_rsa", "normal")
    assert "True" not in repr(platform).replace("transport", "")


def test_workers_go_where_the_session_goes(own: Write) -> None:
    """Without a partition of their own, worker jobs take the session's."""
    assert own("[x]\nhost = h\npartition = fat\n").get("x").workers.partition == "fat"


def test_unknown_key_is_said_with_place_and_nearest(own: Write, tmp_path: Path) -> None:
    """A misspelt key is an error that names file, line, section and the key that was meant."""
    known = own("[x]\nhost = h\n\n# a remark\nworker_memry = 8GB\n")
    with pytest.raises(ConfigurationError) as error:
        known.get("x")
    place = f"{tmp_path / 'platforms.ini'}, line 5, section [x]"
    assert error.value.message == f"{place}: unknown key 'worker_memry'; did you mean 'worker_memory'?"


def test_line_is_right_below_a_prologue(own: Write) -> None:
    """Bash lines that look like sections or keys do not lead astray what says the line of a mistake."""
    text = "[x]\nhost = h\nprologue =\n    [ -r ~/.profile ] && . ~/.profile\n    cores=4\ncores = many\n"
    with pytest.raises(ConfigurationError, match=r"line 6, section \[x\]: cores = many"):
        own(text).get("x")


@pytest.mark.parametrize("key", BAD_VALUES)
def test_bad_value_is_said_with_place(own: Write, key: str) -> None:
    """A value that cannot be is an error with line, key, value and what would be right; never Python's own words."""
    known = own(f"[x]\nplatform = spider\n{key} = {BAD_VALUES[key]}\n")
    with pytest.raises(ConfigurationError) as error:
        known.get("x")
    assert f"line 3, section [x]: {key} = {BAD_VALUES[key]}: " in error.value.message
    assert error.value.hint
    assert "literal" not in message(error)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        *[
            ("run_dir", text)
            for text in ("here", "/scratch/$USER", "$HOME/${X}", "$1/x", "$(id)/x", "/a b", "${HOME/x")
        ],
        *[
            ("worker_local_directory", text)
            for text in ("$(touch x)/x", "/`id`", "/a b", "/a;id", "x", "/${X:-y}", "/$")
        ],
        *[("sbatch", text) for text in ("--job-name=mine", "--job-name mine", "--job=mine", "-Jmine", "-HJ mine")],
        *[("sbatch", text) for text in ("--comment=x", "--wrap=id", "--parsable", "-o x", "--open-mode=append")],
        ("sbatch", "--constraint=rome --output=x"),
        *[("qsub", text) for text in ("-N mine", "-o x", "-e x", "-joe", "-v A=b", "-V", "-S /bin/csh", "place=excl")],
        *[("worker_resource_spec", text) for text in ("select=1 -q x", "-l select=1", "many", 'a="b"')],
        *[("worker_interface", text) for text in ("ib0 eth0", "--help", "0ib", "$IB")],
    ],
)
def test_text_that_would_run_or_hide_something(own: Write, key: str, text: str) -> None:
    """Directories are only that, and by the options that springline gives itself it finds its jobs again."""
    with pytest.raises(ConfigurationError, match="line 3, section"):
        own(f"[x]\nplatform = spider\n{key} = {text}\n").get("x")


def test_directories_and_options_that_are_good(own: Write) -> None:
    """Variables may begin a run_dir, and stand anywhere in a directory of the nodes; sbatch's other options pass."""
    for text in ("/", "~", "~/x", "$SCRATCH", "${HOME}/spx", "/projects/a-b_c/x.y"):
        assert own(f"[x]\nplatform = spider\nrun_dir = {text}\n").get("x").run_dir == text
    for text in ("$TMPDIR", "/scratch/$USER", "/scratch/${USER}/x", "~/x"):
        read = own(f"[x]\nplatform = spider\nworker_local_directory = {text}\n").get("x")
        assert read.workers.local_directory == text
    for text in ("-C rome", "--gres=gpu:1", "--oversubscribe", "--error=x", "--overcommit", "-p normal"):
        assert own(f"[x]\nplatform = spider\nsbatch = {text}\n").get("x").resources.directives == (text,)
    for text in ("-m n", "-l place=excl", "-W depend=afterok:7", "-P project"):
        assert own(f"[x]\nplatform = spider\nqsub = {text}\n").get("x").resources.directives == (text,)
    for text in ("select=1:ncpus=28:mem=120GB", "nodes=1:ppn=4,mem=8gb", "select=1:host=n1+1:host=n2"):
        assert own(f"[x]\nplatform = spider\nresource_spec = {text}\n").get("x").resources.resource_spec == text


def test_inheritance_in_a_circle(own: Write) -> None:
    """Sections that inherit from each other are an error, not an endless loop."""
    with pytest.raises(ConfigurationError, match="circle"):
        own("[a]\nplatform = b\n[b]\nplatform = a\n").get("a")


def test_base_that_is_not_there(own: Write) -> None:
    """A misspelt base is an error that offers the nearest name and the place."""
    with pytest.raises(ConfigurationError, match=r"line 2, section \[a\].*did you mean 'spider'"):
        own("[a]\nplatform = spidr\n").get("a")


def test_platform_that_is_not_there() -> None:
    """A misspelt platform is not found, and the nearest is offered."""
    with pytest.raises(NotFoundError, match="did you mean 'snellius'"):
        Platforms([shipped_file()]).get("snelius")


def test_section_without_host(own: Write) -> None:
    """A cluster nobody can reach is an error that says which line is missing."""
    with pytest.raises(ConfigurationError) as error:
        own("[x]\nuser = bob\n").get("x")
    assert "host" in error.value.message
    assert "[x]" in error.value.hint


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x7fELF\x02\x01\xff\xfe\x00", "not a text file"),
        (b"[x]\nhost = h\nho", "line 3: "),
        (b"host = h\n", "line 1: "),
        (b"[x]\nhost = a\nhost = b\n", "line 3: "),
        (b"[x]\nhost = a\n[x]\nhost = b\n", "line 3: "),
        (b"[x\nhost = a\n", "line 1: "),
    ],
    ids=["binary", "half-written", "no section", "key twice", "section twice", "open bracket"],
)
def test_broken_file_is_said_with_place(tmp_path: Path, content: bytes, said: str) -> None:
    """A file that is no platforms.ini is an error that names the file and, where there is one, the line."""
    file = tmp_path / "platforms.ini"
    file.write_bytes(content)
    known = Platforms([file])
    with pytest.raises(ConfigurationError) as error:
        known.get("x")
    assert str(file) in error.value.message
    assert said in error.value.message
    assert "\n" not in error.value.message


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    """A directory in the file's place is an error of configuration."""
    with pytest.raises(ConfigurationError, match="cannot read"):
        Platforms([tmp_path]).get("x")


def test_windows_file(tmp_path: Path) -> None:
    """A file saved by a Windows editor, with a byte order mark and CRLF, reads like any other."""
    file = tmp_path / "platforms.ini"
    file.write_bytes(b"\xef\xbb\xbf[x]\r\nhost = h\r\nprologue =\r\n  module load a\r\n  module load b\r\n")
    platform = Platforms([file]).get("x")
    assert (platform.host, platform.prologue) == ("h", ("module load a", "module load b"))


def test_prologue_from_a_file(own: Write, tmp_path: Path) -> None:
    """`prologue = NAME.sh` takes the lines of the file beside the ini, as they are."""
    (tmp_path / "env.sh").write_text("module load x\nif true; then\n  . act\nfi\n")
    known = own("[x]\nhost = h\nprologue = env.sh\n[y]\nhost = h\nprologue = missing.sh\n")
    assert known.get("x").prologue == ("module load x", "if true; then", "  . act", "fi")
    with pytest.raises(ConfigurationError, match=r"line 6, section \[y\].*missing.sh"):
        known.get("y")


def test_options_lie_over_the_section() -> None:
    """Options of the command line replace the section's values and nothing else."""
    spider = Platforms([shipped_file()]).get("spider")
    changed = override(spider, {"cores": "8", "workers": "0", "walltime": None, "no_browser": "x"})
    assert (changed.resources.cores, changed.workers.count) == (8, 0)
    assert (changed.resources.walltime, changed.workers.cores, changed.host) == (3600, 4, "spider.surf.nl")


def test_bad_option_is_a_usage_error() -> None:
    """A value that cannot be is said with the option it was given to."""
    with pytest.raises(UsageError, match="--walltime 1h: "):
        override(Platforms([shipped_file()]).get("spider"), {"walltime": "1h"})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["platform", "show", "x"], "line 2"),
        (["up", "x"], "line 2"),
        (["platform", "list", "--config", "missing.ini"], "no file missing.ini"),
        (["up", "local", "--cores", "many"], "--cores many"),
        (["up", "--nosuch"], "--nosuch"),
        (["ls", "--config", "/"], "/ is not a regular file"),
        (["ls", "--config", "/dev/null"], "/dev/null is not a regular file"),
    ],
)
def test_command_ends_with_2(springline: Command, arguments: list[str], said: str) -> None:
    """Mistakes in files and options end the real command with 2, a sentence on stderr and nothing on stdout."""
    springline.configure("[x]\nhots = h\n" if "x" in arguments else "")
    result = springline(*arguments)
    assert (result.code, result.output) == (2, "")
    assert said in result.errors


def test_command_shows_where_values_come_from(springline: Command) -> None:
    """`platform show --origin` names the file and line of each value, the user's file over the shipped one."""
    springline.configure("[spider]\nuser = alice\n")
    lines = springline("platform", "show", "spider", "--origin").output.splitlines()
    (user,) = [line for line in lines if line.startswith("user ")]
    (host,) = [line for line in lines if line.startswith("host ")]
    assert f"{springline.config}, line 2" in user
    assert str(shipped_file()) in host


def test_command_lists_what_is_whole(springline: Command) -> None:
    """A broken section is a row that says what is wrong, with file and line; the others are listed all the same."""
    springline.configure(
        "[good]\nhost = h\n[good:large]\ncores = 4\n[bad]\nport = x\n[good]\nuser = u\n"
        "[spider]\nuser = me\n[odd]\nhots = h\n[nobody:large]\ncores = 1\n[half\nhost = h\n"
    )
    result = springline("platform", "list", "--json")
    rows = {(row["name"], row["error"] is None): row for row in result.document["platforms"]}
    assert result.code == 0
    assert {tuple(row) for row in rows.values()} == {
        ("name", "host", "scheduler", "transport", "origin", "file", "error")
    }
    assert rows["good", False]["origin"] == "yours"
    assert rows["spider", True]["origin"] == "shipped, changed by you"
    assert (rows["local", True]["origin"], rows["local", True]["host"]) == ("shipped", "this computer")
    table = springline("platform", "list").output
    for name, said in (
        ("bad", "line 6, section [bad]: port = x"),
        ("good", "line 7: there is a section [good] above already"),
        ("odd", "line 12, section [odd]: unknown key 'hots'"),
        ("nobody:large", "section [nobody:large] is no preset"),
        ("half", "line 15: '[half' is the name of a section without its ]"),
    ):
        assert said in rows[name, False]["error"], rows[name, False]
        assert said in table


def test_only_what_is_used_can_be_wrong(springline: Command) -> None:
    """A wrong section or preset fails itself and what inherits from it, and no other platform."""
    springline.configure(
        "[a]\nhost = h\n[f]\nhots = y\n[g]\nplatform = f\n[a:x]\ncoers = 2\n[a:y]\ncores = 2\n[b:x]\ncores = 1\n"
    )
    shown = springline("platform", "show", "a", "--json")
    assert shown.code == 0 and list(shown.document["presets"]) == ["y"]
    assert "section [a:x]: unknown key 'coers'" in shown.errors
    for name in ("f", "g"):
        wrong = springline("platform", "show", name)
        assert wrong.code == 2 and "line 4, section [f]: unknown key 'hots'" in wrong.errors
    preset = springline("up", "a", "--preset", "x")
    assert preset.code == 2 and "line 8, section [a:x]: unknown key 'coers'" in preset.errors


def test_command_shows_presets(springline: Command) -> None:
    """`platform show` has the presets below the platform, and --json says where each value comes from."""
    springline.configure("[spider]\nuser = me\n[spider:large]\ncores = 16\n")
    said = springline("platform", "show", "spider", "--json").document
    assert (said["values"]["user"], said["presets"]["large"]) == ("me", {"cores": "16"})
    assert said["origin"]["user"] == {"file": str(springline.config), "line": 2, "section": "spider"}
    assert said["presets_origin"]["large"]["cores"]["line"] == 4
    assert springline("platform", "show", "spider", "--origin").output.splitlines()[-2] == "[spider:large]"


def test_keys_say_what_holds_without_them() -> None:
    """What the pages say of a key that is left out is what a platform has without it."""
    bare = Platform("bare")
    for name, key in KEYS.items():
        group, _, field = key.target.rpartition(".")
        default = getattr(getattr(bare, group) if group else bare, field, None) if key.target else None
        if default not in (None, ()):
            assert key.read(key.without) == default, name
