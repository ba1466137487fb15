"""The way in: name and port, host key, authentication, and the shell behind them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from shlex import quote

from launcher.checking.model import WAY_IN, Outcome, failed, failed_by, ok, skipped, warning
from launcher.errors import AuthenticationError, ConfigurationError, ConnectError, HostKeyError, SpringlineError
from launcher.schedulers.base import Answer
from launcher.units import format_duration

SLOW_SECONDS = 5.0  # for a shell to be there
CLOCK_SECONDS = 60.0  # a difference that shows in file times and in what is said of time left
CLOCK_LIMIT = 86400.0  # certificates begin a day before they are made

HELLO = """\
printf 'clock=%s\\nnow=%s\\n' "$(date +%s)" "$(date +%Y-%m-%dT%H:%M:%S)"
printf 'shell=%s\\nhome=%s\\nuser=%s\\nhost=%s\\nsystem=%s\\nssh=%s\\n' \\
  "$SHELL" "$HOME" "$(id -un)" "$(uname -n)" "$(uname -srm)" "${SSH_CONNECTION:-}"
"""

# What a shell may read before a command that comes through SSH.
_FILES = (
    *("~/.bashrc", "~/.bash_profile", "~/.profile", "~/.zshenv", "~/.cshrc", "~/.tcshrc", "~/.login"),
    *(
        "~/.config/fish/config.fish",
        "~/.ssh/rc",
        "/etc/bash.bashrc",
        "/etc/bashrc",
        "/etc/csh.cshrc",
        "/etc/zsh/zshenv",
    ),
)


def way_in(
    error: SpringlineError | None, label: str, seconds: float, *, asked: bool, port: int | None = None
) -> list[Outcome]:
    """The outcomes of one opening: the kind of error tells how far it got; `asked`: the host key was unknown.

    `port` is what the section says.
    """
    answered = ok("network", f"{label} answers, {format_duration(seconds)} to log in")
    known = ok("host-key", "it was unknown, and is remembered now" if asked else "known, and the same as before")
    match error:
        case None:
            return [answered, known, ok("login", f"as {label}" if "@" in label else "accepted")]
        case HostKeyError():
            return [ok("network", f"{label} answers"), failed_by("host-key", error)]
        case AuthenticationError():
            return [ok("network", f"{label} answers"), known, failed_by("login", error)]
        case ConfigurationError():
            return [*(skipped(step, "because the section is wrong") for step in WAY_IN[:2]), failed_by("login", error)]
    doubt = f"is `port = {port}` of the section right? Else: " if port else ""
    return [failed("network", error.message, doubt + error.hint, error.exit_code)]


def values(answer: Answer) -> dict[str, str]:
    """What HELLO found."""
    pairs = (line.partition("=") for line in answer.text.splitlines() if "=" in line)
    return {key: value for key, _, value in pairs}


def no_shell(error: ConnectError) -> Outcome:
    """The host let us in, but no command came to its end."""
    files = ", ".join(_FILES[:3])
    return failed(
        "shell",
        f"logged in, but the shell ends before a command has run: {error.message}",
        f"look for `exit` or `exec` in your start-up files over there ({files}, …), "
        "and let them do nothing where nobody types: `case $- in *i*) ;; *) return;; esac`",
        error.exit_code,
    )


def shell(found: Mapping[str, str], noise: str, where: str, seconds: float) -> Outcome:
    """The login shell; `where` says which lines of start-up files print the noise."""
    seen = f"{found.get('shell', '').rpartition('/')[2] or 'sh'}, {format_duration(seconds)}; {found.get('system', '')}"
    if noise:
        first = noise.splitlines()[0].strip()[:60]
        return warning(
            "shell",
            f"{seen}; it prints {len(noise.encode())} bytes before every command: “{first}” ({where})",
            "springline passes over it, but scp, rsync and sftp do not: "
            "print only where somebody types: `case $- in *i*) echo …;; esac`",
        )
    if seconds > SLOW_SECONDS:
        return warning(
            "shell", f"{seen}: slow", "see what your start-up files do there (conda init, module load, network drives)"
        )
    return ok("shell", f"{seen}, silent")


def noise_script(noise: str) -> str:
    """Find the lines of start-up files that hold the first words of the noise."""
    words = noise.splitlines()[0].strip() if noise else ""
    files = " ".join(f'"$HOME{file[1:]}"' if file.startswith("~") else file for file in _FILES)
    return f"grep -snF -e {quote(words)} {files} | head -n 3 | cut -d : -f 1,2\nexit 0" if words else "exit 0"


def places(lines: tuple[str, ...], home: str) -> str:
    """Where the noise comes from, in words."""
    found = [f"{path.replace(home, '~', 1)} line {line}" for path, _, line in (text.rpartition(":") for text in lines)]
    return ", ".join(found) or "from one of " + ", ".join(_FILES[:4]) + " …"


def clock(step: str, theirs: float, here: float, doubt: float) -> Outcome:
    """A clock against this computer's; `doubt` is how well the two moments are known to be one (s)."""
    off = theirs - here
    if abs(off) <= doubt + 2:
        return ok(step, "as this computer's")
    seen = f"{format_duration(abs(off))} {'ahead of' if off > 0 else 'behind'} this computer's"
    if off < -CLOCK_LIMIT:
        advice = (
            "set this computer's clock (or tell the cluster's support): certificates of today are not valid there yet"
        )
        return failed(step, seen, advice)
    if abs(off) > CLOCK_SECONDS:
        return warning(step, seen, "set this computer's clock by the network, or tell the cluster's support")
    return ok(step, seen)


def forwarding(label: str, error: str) -> Outcome:
    """Whether sshd forwards to ports, which the way to every node goes through."""
    if not error:
        return ok("forwarding", "sshd forwards ports")
    return failed(
        "forwarding",
        f"{label} forwards no ports: {error}",
        "the tunnel to JupyterLab needs it: ask the cluster's support for `AllowTcpForwarding local`, "
        "or whether another login host has it",
        50,
    )
