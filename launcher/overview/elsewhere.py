"""Sessions and runs of other computers: the truth about them lies on the platforms, so these are asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from launcher import wiring
from launcher.cluster import Cluster
from launcher.errors import NotFoundError, SpringlineError, UsageError
from launcher.kinds import SESSION, Kind
from launcher.laptop.store import Store
from launcher.model import Platform, Session, SessionStatus, Unknown
from launcher.parallel import side_by_side
from launcher.platforms import loading
from launcher.scripts.inventory import Found
from launcher.sessions import lifecycle
from launcher.transports.base import Asker


@dataclass(frozen=True)
class Place:
    """Where to look for sessions: on a platform, or on all of the user's own."""

    platform: str | None = None
    config: Path | None = None

    @property
    def config_text(self) -> str:
        """The --config file as a record keeps it."""
        return str(self.config.resolve()) if self.config else ""

    def platforms(self) -> list[Platform]:
        """The platforms meant; of the shipped ones only one that is named."""
        known = loading.load(self.config)
        if self.platform is not None:
            return [known.get(self.platform)]
        own = self.config or loading.user_file()
        names = loading.Platforms([own]).names if own.exists() else []
        return [known.get(name) for name in names]


def reach(name: str | None, ask: Asker, store: Store, place: Place) -> tuple[Cluster, Session]:
    """A session and its cluster: by this laptop's record, else by what lies on the platforms; that is then recorded."""
    record = _record(store, name)
    if record is not None and place.platform is None:
        return wiring.reach(record.name, ask, store)
    cluster, session = _sought(name, ask, place, store.kind)
    known = store.get(session.name)
    if known is not None and known.job_name == session.job_name:
        session = replace(session, port=known.port, ended=known.ended)
    if known is None or known.ended or known.job_name == session.job_name:  # a live one of that name keeps its record
        store.save(session)
    return cluster, session


def listed(
    ask: Asker, place: Place, kind: Kind = SESSION
) -> list[tuple[Platform, list[SessionStatus] | SpringlineError]]:
    """How every session on each platform is."""

    def work(platform: Platform) -> Callable[[Asker], list[SessionStatus]]:
        def look(asker: Asker) -> list[SessionStatus]:
            cluster = wiring.cluster(platform, asker)
            there = [found.session for found in cluster.sessions(place.config_text, kind) if found.session]
            return lifecycle.statuses(cluster, sorted(there, key=lambda session: session.created))

        return look

    asked = place.platforms()
    return list(zip(asked, side_by_side([work(platform) for platform in asked], ask), strict=True))


def _record(store: Store, name: str | None) -> Session | None:
    if name is not None:
        return store.get(name)
    with suppress(NotFoundError):
        return store.find(None)
    return None


def _sought(name: str | None, ask: Asker, place: Place, kind: Kind) -> tuple[Cluster, Session]:
    """The session of that name, or the only live one, wherever it is."""

    def work(platform: Platform) -> Callable[[Asker], list[tuple[Cluster, Found]]]:
        def look(asker: Asker) -> list[tuple[Cluster, Found]]:
            cluster = wiring.cluster(platform, asker)
            found = cluster.sessions(place.config_text, kind)
            wanted = [one for one in found if one.name == name] if name else _live(cluster, found)
            return [(cluster, one) for one in wanted]

        return look

    asked = place.platforms()
    outcomes = side_by_side([work(platform) for platform in asked], ask)
    sought = _without_aliases(
        one for outcome in outcomes if not isinstance(outcome, SpringlineError) for one in outcome
    )
    if not sought:
        raise next((o for o in outcomes if isinstance(o, SpringlineError)), None) or _nowhere(name, asked, kind)
    if len(sought) > 1:
        names = ", ".join(f"{session.name} on {session.platform}" for _, session in sought)
        raise UsageError(f"there are several {kind.noun}s: {names}", "name the one you mean, with its --platform")
    return _with_id(*sought[0])


def _live(cluster: Cluster, found: Iterable[Found]) -> list[Found]:
    """Those that are not over: many an end leaves no marker, so the scheduler is asked."""
    unmarked = [(one, one.session) for one in found if one.session and not one.over]
    current = lifecycle.statuses(cluster, [session for _, session in unmarked])
    return [one for (one, _), now in zip(unmarked, current, strict=True) if not _gone(now)]


def _gone(current: SessionStatus) -> bool:
    return current.phase in lifecycle.OVER or (isinstance(current.job, Unknown) and current.job.unlisted)


def _without_aliases(found: Iterable[tuple[Cluster, Found]]) -> list[tuple[Cluster, Session]]:
    """Each session once, where two platforms are the same place: by the name it was started with, if that is known."""
    best: dict[str, tuple[Cluster, Session]] = {}
    for cluster, one in found:
        if one.session and (one.session.job_name not in best or one.known_as == cluster.platform.name):
            best[one.session.job_name] = cluster, one.session
    return list(best.values())


def _with_id(cluster: Cluster, session: Session) -> tuple[Cluster, Session]:
    """Look the job up by its name where the answer to the submission is not there."""
    if session.job_id:
        return cluster, session
    job_id, _ = cluster.find(session)
    if job_id is None:
        raise NotFoundError(
            f"{session.noun} {session.name} has no job: {cluster.platform.name} lists none called '{session.job_name}'",
            "it may just be being submitted from another computer: try again in a moment",
        )
    return cluster, replace(session, job_id=job_id)


def _nowhere(name: str | None, asked: list[Platform], kind: Kind) -> NotFoundError:
    where = f" here, nor on {', '.join(platform.name for platform in asked)}" if asked else " here"
    if name is None:
        return NotFoundError(f"there is no {kind.noun}{where}", f"start one: {kind.begin}")
    return NotFoundError(f"there is no {kind.noun} '{name}'{where}", f"`{kind.list}` lists the {kind.noun}s")
