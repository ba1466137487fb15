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
    """One key of a section: where its value goes and how its text is read."""

    target: str  # a field of Platform, or "resources.FIELD", "workers.FIELD"
    read: Callable[[str], Any]
    help: str


def _whole(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"'{text}' is not a whole number above zero")
    return int(text)


def _count(text: str) -> int:
    return 0 if text == "0" else _whole(text)


def _port(text: str) -> int:
    number = _whole(text)
    if number > 65535:
        raise ValueError(f"'{text}' is not a port (1 to 65535)")
    return number


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"'{text}' is not one of: {', '.join(choices)}")
        return text

    return read


def _plain(text: str) -> str:
    """Text that may stand on a directive line of a batch script."""
    if not text or "\n" in text or text != text.strip() or "\0" in text:
        raise ValueError("the value must be one line of text")
    return text


def _word(text: str) -> str:
    if not re.fullmatch(r"[\w.,+@%:/=-]+", text) or text.startswith("-"):
        raise ValueError(f"'{text}' must be one word of letters, digits and . , + @ % : / = -")
    return text


def _directory(text: str) -> str:
    """A path whose beginning alone is filled in over there."""
    if not re.fullmatch(rf"(~|{_VARIABLE})?(/{_NAMES}*)?", text) or not text:
        raise ValueError(f"'{text}' must begin with /, ~/ or $VARIABLE and hold no other $, spaces or quotes")
    return text


def _node_directory(text: str) -> str:
    """A path that the shell of a worker's job fills in, so it may hold variables anywhere, and nothing else to run."""
    if not re.fullmatch(rf"(~|{_VARIABLE})?(/({_NAMES}|{_VARIABLE})*)?", text) or not text:
        raise ValueError(f"'{text}' must begin with /, ~/ or $VARIABLE and hold no spaces, quotes or $( )")
    return text


def _web_address(text: str) -> str:
    if not re.fullmatch(r"https?://[\w.:@\[\]/~-]+", text):
        raise ValueError(f"'{text}' must be an address that begins with http:// or https://")
    return text.rstrip("/")


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _directives(text: str) -> tuple[str, ...]:
    lines = _lines(text)
    for word in text.split():
        if _is_ours(word):
            raise ValueError(f"'{word}' is springline's own: by {', '.join(_OURS)} it finds its jobs and their logs")
    for line in lines:
        if not line.startswith("-"):
            raise ValueError(f"'{line}' is not an option of the scheduler; write one per line, e.g. --constraint=rome")
    return lines


def _qsub_options(text: str) -> tuple[str, ...]:
    lines = _lines(text)
    for line in lines:
        if line[:2] in _OURS_OF_PBS:
            raise ValueError(f"'{line}' is springline's own: with {', '.join(_OURS_OF_PBS)} it finds its jobs and logs")
        if not line.startswith("-"):
            raise ValueError(f"'{line}' is not an option of qsub; write one per line, e.g. -l place=excl")
    return lines


def _resource_spec(text: str) -> str:
    if not re.fullmatch(r"[\w.,+@:=/()-]+", text) or "=" not in text or text.startswith("-"):
        raise ValueError(f"'{text}' is not what PBS takes after -l; write for example select=1:ncpus=4:mem=8gb")
    return text


def _interface(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z][\w.:-]{0,14}", text):
        raise ValueError(f"'{text}' is not the name of a network interface; `ip link` on a node lists them, e.g. ib0")
    return text


def _is_ours(word: str) -> bool:
    """True for an option that is springline's to give, shortened (--job=x) or behind others (-HJ) too."""
    option = word.partition("=")[0]
    long = len(option) > 2 and any(ours.startswith(option) for ours in _OURS)
    return long or re.match(r"-[HIkOQsvW]*[Jo]", word) is not None


KEYS: Mapping[str, Key] = {
    "host": Key("host", _word, "login host, or an alias of ~/.ssh/config"),
    "user": Key("user", _word, "account on the host; default as in ~/.ssh/config"),
    "port": Key("port", _port, "SSH port"),
    "keypath": Key("keypath", _plain, "private key; default as in ~/.ssh/config, or the agent"),
    "key_pass": Key("", _plain, "old key: True if the private key has a passphrase; it is asked for when needed"),
    "transport": Key("transport", _one_of(*TRANSPORTS), "how to reach the host"),
    "scheduler": Key("scheduler", _one_of(*SCHEDULERS), "who starts jobs there"),
    "python": Key("python", _plain, "Python with jupyterlab, dask and dask-jobqueue on the platform"),
    "prologue": Key("prologue", _lines, "bash lines, or a file NAME.sh with them, run before Python"),
    "image": Key("image", _plain, "Apptainer image that holds Python"),
    "run_dir": Key("run_dir", _directory, "directory for session files, on a file system all nodes share"),
    "access": Key("access", _one_of(*WAYS), "the way to JupyterLab; auto takes the safest that works"),
    "idle_stop": Key("idle_stop", parse_walltime, "end the session after this time without work or visitors"),
    "local_port": Key("local_port", _port, "port on the laptop; default any free one"),
    "partition": Key("resources.partition", _word, "partition of the session's job"),
    "account": Key("resources.account", _word, "account to charge"),
    "qos": Key("resources.qos", _word, "quality of service"),
    "reservation": Key("resources.reservation", _word, "reservation"),
    "walltime": Key("resources.walltime", parse_walltime, "walltime of the session's job, HH:MM:SS"),
    "cores": Key("resources.cores", _whole, "CPU cores of the session's job"),
    "memory": Key("resources.memory", parse_memory, "memory of the session's job, e.g. 8GB"),
    "resource_spec": Key("resources.resource_spec", _resource_spec, "PBS: what follows -l, in place of cores, memory"),
    "sbatch": Key("resources.directives", _directives, "further sbatch options, one per line"),
    "qsub": Key("resources.directives", _qsub_options, "PBS: further qsub options, one per line"),
    "dask": Key("dask.kind", read_kind, "who gives workers: slurm, pbs, local, gateway, or a scheduler's address"),
    "gateway_address": Key("dask.gateway_address", _web_address, "the dask-gateway server, e.g. https://HOST/gateway"),
    "tls_ca": Key("dask.tls_ca", _directory, "for `dask = tls://…`: the certificate that vouches for the scheduler"),
    "tls_cert": Key("dask.tls_cert", _directory, "for `dask = tls://…`: your certificate"),
    "tls_key": Key("dask.tls_key", _directory, "for `dask = tls://…`: the key of your certificate"),
    "workers": Key("workers.count", _count, "worker jobs at start"),
    "worker_cores": Key("workers.cores", _whole, "CPU cores of a worker job"),
    "worker_memory": Key("workers.memory", parse_memory, "memory of a worker job"),
    "worker_processes": Key("workers.processes", _whole, "Dask worker processes in a worker job"),
    "worker_walltime": Key("workers.walltime", parse_walltime, "walltime of a worker job"),
    "worker_partition": Key("workers.partition", _word, "partition of the worker jobs; default the session's"),
    "worker_local_directory": Key("workers.local_directory", _node_directory, "spill space on the node, e.g. $TMPDIR"),
    "worker_max_jobs": Key("workers.max_jobs", _whole, "no more worker jobs than this"),
    "worker_resource_spec": Key("workers.resource_spec", _resource_spec, "PBS: what follows -l for a worker job"),
    "worker_interface": Key("workers.interface", _interface, "network between workers, e.g. ib0; default the node's"),
    "worker_death_timeout": Key("workers.death_timeout", parse_walltime, "how long a worker waits for its scheduler"),
}
INHERIT = "platform"
