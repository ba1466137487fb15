"""A report for others: what was seen, without what is only the user's own. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence

from launcher.checking.model import Outcome, Status, summary

_PATTERNS = (
    (re.compile(r"SHA256:[A-Za-z0-9+/=]{20,}"), "<fingerprint>"),
    (re.compile(r"\b(?:AAAA[A-Za-z0-9+/=]{20,}|[0-9a-fA-F]{24,})"), "<key>"),
    (re.compile(r"(token=)[^\s&]+"), r"\1<token>"),
    (re.compile(r"(?<=://)[^/\s@]+(?=@)"), "<user>"),
    (re.compile(r"(?<![\w.])(?:/[\w.-]+)*/\.ssh/[\w.-]+|~/\.ssh/[\w.-]+"), "<key file>"),
    (re.compile(r"\b(user ')[^']+(?=')|\b()[\w.-]+(?=@[\w\[])"), r"\1\2<user>"),
    (re.compile(r"/home/[^/\s,;:'\"“”]+"), "<home>"),
)
_ADDRESS = re.compile(r"(?<![\w.])[0-9a-fA-F:]*[.:][0-9a-fA-F:.]*[0-9a-fA-F](?!\w)")
_MARKS = {Status.OK: "ok", Status.WARNING: "**warning**", Status.FAILED: "**failed**", Status.SKIPPED: "skipped"}


def anonymous(text: str, private: Mapping[str, str]) -> str:
    """The text with placeholders for these words (longest first), addresses, keys and tokens."""
    words = "|".join(_anywhere(word) for word in sorted(private, key=len, reverse=True) if len(word) > 1)
    if words:
        text = re.sub(words, lambda found: private[found[0]], text)
    for pattern, placeholder in _PATTERNS:
        text = pattern.sub(placeholder, text)
    return _ADDRESS.sub(_hidden, text)


def _anywhere(word: str) -> str:
    """A word, as a part of others too (jdoe01); a short one, which many others hold, stands beside no letter."""
    plain = re.escape(word)
    return plain if len(word) > 3 else rf"(?<![A-Za-z]){plain}(?![A-Za-z])"


def _hidden(found: re.Match[str]) -> str:
    """A placeholder for an address, with a port where there is one; anything else, such as a time, as it is."""
    address, colon, port = found[0].rpartition(":")
    for text, rest in ((found[0], ""), (address, colon + port)):
        try:
            ipaddress.ip_address(text)
        except ValueError:
            continue
        return "<address>" + rest
    return found[0]


def markdown(
    platform: str,
    outcomes: Sequence[Outcome],
    versions: Mapping[str, Mapping[str, str]],
    private: Mapping[str, str],
    when: str,
) -> str:
    """The report as Markdown."""
    rows = [f"| {one.title} | {_MARKS[one.status]} | {_cell(one)} |" for one in outcomes]
    text = "\n".join(
        [
            f"# springline platform check: {platform}",
            "",
            f"{when}. {summary(platform, outcomes)}.",
            "",
            *(f"- {side}: {_listed(found)}" for side, found in versions.items()),
            "",
            "| step | outcome | what was seen |",
            "|---|---|---|",
            *rows,
            "",
            "User names, home directories, addresses, keys and this computer's name are replaced by placeholders.",
            "",
        ]
    )
    return anonymous(text, private)


def _listed(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items()) or "nothing known"


def _cell(outcome: Outcome) -> str:
    words = " ".join(outcome.seen.split()) + (f" → {outcome.advice}" if outcome.advice else "")
    return words.replace("|", "\\|")
