"""Installing an environment: look → check → ask → send → make → verify → one rename → record → section."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from launcher import wiring
from launcher.cluster import Cluster
from launcher.console.console import Console
from launcher.environments import choosing, ownwheel, resolving, room, sending, steps
from launcher.environments import facts as over_there
from launcher.environments.base import STEP, Facts, Method, Supply, Wish, default_prefix
from launcher.environments.facts import There
from launcher.environments.naming import Naming, listed, naming
from launcher.environments.record import Record
from launcher.errors import ConfigurationError, ConnectError, SpringlineError, UsageError
from launcher.needed import MODULES
from launcher.platforms import inifile, loading
from launcher.scripts.shell import RemotePath
from launcher.units import format_duration

SILENCE = 1800.0  # seconds a step of the making may take
FULL = ("No space left", "quota exceeded", "Disk quota", "os error 28", "os error 122")
UNREACHABLE = ("dns error", "error sending request", "Failed to fetch", "cannot be reached from")


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
    """Install what is wished and write it into the platform's section; returns its record, None if nothing was done.

    `config` is the platforms.ini that gets the keys in place of the user's own.
    """
    file = config or loading.user_file()
    if section and not dry_run:
        inifile.check_target(file, "make it yours; or give --no-section, and set `python` there yourself")
    cluster = wiring.cluster(wish.platform, console.asker())
    with console.stage(f"connect {cluster.transport.label}"):
        cluster.transport.open()
    with console.stage("look what is there"):
        plan = _planned(cluster, wish)
    if dry_run:
        _rehearse(cluster, plan, console)
        return None
    with console.stage("get packages here"):
        supplies = list(plan.method.supplies(plan.facts, plan.wish, console.say))
        to_send = sending.new_ones(cluster.transport, supplies, plan.supplies, plan.there.supplies or {})
    needs = room.needed(replace(plan.wish, method=plan.method.name), supplies, to_send)
    room.check(plan.facts, needs, f"{cluster.transport.label}: {plan.there.prefix.text}")
    others = _others(cluster, plan, file)
    if others:
        console.say(f"used by {listed(others)} of {file}, too")
    if not _agreed(cluster, plan, to_send, console):
        return None
    record = _made(cluster, plan, supplies, to_send, console)
    if section:
        _write_section(record, wish, file, console)
    old = plan.there.record
    for name in (name for name, keys in others.items() if old and f"/envs/{old.id}/" in "\n".join(keys.values())):
        console.say(f"[{name}] of {file} names what was replaced; put there, too: {_keys(record)}")
    return record


def _others(cluster: Cluster, plan: Plan, file: Path) -> Naming:
    """The other sections whose sessions use the environment that is replaced."""
    record, platform = plan.there.record, plan.wish.platform
    found = naming(cluster.transport, platform, record, file) if record else {}
    return {name: keys for name, keys in found.items() if name != platform.name}


def _planned(cluster: Cluster, wish: Wish) -> Plan:
    there = over_there.look(cluster.transport, wish.platform, wish.prefix)
    _check_place(cluster, wish, there)
    facts = over_there.gather(cluster.transport, wish, there.prefix)
    below_home = there.prefix.text.startswith(f"{facts.home.rstrip('/')}/")
    wish = replace(wish, prefix=there.prefix, shared=wish.shared or not below_home)
    method = _method(cluster, wish, facts)
    return Plan(wish, facts, there, method, f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(2)}")


def _method(cluster: Cluster, wish: Wish, facts: Facts) -> Method:
    try:
        return choosing.choose(facts, wish)
    except (ConfigurationError, UsageError) as error:
        raise type(error)(f"{cluster.transport.label}: {error.message}", error.hint) from error


def _rehearse(cluster: Cluster, plan: Plan, console: Console) -> None:
    text = steps.build(plan.new, plan.wish.platform.prologue, plan.build_script(), shared=plan.wish.shared)
    shown = {f"on {cluster.transport.label}: make {plan.new.text}": text}
    document = {"schema_version": 1, "platform": plan.wish.platform.name, "method": plan.method.name, "steps": shown}
    console.result(document, "\n".join(f"# --- {title}\n{script}" for title, script in shown.items()))


def _check_place(cluster: Cluster, wish: Wish, there: There) -> None:
    """Nothing of others is touched: neither what somebody else made, nor a file that is not springline's."""
    (owner, place), label, name = there.closed, cluster.transport.label, wish.platform.name
    own = f"--prefix '{default_prefix(wish.platform).text}'"
    if owner and there.record:
        keys = "; ".join(f"{key} = {value}" for key, value in there.record.section.items() if value)
        raise ConfigurationError(
            f"{label}: the environment in {there.prefix.text} belongs to {owner}, who alone can change it",
            f"to use it put into [{name}]: {keys}; for one of your own give {own}",
        )
    if owner:
        here = Path(there.prefix.text).is_relative_to(Path.home())
        tilde = "; if you gave ~, your shell made it this computer's home: quote it, as here" if here else ""
        raise ConfigurationError(f"{label}: cannot write in {place}, which belongs to {owner}", f"give {own}{tilde}")
    if there.taken:
        name = there.taken.removeprefix(there.prefix.text).lstrip("/")
        what = f"is there and holds files that are not springline's ({name})" if name else "is your home"
        raise ConfigurationError(f"{label}: {there.prefix.text} {what}", f"give a directory of its own, as {own}")


def _agreed(cluster: Cluster, plan: Plan, to_send: Sequence[Supply], console: Console) -> bool:
    size = sum(one.size for one in to_send)
    old = plan.there.record
    instead = f" in place of that of {old.when[:10]}" if old else ""
    readers = ", for everybody to use" if plan.wish.shared else ""
    console.say(f"environment ({plan.method.name}) in {plan.there.prefix.text}{instead}{readers}")
    console.say(f"to be sent once: {len(to_send)} files, {size / 1e6:.0f} MB")
    agreed = console.confirm(f"Install it on {cluster.transport.label}?")
    if not (agreed or console.interactive):
        raise UsageError("nothing was installed: there is nobody to ask", "give --yes")
    return agreed


def _made(
    cluster: Cluster, plan: Plan, supplies: Sequence[Supply], to_send: Sequence[Supply], console: Console
) -> Record:
    shared, transport = plan.wish.shared, cluster.transport
    prepare = steps.prepare(plan.there.prefix, plan.identity, [one.name for one in supplies], shared=shared)
    _run(cluster, prepare, f"cannot write in {plan.there.prefix.text}")
    kept = "the environment that was there is untouched" if plan.there.record else "the section is as it was"
    kept += "; what was sent is kept, so the same command goes on from there" if supplies else ""
    try:
        if to_send:
            with console.stage(f"send {sum(one.size for one in to_send) / 1e6:.0f} MB"):
                sending.send_all(transport, to_send, plan.supplies, console)
        _build(cluster, plan, console, kept)
        with console.stage("look whether it works"):
            record = _verified(cluster, plan, kept)
    except ConnectError:  # nobody there to tidy up with; the next install does it
        raise
    except BaseException:
        _discard(cluster, plan)
        raise
    used = shared or _in_use(cluster)
    text = steps.take_over(plan.there.prefix, plan.identity, record.text(), shared=shared, used=used)
    _run(cluster, text, "cannot take the new environment over")
    return record


def _build(cluster: Cluster, plan: Plan, console: Console, kept: str) -> None:
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
        _discard(cluster, plan)
        raise _failed(cluster, step, answer.errors, kept)
    _told(console, step, began)


def _told(console: Console, step: str, began: float) -> None:
    if step:
        console.say(f"  {step:<26} {format_duration(time.monotonic() - began):>9}")


def _failed(cluster: Cluster, step: str, errors: str, kept: str) -> SpringlineError:
    said = errors.strip()[-2000:] or "it said nothing"
    what = f"{cluster.transport.label}: '{step or 'the prologue'}' failed:\n{said}"
    if any(word in said for word in FULL):
        hint = "make room there (see `quota` and `df`), or give --prefix on another file system"
        return ConfigurationError(what, f"{hint}; {kept}")
    if any(word in said for word in UNREACHABLE):
        return ConnectError(what, f"see that over there the internet can be reached, or send all: --offline; {kept}")
    return ConfigurationError(what, kept)


def _verified(cluster: Cluster, plan: Plan, kept: str) -> Record:
    wish = plan.wish
    answer = cluster.transport.run(steps.verify(plan.new, MODULES, wish.platform.prologue), timeout=600)
    said = {word: rest for word, _, rest in (line.partition(" ") for line in answer.text.splitlines())}
    found = json.loads(said.get("@found") or "{}")
    if answer.exit_code or found.get("missing"):
        what = f"it has no {', '.join(found['missing'])}" if found.get("missing") else answer.errors.strip()[-1000:]
        raise ConfigurationError(f"{cluster.transport.label}: the new environment does not work: {what}", kept)
    return Record(
        method=plan.method.name,
        id=plan.identity,
        prefix=plan.there.prefix.text,
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        who=plan.facts.user,
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
    """Whether jobs of the user's, springline's or not, may use the environment that is replaced."""
    try:
        return bool(cluster.queue(""))
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


def _write_section(record: Record, wish: Wish, file: Path, console: Console) -> None:
    try:
        inifile.set_keys(file, wish.platform.name, record.section)
    except ConfigurationError as error:
        raise ConfigurationError(
            f"the environment is ready in {record.prefix}, but {error.message}",
            f"put this into [{wish.platform.name}] yourself: {_keys(record)}",
        ) from error
    console.say(f"[{wish.platform.name}] of {file}: {_keys(record)}")


def _keys(record: Record) -> str:
    return ", ".join(f"{key} = {value}" for key, value in record.section.items() if value)
