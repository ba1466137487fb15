"""Directives that write what the code says: {commands}, {job-options}, {exit-codes}, {messages}, …"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from . import clicks, keys, messages

DIRECTIVES: dict[str, Callable[..., str]] = {
    "commands": clicks.every_command,
    "job-options": clicks.job_options,
    "platform-keys": keys.platform_keys,
    "exit-codes": messages.exit_codes,
    "messages": messages.messages,
    "check-findings": messages.findings,
    "scheduler-reasons": messages.reasons,
}


def directive(generate: Callable[..., str]) -> type[SphinxDirective]:
    """A directive in whose place the Markdown of `generate` stands; a name it does not know is an error of the page."""

    class Generated(SphinxDirective):
        required_arguments = generate.__code__.co_argcount
        final_argument_whitespace = True

        def run(self) -> list[nodes.Node]:
            try:
                text = generate(*self.arguments)
            except LookupError as unknown:
                raise self.error(f"{self.name}: {unknown}") from unknown
            return self.parse_text_to_nodes(text, allow_section_headings=True)

    return Generated


def index(app: Sphinx, page: nodes.document) -> None:
    """Let search lead to each message itself: its words, … for what changes, as an entry of the index."""
    for number, term in enumerate(page.findall(nodes.term)):
        if "messages" in term.parent.parent.parent.get("classes", ()):
            words = "".join("…" if isinstance(child, nodes.emphasis) else child.astext() for child in term)
            place = f"message-{number}"
            term["ids"].append(place)
            term.insert(0, addnodes.index(entries=[("single", words.replace(";", ","), place, "main", None)]))


def faults(app: Sphinx, page: nodes.document) -> None:
    """In the tables of faults what was said stands line by line, on a narrow screen the cells below each other."""
    if app.env.current_document.docname not in ("reliability", "run-faults"):
        return
    for table in page.findall(nodes.table):
        table["classes"] += ["rows", "faults"]
    for text in list(page.findall(nodes.Text)):
        if isinstance(text.parent.parent, nodes.entry) and " / " in text:
            first, *rest = text.split(" / ")
            lines = ((nodes.raw("", "<br>", format="html"), nodes.Text(line)) for line in rest)
            text.parent.replace(text, [nodes.Text(first), *chain.from_iterable(lines)])


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directives."""
    for name, generate in DIRECTIVES.items():
        app.add_directive(name, directive(generate))
    app.connect("doctree-read", index)
    app.connect("doctree-read", faults)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
