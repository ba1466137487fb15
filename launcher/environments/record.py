"""What was installed, as its record over there says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from launcher.model import SCHEMA_VERSION


@dataclass(frozen=True)
class Record:
    """An environment that is there."""

    method: str
    id: str  # of the current environment: its directory's name
    prefix: str  # absolute
    when: str  # UTC, ISO-8601
    who: str
    host: str
    springline: str  # version
    springline_sha256: str  # of the code that was installed
    lock_sha256: str
    python: str  # version
    extras: tuple[str, ...] = ()
    requirements: str = ""  # text of the user's own
    packages: Mapping[str, str] = field(default_factory=dict)  # name → version
    size: int = 0  # bytes
    shared: bool = False
    section: Mapping[str, str | None] = field(default_factory=dict)  # the keys that make sessions use it

    def text(self) -> str:
        """The record as a file."""
        return json.dumps({"schema_version": SCHEMA_VERSION, **asdict(self)}, indent=1)

    @classmethod
    def parse(cls, text: str) -> Record:
        """Read a record; what this version does not know is ignored. Raises ValueError for what is none."""
        try:
            document: dict[str, Any] = json.loads(text)
            known = {key: document[key] for key in cls.__dataclass_fields__ if document.get(key) is not None}
            return cls(**{**known, "extras": tuple(known.get("extras", ()))})
        except (TypeError, AttributeError, KeyError) as error:
            raise ValueError(f"this is no record of an environment: {error}") from error
