"""How command blocks look: the command, its options, what it means, and what it answers."""

from __future__ import annotations

from typing import Any, ClassVar

from pygments.lexer import RegexLexer, bygroups
from pygments.token import Comment, Generic, Keyword, Name, String, Text, Whitespace
from sphinx.application import Sphinx


class Commands(RegexLexer):
    """Commands as they are typed, one a line; two blanks before a comment or a remark; indented lines are answers."""

    name = "Commands"
    aliases: ClassVar[list[str]] = ["commands", "console"]
    tokens: ClassVar[dict[str, list[Any]]] = {
        "root": [
            (r"\n", Whitespace),
            (r"[ \t]+.*\n", Generic.Output),
            (r"#.*\n", Comment.Single),
            (r"[^\s#]+", Name.Function, "command"),
        ],
        "command": [
            (r"\\\n[ \t]*", Text),
            (r"\n", Whitespace, "#pop"),
            (r"( {2,})(.*)", bygroups(Whitespace, Comment.Single)),
            (r"( )(-{1,2}[\w-]+)", bygroups(Whitespace, Keyword)),
            (r"'[^'\n]*'|\"[^\"\n]*\"", String),
            (r"[^\s'\"\\]+|[ \t]|.", Text),
        ],
    }


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the language."""
    app.add_lexer("commands", Commands)
    app.add_lexer("console", Commands)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
