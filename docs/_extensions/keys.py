"""The keys of a platform's section, as the code that reads them has them."""

from __future__ import annotations

from . import markdown as md


def platform_keys() -> str:
    """A table for each group of keys: what a key means, how it is written, what holds where it is left out."""
    from launcher.platforms.keys import GROUPS, INHERIT, INHERIT_HELP

    parts = ["### Inheritance", _table([_row(INHERIT, INHERIT_HELP, "The name of a section.", "none")])]
    for title, keys in GROUPS.items():
        rows = [_row(name, key.help, key.form, key.without) for name, key in keys.items()]
        parts += [f"### {title}", _table(rows)]
    return "\n\n".join(parts)


def _row(name: str, meaning: str, form: str, without: str) -> tuple[str, str, str, str]:
    place = md.anchor(md.code(name), md.slug("key", name))
    return place, md.plain(meaning), md.plain(form[:1].lower() + form[1:].rstrip(".")), md.plain(without)


def _table(rows: list[tuple[str, str, str, str]]) -> str:
    return md.table(("key", "meaning", "how it is written", "if left out"), rows, "keys")
