"""The keys of a platform's section: where each value goes and how its text is read. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from launcher.daskkinds import read_kind
from launcher.units import parse_memory, parse_walltime

TRANSPORTS = ("fabric", "openssh", "auto", "local")
WAYS = ("auto", "socket", "loopback", "node-tls")  # plain HTTP only with --insecure-http
SCHEDULERS = ("slurm", "pbs", "local")

_VARIABLE = r"\$(?:[A-Za-z_][A-Za-z0-9_]*|\{[A-Za-z_][A-Za-z0-9_]*\})"
_NAMES = r"[\w.,+@%:=~/-]"  # what names of directories are made of
_OURS = ("--job-name", "--comment", "--output", "--open-mode", "--parsable", "--wrap")
_OURS_OF_PBS = ("-N", "-o", "-e", "-j", "-k", "-v", "-V", "-S", "-C", "-d", "-w")


@dataclass(frozen=True)
class Key:
    """One key of a section: where its value goes, how its text is read, and what to say of it."""

    target: str  # a field of Platform, or "resources.FIELD", "workers.FIELD"
    read: Callable[[str], Any]
    help: str
    without: str = ""  # what holds where it is left out

    @property
    def form(self) -> str:
        """How its text is written."""
        return _FORMS.get(self.read) or self.read.__doc__ or ""


def _whole(text: str) -> int:
    """A whole number above zero."""
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"'{text}' is not a whole number above zero")
    return int(text)


def _count(text: str) -> int:
    """A whole number."""
    return 0 if text == "0" else _whole(text)


def _port(text: str) -> int:
    """1 to 65535."""
    number = _whole(text)
    if number > 65535:
        raise ValueError(f"'{text}' is not a port (1 to 65535)")
    return number


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"'{text}' is not one of: {', '.join(choices)}")
        return text

    read.__doc__ = ", ".join(f"`{choice}`" for choice in choices) + "."
    return read


def _plain(text: str) -> str:
    """One line of text."""
    if not text or "\n" in text or text != text.strip() or "\0" in text:
        raise ValueError("the value must be one line of text")
    return text


def _word(text: str) -> str:
    """One word."""
    if not re.fullmatch(r"[\w.,+@%:/=-]+", text) or text.startswith("-"):
        raise ValueError(f"'{text}' must be one word of letters, digits and . , + @ % : / = -")
    return text


def _directory(text: str) -> str:
    """A path from `/`, `~/` or `$VARIABLE` on; the beginning alone is filled in over there."""
    if not re.fullmatch(rf"(~|{_VARIABLE})?(/{_NAMES}*)?", text) or not text:
        raise ValueError(f"'{text}' must begin with /, ~/ or $VARIABLE and hold no other $, spaces or quotes")
    return text


def _node_directory(text: str) -> str:
    """A path; may hold `$VARIABLES` of the node."""
    # The shell of a worker's job fills it in: so it must hold nothing that a shell could run.
    if not re.fullmatch(rf"(~|{_VARIABLE})?(/({_NAMES}|{_VARIABLE})*)?", text) or not text:
        raise ValueError(f"'{text}' must begin with /, ~/ or $VARIABLE and hold no spaces, quotes or $( )")
    return text


def _web_address(text: str) -> str:
    """An address: `https://HOST/gateway`."""
    if not re.fullmatch(r"https?://[\w.:@\[\]/~-]+", text):
        raise ValueError(f"'{text}' must be an address that begins with http:// or https://")
    return text.rstrip("/")


def _lines(text: str) -> tuple[str, ...]:
    """Lines, indented below the key."""
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _directives(text: str) -> tuple[str, ...]:
    """Options, one a line, such as `--constraint=rome`."""
    lines = _lines(text)
    for word in text.split():
        if _is_ours(word):
            raise ValueError(f"'{word}' is springline's own: by {', '.join(_OURS)} it finds its jobs and their logs")
    for line in lines:
        if not line.startswith("-"):
            raise ValueError(f"'{line}' is not an option of the scheduler; write one per line, e.g. --constraint=rome")
    return lines


def _qsub_options(text: str) -> tuple[str, ...]:
    """Options, one a line, such as `-l place=excl`."""
    lines = _lines(text)
    for line in lines:
        if line[:2] in _OURS_OF_PBS:
            raise ValueError(f"'{line}' is springline's own: with {', '.join(_OURS_OF_PBS)} it finds its jobs and logs")
        if not line.startswith("-"):
            raise ValueError(f"'{line}' is not an option of qsub; write one per line, e.g. -l place=excl")
    return lines


def _resource_spec(text: str) -> str:
    """As PBS has it: `select=1:ncpus=4:mem=8gb`."""
    if not re.fullmatch(r"[\w.,+@:=/()-]+", text) or "=" not in text or text.startswith("-"):
        raise ValueError(f"'{text}' is not what PBS takes after -l; write for example select=1:ncpus=4:mem=8gb")
    return text


def _interface(text: str) -> str:
    """The name of an interface: `ib0`."""
    if not re.fullmatch(r"[A-Za-z][\w.:-]{0,14}", text):
        raise ValueError(f"'{text}' is not the name of a network interface; `ip link` on a node lists them, e.g. ib0")
    return text


def _is_ours(word: str) -> bool:
    """True for an option that is springline's to give, shortened (--job=x) or behind others (-HJ) too."""
    option = word.partition("=")[0]
    long = len(option) > 2 and any(ours.startswith(option) for ours in _OURS)
    return long or re.match(r"-[HIkOQsvW]*[Jo]", word) is not None


_FORMS: Mapping[Callable[[str], Any], str] = {
    parse_walltime: "`MM`, `HH:MM:SS` or `D-HH:MM:SS`.",
    parse_memory: "A size: `8GB`, `32GiB`.",
    read_kind: "`slurm`, `pbs`, `local`, `gateway`, or `tls://HOST:PORT`, `tcp://HOST:PORT`.",
}

INHERIT = "platform"
INHERIT_HELP = "the section whose keys hold where this one has none"

GROUPS: Mapping[str, Mapping[str, Key]] = {
    "The way there": {
        "host": Key(
            "host", _word, "login host, or an alias of ~/.ssh/config", "must be there, unless transport is local"
        ),
        "user": Key("user", _word, "your account on the host", "as in ~/.ssh/config"),
        "port": Key("port", _port, "SSH port", "as in ~/.ssh/config, else 22"),
        "keypath": Key("keypath", _plain, "private key", "as in ~/.ssh/config, or the agent"),
        "key_pass": Key("", _plain, "of old files; not used: a passphrase is asked for when it is needed"),
        "transport": Key("transport", _one_of(*TRANSPORTS), "how to reach the host", "fabric"),
        "access": Key("access", _one_of(*WAYS), "the way to JupyterLab; auto takes the safest that works", "auto"),
        "local_port": Key("local_port", _port, "port on this computer", "any free one"),
    },
    "What runs there": {
        "scheduler": Key("scheduler", _one_of(*SCHEDULERS), "who starts jobs there", "slurm"),
        "python": Key("python", _plain, "Python with JupyterLab, dask and dask-jobqueue on the platform", "python3"),
        "prologue": Key("prologue", _lines, "bash lines, or a file NAME.sh with them, run before Python", "none"),
        "image": Key("image", _plain, "Apptainer image that holds Python", "none"),
        "run_dir": Key(
            "run_dir",
            _directory,
            "directory for the files of sessions and runs; all nodes must share it",
            "~/.springline",
        ),
        "idle_stop": Key(
            "idle_stop", parse_walltime, "end the session after this time without work or visitors", "never"
        ),
    },
    "The session's job": {
        "partition": Key("resources.partition", _word, "partition, or queue of PBS", "the cluster's default"),
        "account": Key("resources.account", _word, "account to charge", "the cluster's default"),
        "qos": Key("resources.qos", _word, "quality of service", "the cluster's default"),
        "reservation": Key("resources.reservation", _word, "reservation", "none"),
        "walltime": Key("resources.walltime", parse_walltime, "longest time of the job", "the partition's default"),
        "cores": Key("resources.cores", _whole, "CPU cores of the job, on one node", "1"),
        "memory": Key("resources.memory", parse_memory, "memory of the job", "the cluster's default"),
        "sbatch": Key("resources.directives", _directives, "further options of sbatch", "none"),
        "qsub": Key("resources.directives", _qsub_options, "PBS: further options of qsub", "none"),
        "resource_spec": Key(
            "resources.resource_spec", _resource_spec, "PBS: what follows -l", "made of cores and memory"
        ),
    },
    "Dask's workers": {
        "dask": Key("dask.kind", read_kind, "who gives workers, or a scheduler that is there already", "the scheduler"),
        "gateway_address": Key(
            "dask.gateway_address", _web_address, "the server of dask = gateway", "dask-gateway's own configuration"
        ),
        "tls_ca": Key("dask.tls_ca", _directory, "for dask = tls://…: the certificate that vouches for the scheduler"),
        "tls_cert": Key("dask.tls_cert", _directory, "for dask = tls://…: your certificate"),
        "tls_key": Key("dask.tls_key", _directory, "for dask = tls://…: the key of your certificate"),
        "workers": Key("workers.count", _count, "worker jobs at the start", "0"),
        "worker_cores": Key("workers.cores", _whole, "CPU cores of a worker job", "1"),
        "worker_memory": Key("workers.memory", parse_memory, "memory of a worker job", "the cluster's default"),
        "worker_processes": Key("workers.processes", _whole, "Dask worker processes in a worker job", "1"),
        "worker_walltime": Key("workers.walltime", parse_walltime, "longest time of a worker job", "01:00:00"),
        "worker_partition": Key("workers.partition", _word, "partition of the worker jobs", "the session's"),
        "worker_local_directory": Key(
            "workers.local_directory", _node_directory, "where workers spill, on the node", "$TMPDIR, or /tmp"
        ),
        "worker_max_jobs": Key("workers.max_jobs", _whole, "no more worker jobs than this", "no limit"),
        "worker_resource_spec": Key(
            "workers.resource_spec", _resource_spec, "PBS: what follows -l for a worker job", "made of cores and memory"
        ),
        "worker_interface": Key("workers.interface", _interface, "network between workers", "the node's own choice"),
        "worker_death_timeout": Key(
            "workers.death_timeout", parse_walltime, "how long a worker waits for its scheduler", "Dask's own"
        ),
    },
}
"""Every key, under what it is about."""
KEYS: Mapping[str, Key] = {name: key for group in GROUPS.values() for name, key in group.items()}
