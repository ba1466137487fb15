"""The probes' answers → what was found. What is missing or strange is passed over and noted, never guessed. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from launcher.discovery import pbs, slurm
from launcher.discovery.found import Found, Place, Python
from launcher.discovery.probes import NOT_ENDED, Section

NAMES = ("system", "pythons", "tools", "internet", "room", "scratch", "modules", "scheduler")


def read(sections: Mapping[str, Section]) -> Found:
    """All of it; a probe that failed leaves its part empty."""
    said = {name: sections.get(name, Section(NOT_ENDED, ())) for name in NAMES}
    homes = [_place(row[1:], row[0]) for row in said["room"].rows("room") if len(row) == 9]
    told = [parts for one in (slurm, pbs) if (parts := one.read(said["scheduler"]))]
    parts = next((one for one in told if "scheduler" in one), told[0] if told else {})
    notes = [f"{name}: no answer in time" for name, section in said.items() if section.code == NOT_ENDED]
    errors = [row for row in said["scheduler"].rows("error") if len(row) == 2]
    notes += [f"{row[0]}: {row[1]}" for row in errors if "accounting_storage" not in row[1]]  # it keeps no accounts
    return Found(
        system={line.partition("|")[0]: line.partition("|")[2] for line in said["system"].lines},
        pythons=_pythons(said["pythons"]),
        modules=_modules(said["modules"]),
        tools={row[0]: row[1] for row in said["tools"].rows("tool")},
        home=homes[0] if homes else None,
        scratch=_scratch(said["scratch"]),
        quota=tuple("|".join(row) for row in said["room"].rows("quota")),
        internet={"ok": True, "no": False}.get(next((row[0] for row in said["internet"].rows("pypi")), "")),
        notes=tuple(dict.fromkeys(notes)),
        **parts,
    )


def _pythons(section: Section) -> tuple[Python, ...]:
    """Each once, the newest first."""
    found: dict[str, Python] = {}
    for row in section.rows("python"):
        if len(row) == 5 and all(part.isdecimal() for part in row[2].split(".")):
            version = tuple(int(part) for part in row[2].split("."))
            found.setdefault(row[1], Python(row[1], version, tuple(row[3].split()), tuple(row[4].split())))
    newest = sorted(found.values(), key=lambda one: (one.version, -len(one.path)), reverse=True)
    once = {(one.version, one.modules): one for one in reversed(newest)}  # python3 and python3.11 are one, by one name
    return tuple(one for one in newest if one in once.values())


def _modules(section: Section) -> tuple[str, ...]:
    """Names that could be loaded; headings of the directories they lie in end with a colon."""
    names = [row[0].strip() for row in section.rows("module") if row]
    return tuple(name.removesuffix("(default)").strip() for name in names if name and not name.endswith((":", "/")))


def _scratch(section: Section) -> tuple[Place, ...]:
    rows = [row for row in section.rows("scratch") if len(row) == 10]
    return tuple({row[1]: _place(row[2:], row[1], row[0]) for row in reversed(rows)}.values())[::-1]


def _place(row: list[str], path: str, variable: str = "") -> Place:
    """A row from what there is of the path on: path, type, total, free KiB, free inodes, mount, source, writable."""
    _, kind, _, free, inodes, *_, writable = row
    return Place(path, kind, _number(free, 1024), _number(inodes), writable == "yes", variable)


def _number(text: str, unit: int = 1) -> int | None:
    return int(text) * unit if text.isdecimal() else None
