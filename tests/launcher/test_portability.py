"""The laptop's side runs on Windows and macOS too: what can be seen of that without either.

Three looks: the type checker with the libraries of each system, a search for what exists there and means something
else, and our commands in a Python from which everything was taken that the one of Windows has not (windows.py).
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from launcher.errors import ConfigurationError
from launcher.laptop import browser, private
from launcher.laptop.alive import lives
from tests.launcher.command import Command, Result

ROOT = Path(__file__).parents[2]
WINDOWS = Path(__file__).with_name("windows.py")
# Imported only where there is POSIX: each begins with a check that says so.
POSIX_ONLY = {f"launcher/transports/{name}.py" for name in ("askpass", "control", "local", "openssh", "shell")}
# What the type checker cannot see: it exists on Windows and is no use, or does harm.
CALLS = {
    "os.kill": "ends the process, whatever the signal",
    "os.execv": "lets the shell go on while the new program runs",
    "os.execvp": "the same",
    "os.execvpe": "the same",
    "os.symlink": "needs a right that most users have not",
}
OPTIONS = {"preexec_fn": "is refused", "pass_fds": "is refused", "start_new_session": "does nothing"}
FILES = {"/dev/tty": "is not there", "/dev/null": "is os.devnull", "/bin/sh": "is not there"}


def laptop_side() -> list[Path]:
    """Every module of the launcher that is not sent to a node."""
    return [path for path in sorted((ROOT / "launcher").rglob("*.py")) if "node" not in path.parts]


def place(path: Path) -> str:
    """The path in the checkout."""
    return path.relative_to(ROOT).as_posix()


def unguarded(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those of functions that ask for the system."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef) and "sys.platform" in ast.unparse(node):
            continue
        yield node
        yield from unguarded(node)


def harm(node: ast.AST, *, for_the_cluster: bool) -> str:
    """What a node would do on Windows; empty if nothing bad is known of it, or it is text for the cluster."""
    if isinstance(node, ast.Call):
        name = ast.unparse(node.func)
        wrong = [f"{word.arg} {OPTIONS[word.arg]}" for word in node.keywords if word.arg in OPTIONS]
        return f"{name} {CALLS[name]}" if name in CALLS else ", ".join(wrong)
    if isinstance(node, ast.Constant) and node.value in FILES and not for_the_cluster:
        return f"{node.value} {FILES[node.value]}"
    return ""


@pytest.mark.slow
@pytest.mark.parametrize("system", ["win32", "darwin"])
def test_every_name_exists_on_that_system(system: str) -> None:
    """The type checker finds no attribute, function or module that this system's Python lacks."""
    files = [str(path) for path in laptop_side()]
    command = [sys.executable, "-m", "mypy", "--platform", system, "--cache-dir", f".cache/mypy-{system}", *files]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_means_something_else_on_windows() -> None:
    """No call, option or file name that Windows takes in another way, but where the system was asked for first."""
    found = [
        f"{place(path)}:{getattr(node, 'lineno', 0)} {said}"
        for path in laptop_side()
        if place(path) not in POSIX_ONLY
        for node in unguarded(ast.parse(path.read_text(encoding="utf-8")))
        if (said := harm(node, for_the_cluster="schedulers" in path.parts))
    ]
    assert found == []


def test_posix_modules_say_so_first() -> None:
    """Those that are left out above refuse to be imported on Windows, and importers ask for the system first."""
    names = {name.removesuffix(".py").replace("/", ".") for name in POSIX_ONLY}
    for name in POSIX_ONLY:
        assert 'if sys.platform == "win32":\n    raise ImportError' in (ROOT / name).read_text(encoding="utf-8"), name
    importers = {
        place(path)
        for path in laptop_side()
        for node in unguarded(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module in names
    }
    assert importers - POSIX_ONLY == {"launcher/transports/__init__.py"}  # behind _can_share


class OnWindows(Command):
    """Our commands as on Windows, with its environment variables."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        roaming, local = home / "AppData" / "Roaming", home / "AppData" / "Local"
        self.config = roaming / "springline" / "platforms.ini"
        self.state = local / "springline"
        kept = {name: text for name, text in self.environment.items() if not name.startswith("XDG")}
        # In a file, Windows writes letters of cp1252 only.
        self.environment = {**kept, "APPDATA": str(roaming), "LOCALAPPDATA": str(local), "PYTHONIOENCODING": "cp1252"}
        self.environment["PYTHONPATH"] = str(ROOT)

    def __call__(self, *arguments: str, program: str = "springline", cwd: Path | None = None) -> Result:
        """Run to the end."""
        done = subprocess.run(
            [sys.executable, str(WINDOWS), program, *arguments],
            env=self.environment,
            cwd=cwd or self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
        )
        result = Result(done.returncode, done.stdout.decode("cp1252"), done.stderr.decode("cp1252"))
        assert "Traceback" not in result.errors and "internal error" not in result.errors, result.errors
        return result


@pytest.fixture
def windows(tmp_path: Path) -> OnWindows:
    """The commands in an empty profile."""
    return OnWindows(tmp_path)


def test_every_module_can_be_imported_there(windows: OnWindows) -> None:
    """All of the laptop's side, without the modules of POSIX; those that need them refuse."""
    modules = {place(path): place(path)[:-3].replace("/", ".").removesuffix(".__init__") for path in laptop_side()}
    result = windows(*(name for path, name in modules.items() if path not in POSIX_ONLY), program="import")
    assert result.code == 0, result.errors
    refused = [sys.executable, str(WINDOWS), "import", "launcher.transports.openssh"]
    done = subprocess.run(refused, env=windows.environment, capture_output=True, text=True)
    assert "ImportError: not on Windows" in done.stderr


def test_commands_there(windows: OnWindows) -> None:
    """Help, platforms, and what a session would do; settings and memory lie where Windows keeps them."""
    windows.configure("[mine]\nplatform = spider\nuser = bob\n[shared]\nplatform = spider\ntransport = openssh\n")
    assert "springline up" in windows("--help").output
    assert "mine" in windows("platform", "list").output
    shown = windows("up", "mine", "--dry-run")
    assert (
        "#SBATCH --partition=normal" in shown.output and "\\" not in windows("up", "mine", "--dry-run", "--json").errors
    )
    assert windows("ls").code == 0 and windows.state.is_dir()
    local = windows("up", "--detach")
    assert (local.code, "WSL" in local.errors) == (2, True), local.errors
    shared = windows("up", "shared", "--detach")
    assert (shared.code, "transport = auto" in shared.errors) == (2, True), shared.errors
    assert not (windows.home / ".config").exists() and not (windows.home / ".local").exists()


def test_files_of_earlier_versions_are_found_there(windows: OnWindows) -> None:
    """They lay below the home directory as on other systems, and are used as long as they do."""
    file = windows.home / ".config" / "springline" / "platforms.ini"
    file.parent.mkdir(parents=True)
    file.write_text("[before]\nplatform = spider\n")
    assert "before" in windows("platform", "list").output


def test_the_old_command_there(windows: OnWindows) -> None:
    """It reads its files and says the new command."""
    file = windows.home / "config" / "platforms" / "platforms.ini"
    file.parent.mkdir(parents=True)
    file.write_text("[bob]\r\nplatform = spider\r\nhost = h\r\nuser = b\xfccher\r\nkeypath = C:\\Keys\\k\r\n", "cp1252")
    result = windows("-u", "bob", "-m", "run", "-lp", "8123", program="runJupyterDaskOnSLURM")
    assert "springline up bob --local-port 8123 --config" in result.errors and result.code == 2


def test_a_process_is_looked_at_without_harm() -> None:
    """A living process of ours is seen and lives on; a dead one and somebody else's are not ours."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert lives(child.pid) and lives(os.getpid())
        assert child.poll() is None
    finally:
        child.communicate(b"\n")
    assert not lives(child.pid)


def test_inside_wsl_the_browser_of_windows_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PowerShell is given the private page by its Windows name, and no address: no & or token is on a command line."""
    said = tmp_path / "said"
    program = tmp_path / "bin" / "powershell.exe"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{said}\n')
    program.chmod(0o755)
    for name, value in {
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "WSL_DISTRO_NAME": "Ubuntu-24.04",
        "XDG_STATE_HOME": str(tmp_path / "it's mine"),
        "DISPLAY": ":0",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("BROWSER", raising=False)
    assert browser.open_page("s1", "http://127.0.0.1:8888/lab?token=abc&x=1")
    page = browser.redirect_file("s1")
    *options, command = said.read_text().splitlines()
    assert options == ["-NoProfile", "-NonInteractive", "-Command"]
    shown = str(page).replace("/", "\\").replace("'", "''")
    assert command == f"Start-Process -FilePath '\\\\wsl$\\Ubuntu-24.04{shown}'"
    assert "token=abc&amp;x=1" in page.read_text() and page.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ("/mnt/c/Users/bob/x.html", r"C:\Users\bob\x.html"),
        ("/mnt/data/x.html", r"\\wsl$\Debian\mnt\data\x.html"),
        ("/home/bob/a b/x.html", r"\\wsl$\Debian\home\bob\a b\x.html"),
    ],
)
def test_names_that_windows_has_for_files_of_wsl(here: str, there: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drives are letters; everything else lies below the distribution's share."""
    monkeypatch.setenv("WSL_DISTRO_NAME", "Debian")
    assert browser.windows_path(Path(here)) == there


def test_a_file_that_is_open_elsewhere_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows replaces no file that is open; elsewhere the refusal has another reason, and is said at once."""
    file, refused = tmp_path / "record", [PermissionError(13, "Permission denied")] * 3
    replace = os.replace

    def taken(source: str, target: Path) -> None:
        if refused:
            raise refused.pop()
        replace(source, target)

    monkeypatch.setattr(os, "replace", taken)
    with pytest.raises(ConfigurationError, match="Permission denied") as caught:
        private.write_private(file, "one")
    assert "free some space" not in caught.value.hint
    monkeypatch.setattr(sys, "platform", "win32")
    private.write_private(file, "two")
    assert (file.read_text(encoding="utf-8"), refused, list(tmp_path.iterdir())) == ("two", [], [file])
