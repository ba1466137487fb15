"""The section that a platform is to get: what is wished, found and proposed, laid over what was there before. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from launcher.discovery.found import Found
from launcher.discovery.proposing import ORDER, Proposal, as_said, complaint, propose
from launcher.platforms.keys import KEYS

CONNECTION = ("host", "user", "port", "keypath", "transport")
KEPT = ("python", "prologue", "image")  # an environment may have set them: no proposal takes their place


@dataclass(frozen=True)
class Section:
    """A platform's section in the making; all texts are as in platforms.ini."""

    name: str
    given: Mapping[str, str]  # by options, or typed
    own: Mapping[str, str]  # in the user's file before
    inherited: Mapping[str, str]  # from the shipped section of that name, or the one it names
    values: Mapping[str, str] = field(default_factory=dict)  # as chosen; empty = left out
    why: Mapping[str, str] = field(default_factory=dict)

    @property
    def keys(self) -> dict[str, str]:
        """What the section will hold: no value that is inherited anyway, and the keys that nobody touches here."""
        fresh = {key: text for key, text in self.values.items() if text and self.inherited.get(key) != text}
        return {**{key: text for key, text in self.own.items() if key not in self.values}, **fresh}

    @property
    def changes(self) -> dict[str, tuple[str | None, str | None]]:
        """Each key that changes, with its text before and after."""
        after = self.keys
        both = {key: (self.own.get(key), after.get(key)) for key in (*self.own, *after)}
        return {key: texts for key, texts in both.items() if texts[0] != texts[1]}


def proposed(section: Section, found: Found) -> Section:
    """With a value, or none, for every key that is proposed, and what else was given. Raises ValueError."""
    values, why = dict(section.values), {}
    for key in ORDER:
        proposal = _proposal(key, section, found, values)
        values[key], why[key] = proposal.value, proposal.why
    for key, text in section.given.items():
        if key not in ORDER and key not in CONNECTION:
            values[key], why[key] = check(key, text, found, values), "as you said"
    return replace(section, values=values, why=why)


def check(key: str, text: str, found: Found, chosen: Mapping[str, str]) -> str:
    """The text, if the key takes it and nothing found speaks against it; empty leaves the key out."""
    if text:
        KEYS[key].read(text)
        if said := complaint(key, text, found, chosen):
            raise ValueError(said)
    return text


def _proposal(key: str, section: Section, found: Found, chosen: Mapping[str, str]) -> Proposal:
    if key in section.given:
        try:
            return Proposal(check(key, section.given[key], found, chosen), as_said(key, section.given[key], found))
        except ValueError as error:
            raise ValueError(f"{key} = {section.given[key]}: {error}") from error
    if key in KEPT and any(one in section.own for one in KEPT):
        return Proposal(section.own.get(key, ""), "as your section has it")
    before = section.inherited.get(key, "")
    if before and not complaint(key, before, found, chosen):
        return Proposal(before, f"as shipped for {section.name}")
    return propose(key, found, chosen)
