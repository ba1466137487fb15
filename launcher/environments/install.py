"""Installing an environment: look → check → ask → send → make → verify → one rename → record → section."""

from __future__ import annotations

import getpass
import hashlib
import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from launcher import inifile, platforms, wiring
from launcher.cluster import Cluster
from launcher.console import Console
from launcher.environments import facts as over_there
from launcher.environments import method_for, ownwheel, resolving, sending, steps
from launcher.environments.base import STEP, Facts, Method, Supply, Wish
from launcher.environments.facts import There
from launcher.environments.packed import Packed
from launcher.environments.record import Record
from launcher.errors import ConfigurationError, ConnectError, SpringlineError, UsageError
from launcher.scripts import RemotePath
from launcher.units import format_duration

SILENCE = 1800.0  # seconds a step of the making may take
MODULES = ("jupyterlab", "dask_labextension", "distributed", "dask_jobqueue")
ROOM = 4  # bytes on disk for each byte of a wheel
KEPT = "the environment that was there is untouched; what was sent is kept, so the same command goes on from there"


@dataclass(frozen=True)
class Plan:
    """What will be made, and where."""

    wish: Wish
    facts: Facts
    there: There
    method: Method
    identity: str

    @property
    def new(self) -> RemotePath:
        """The new environment's directory, where it stays."""
        return self.there.prefix / f"envs/{self.identity}"

    @property
    def supplies(self) -> RemotePath:
        """Where what is sent lies."""
        return self.there.prefix / "supplies"

    def build_script(self) -> str:
        """The method's own script."""
        return self.method.build_script(self.facts, self.wish, self.new, self.supplies)


def install(
    wish: Wish,
    console: Console,
    *,
    config: Path | None = None,
    dry_run: bool = False,
    section: bool = True,
) -> Record | None:
    """Install what is wished and write it into the platform's section; returns its record, None for a rehearsal.

    `config` is the platforms.ini that gets the keys in place of the user's own.
    """
    cluster = wiring.cluster(wish.platform, console.asker())
    with console.stage(f"connect {cluster.transport.label}"):
        cluster.transport.open()
    with console.stage("look what is there"):
        plan = _planned(cluster, wish)
    if dry_run:
        _rehearse(cluster, plan, console)
        return None
    with console.stage("get packages on this computer"):
        supplies = list(plan.method.supplies(plan.facts, plan.wish, console.say))
    to_send = sending.new_ones(supplies, plan.there.supplies or {})
    _check_room(cluster, plan, to_send)
    _ask(cluster, plan, to_send, console)
    record = _made(cluster, plan, supplies, to_send, console)
    if section:
        _write_section(record, wish, config, console)
    return record


def _planned(cluster: Cluster, wish: Wish) -> Plan:
    there = over_there.look(cluster.transport, wish.prefix)
    facts = over_there.gather(cluster.transport, replace(wish, prefix=there.prefix))
    below_home = there.prefix.text.startswith(f"{facts.home.rstrip('/')}/")
    wish = replace(wish, prefix=there.prefix, shared=wish.shared or not below_home)
    method = _method(cluster, wish, facts)
    return Plan(wish, facts, there, method, f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(2)}")


def _method(cluster: Cluster, wish: Wish, facts: Facts) -> Method:
    """The method that is wished; auto takes the first whose needs are there, and says what the first one lacks."""
    names = ("venv", "conda") if wish.method == "auto" else (wish.method,)
    refusals: list[SpringlineError] = []
    for name in names:
        try:
            method = Packed(method_for(name)) if wish.pack else method_for(name)
            method.check(facts, wish)
        except (ConfigurationError, UsageError) as error:
            refusals.append(type(error)(f"{cluster.transport.label}: {error.message}", error.hint))
        else:
            return method
    raise refusals[0]


def _rehearse(cluster: Cluster, plan: Plan, console: Console) -> None:
    text = steps.build(plan.new, plan.wish.platform.prologue, plan.build_script(), shared=plan.wish.shared)
    shown = {f"on {cluster.transport.label}: make {plan.new.text}": text}
    document = {"schema_version": 1, "platform": plan.wish.platform.name, "method": plan.method.name, "steps": shown}
    console.result(document, "\n".join(f"# --- {title}\n{script}" for title, script in shown.items()))


def _check_room(cluster: Cluster, plan: Plan, to_send: Sequence[Supply]) -> None:
    needed = sum(one.size for one in to_send) * (ROOM if any(one.kind == "wheel" for one in to_send) else 1)
    free = plan.facts.free_bytes
    if free is not None and free < needed:
        raise ConfigurationError(
            f"{cluster.transport.label}: {plan.there.prefix.text} has {free / 1e9:.1f} GB free, "
            f"and about {needed / 1e9:.1f} GB are needed",
            "make room there, or give --prefix on another file system that all nodes share",
        )


def _ask(cluster: Cluster, plan: Plan, to_send: Sequence[Supply], console: Console) -> None:
    size = sum(one.size for one in to_send)
    old = plan.there.record
    instead = f" in place of that of {old.when[:10]}" if old else ""
    readers = ", for everybody to use" if plan.wish.shared else ""
    console.say(f"environment ({plan.method.name}) in {plan.there.prefix.text}{instead}{readers}")
    console.say(f"to be sent once: {len(to_send)} files, {size / 1e6:.0f} MB")
    if not console.confirm(f"Install it on {cluster.transport.label}?"):
        if not console.interactive:
            raise UsageError("nothing was installed: there is nobody to ask", "give --yes")
        raise UsageError("nothing was installed")


def _made(
    cluster: Cluster, plan: Plan, supplies: Sequence[Supply], to_send: Sequence[Supply], console: Console
) -> Record:
    shared, transport = plan.wish.shared, cluster.transport
    prepare = steps.prepare(plan.there.prefix, plan.identity, [one.name for one in supplies], shared=shared)
    _run(cluster, prepare, f"cannot write in {plan.there.prefix.text}")
    try:
        if to_send:
            with console.stage(f"send {sum(one.size for one in to_send) / 1e6:.0f} MB"):
                sending.send_all(transport, to_send, plan.supplies, console)
        _build(cluster, plan, console)
        with console.stage("look whether it works"):
            record = _verified(cluster, plan)
    except ConnectError:  # nobody there to tidy up with; the next install does it
        raise
    except BaseException:
        _discard(cluster, plan)
        raise
    used = shared or _in_use(cluster)
    text = steps.take_over(plan.there.prefix, plan.identity, record.text(), shared=shared, used=used)
    _run(cluster, text, "cannot take the new environment over")
    return record


def _build(cluster: Cluster, plan: Plan, console: Console) -> None:
    """Run the method's script; each step it announces is told with its time when it is over."""
    text = steps.build(plan.new, plan.wish.platform.prologue, plan.build_script(), shared=plan.wish.shared)
    step, began = "", time.monotonic()
    with (
        console.live(lambda seconds: f"  {format_duration(seconds)}  {step}", remind=True),
        cluster.transport.receive(text, timeout=SILENCE) as incoming,
    ):
        line = b""
        while byte := incoming.read(1):
            line += byte
            if byte != b"\n":
                continue
            words = line.decode(errors="replace").strip()
            line = b""
            if words.startswith(STEP):
                _told(console, step, began)
                step, began = words.removeprefix(STEP), time.monotonic()
        answer = incoming.answer()
    if answer.exit_code:
        raise _failed(cluster, step, answer.errors)
    _told(console, step, began)


def _told(console: Console, step: str, began: float) -> None:
    if step:
        console.say(f"  {step:<26} {format_duration(time.monotonic() - began):>9}")


def _failed(cluster: Cluster, step: str, errors: str) -> ConfigurationError:
    said = errors.strip()[-2000:] or "it said nothing"
    full = any(
        word in said for word in ("No space left", "quota exceeded", "Disk quota", "os error 28", "os error 122")
    )
    hint = "make room there (see `quota` and `df`), or give --prefix on another file system; " if full else ""
    return ConfigurationError(f"{cluster.transport.label}: '{step or 'the prologue'}' failed:\n{said}", hint + KEPT)


def _verified(cluster: Cluster, plan: Plan) -> Record:
    wish = plan.wish
    answer = cluster.transport.run(steps.verify(plan.new, MODULES, wish.platform.prologue), timeout=600)
    said = {word: rest for word, _, rest in (line.partition(" ") for line in answer.text.splitlines())}
    found = json.loads(said.get("@found") or "{}")
    if answer.exit_code or found.get("missing"):
        what = f"it has no {', '.join(found['missing'])}" if found.get("missing") else answer.errors.strip()[-1000:]
        raise ConfigurationError(f"{cluster.transport.label}: the new environment does not work: {what}", KEPT)
    return Record(
        method=plan.method.name,
        id=plan.identity,
        prefix=plan.there.prefix.text,
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        who=getpass.getuser(),
        host=str(wish.platform.host or ""),
        springline=version("springline"),
        springline_sha256=ownwheel.fingerprint(),
        lock_sha256=hashlib.sha256(resolving.lock_file().read_bytes()).hexdigest(),
        python=str(found.get("python", "")),
        extras=wish.extras,
        requirements=wish.requirements,
        packages=dict(found.get("packages", {})),
        size=int(said.get("@size") or 0) * 1024,
        shared=wish.shared,
        section=dict(plan.method.section(wish, plan.there.prefix, plan.new)),
    )


def _in_use(cluster: Cluster) -> bool:
    """Whether jobs of springline's are in the queue, which may use the environment that is replaced."""
    try:
        return bool(cluster.queue())
    except SpringlineError:  # nobody could say
        return True


def _run(cluster: Cluster, script: str, what: str) -> None:
    answer = cluster.transport.run(script)
    if answer.exit_code:
        said = (answer.errors.strip().splitlines() or ["no reason given"])[-1]
        raise ConfigurationError(f"{cluster.transport.label}: {what}: {said}", "make room there, or give --prefix")


def _discard(cluster: Cluster, plan: Plan) -> None:
    try:
        cluster.transport.run(steps.discard(plan.new), timeout=60)
    except SpringlineError:  # then the next install removes it
        return


def _write_section(record: Record, wish: Wish, config: Path | None, console: Console) -> None:
    file = config or platforms.user_file()
    inifile.set_keys(file, wish.platform.name, record.section)
    keys = ", ".join(f"{key} = {value}" for key, value in record.section.items() if value)
    console.say(f"[{wish.platform.name}] of {file}: {keys}")
