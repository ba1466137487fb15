"""What a string expression in the source can come to: all its wordings, with what changes from case to case named."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice, product
from pathlib import Path

from . import markdown as md

ROOT = Path(__file__).parents[2]
MOST = 8  # wordings of one expression that are told apart
OPEN, CLOSE = "\ue000", "\ue001"  # around the name of something that changes
_CHANGING = re.compile(f"{OPEN}(.*?){CLOSE}")
_FIELD = re.compile(r"\{(\w+)[^{}]*\}")
# Attributes that say less than what they belong to: session.name is "session".
_VAGUE = {"name", "message", "text", "value", "id", "label", "said", "values", "stem", "path"}
# What names of the source are in words.
_WORDS = {
    "DEEPEST": "so many",
    "MOST": "so many",
    "PROBES": "so many",
    "Path": "this folder",
    "REFUSED": "what it says",
    "ast": "what is wrong",
    "attrs": "other values",
    "bad": "number",
    "closed": "another account",
    "cluster": "why",
    "coarsen": "number",
    "dim": "dimension",
    "dims": "dimensions",
    "doors": "the server",
    "doy": "another day",
    "dtypes": "types",
    "json": "something else",
    "known": "why",
    "lineno": "number",
    "line_num": "number",
    "msg": "what is wrong",
    "noun": "session or run",
    "said": "what it said",
    "shape": "so many",
    "shlex": "host",
    "str": "these years",
    "strerror": "why",
    "sys": "command",
    "uid": "name",
    "y": "year",
}

Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.Module


@dataclass(frozen=True)
class Call:
    """A call of a known name, or a known name with words beside it in a tuple."""

    name: str
    args: list[ast.expr]
    has_words: bool = True  # False where the first argument says nothing and only what to do is known


class Module:
    """The source of a module, in which names are looked up."""

    def __init__(self, tree: ast.Module) -> None:
        self._tree = tree
        self._scopes: dict[ast.AST, Scope] = {}
        self._note_scopes(tree, tree)

    def _note_scopes(self, node: ast.AST, scope: Scope) -> None:
        for child in ast.iter_child_nodes(node):
            self._scopes[child] = scope
            self._note_scopes(child, child if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) else scope)

    def calls(self, names: set[str]) -> Iterator[Call]:
        """The calls of these names that have arguments, and tuples of one of them and a text."""
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Call) and (name := _called(node)) in names and node.args:
                hints = [keyword.value for keyword in node.keywords if keyword.arg == "hint"]
                yield Call(name, _messages(name, [*node.args, *hints]))
            match node:
                case ast.Tuple(elts=[ast.Name(id=name), hint]) if name in names and self._says(hint):
                    yield Call(name, [ast.Constant(""), hint], has_words=False)

    def texts(self, expression: ast.expr) -> list[str]:
        """All wordings of an expression, as Markdown; none where it has no words of its own."""
        found = dict.fromkeys(self._wordings(expression, self._scopes.get(expression, self._tree), 0))
        return [_shown(text) for text in found if _has_words(text)]

    def pairs(self, expression: ast.expr) -> Iterator[tuple[str, str]]:
        """What a call of `*told(…)` gives: message and hint, where the function stands here; else what it is told."""
        if not isinstance(expression, ast.Call):
            return
        for answer in self._answers(expression):
            if isinstance(answer, ast.Tuple) and len(answer.elts) == 2:
                said, hint = (self.texts(part) for part in answer.elts)
                yield from ((one, (hint or [""])[0]) for one in said)
                return
        yield from ((said, "") for said in self.texts(expression.args[0]))

    def constant(self, name: str, depth: int) -> list[str]:
        """The wordings of a constant of this module."""
        return self._assigned(name, self._tree, depth)

    def _says(self, expression: ast.expr) -> bool:
        return isinstance(expression, ast.Constant | ast.JoinedStr) and bool(self.texts(expression))

    def _wordings(self, node: ast.expr, scope: Scope, depth: int) -> list[str]:
        if depth > 6:
            return [_named(node)]
        match node:
            case ast.Constant(value=str(text)):
                return [text]
            case ast.JoinedStr(values=parts):
                return self._joined(parts, scope, depth)
            case ast.FormattedValue(value=value, conversion=conversion):
                quote = "'" if conversion == ord("r") else ""
                return [f"{quote}{text}{quote}" for text in self._wordings(value, scope, depth + 1)]
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self._joined([left, right], scope, depth)
            case ast.BinOp(left=ast.Constant(value=str(text)), op=ast.Mult()):
                return [text, ""]
            case ast.IfExp(body=body, orelse=other):
                return [*self._wordings(body, scope, depth + 1), *self._wordings(other, scope, depth + 1)][:MOST]
            case ast.Name(id=name):
                return self._assigned(name, scope, depth) or [_named(node)]
            case ast.Call():
                return self._called(node, scope, depth)
        return [_named(node)]

    def _joined(self, parts: Iterable[ast.expr], scope: Scope, depth: int) -> list[str]:
        choices = [self._wordings(part, scope, depth + 1) for part in parts]
        return ["".join(chosen) for chosen in islice(product(*choices), MOST)]

    def _called(self, node: ast.Call, scope: Scope, depth: int) -> list[str]:
        match node.func:
            case ast.Attribute(value=value, attr="format"):
                found = self._wordings(value, scope, depth + 1)
                return [_FIELD.sub(lambda field: _changing(field[1]), text) for text in found]
            case ast.Attribute(attr="get") if len(node.args) == 2:
                return self._wordings(node.args[1], scope, depth + 1)
        answers = [answer for answer in self._answers(node) if not isinstance(answer, ast.Tuple)]
        found = [text for answer in answers for text in self._wordings(answer, self._scopes[answer], depth + 1)]
        return [text for text in found if text][:MOST] if any(map(_has_words, found)) else [_named(node)]

    def _answers(self, call: ast.Call) -> list[ast.expr]:
        """What a function of this module returns."""
        if not isinstance(call.func, ast.Name):
            return []
        named = [f for f in self._tree.body if isinstance(f, ast.FunctionDef) and f.name == call.func.id]
        return [node.value for f in named for node in ast.walk(f) if isinstance(node, ast.Return) and node.value]

    def _assigned(self, name: str, scope: Scope, depth: int) -> list[str]:
        """What is assigned to a name in its function, else in the module, else where it is imported from."""
        values = [
            node.value
            for node in ast.walk(scope)
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value and self._scopes.get(node) is scope
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Name) and target.id == name
        ]
        if values:
            found = [text for value in values for text in self._wordings(value, scope, depth + 1)]
            return found if any(map(_has_words, found)) else []
        if scope is not self._tree:
            if name in (parameters := _parameters(scope)):
                return self._wordings(default, scope, depth + 1) if (default := parameters[name]) else []
            return self._assigned(name, self._tree, depth)
        origin = _origin(self._tree, name)
        return origin.constant(name, depth + 1) if origin else []


@cache
def read(source: Path) -> Module:
    """The module of a source file."""
    return Module(ast.parse(source.read_text(encoding="utf-8")))


def _origin(tree: ast.Module, name: str) -> Module | None:
    """The module of ours that a name is imported from."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and any(alias.name == name for alias in node.names):
            path = ROOT / node.module.replace(".", "/")
            for source in (path.with_suffix(".py"), path / "__init__.py"):
                if source.exists():
                    return read(source)
    return None


def _messages(name: str, arguments: list[ast.expr]) -> list[ast.expr]:
    """The arguments without the exit code that an analysis brings along."""
    return arguments[1:] if name == "AnalysisFailed" else arguments


def _called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")


def _parameters(scope: Scope) -> dict[str, ast.expr | None]:
    """The parameters of a function, each with what it is where it is not given."""
    if isinstance(scope, ast.Module):
        return {}
    args = scope.args
    named: dict[str, ast.expr | None] = {arg.arg: None for arg in ast.walk(args) if isinstance(arg, ast.arg)}
    last = [*args.posonlyargs, *args.args][-len(args.defaults) :] if args.defaults else []
    with_default = [*zip(last, args.defaults, strict=True), *zip(args.kwonlyargs, args.kw_defaults, strict=True)]
    return named | {arg.arg: default for arg, default in with_default}


def _has_words(text: str) -> bool:
    return any(letter.isalpha() for letter in _CHANGING.sub("", text))


def _changing(words: str) -> str:
    said = _WORDS.get(words, words.strip("_").replace("_", " "))
    return f"{OPEN}{said if said == 'N' else said.lower() if said.isupper() else said}{CLOSE}"


def _named(node: ast.AST) -> str:
    return _changing(_word(node))


def _word(node: ast.AST) -> str:
    """The one word that says best what an expression stands for."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attr):
            return _word(value) if attr in _VAGUE and _word(value) not in ("self", "cls") else attr
        case ast.Call(func=ast.Name(id="len")):
            return "N"
        case ast.Call(func=ast.Attribute(attr="join"), args=[first, *_]) | ast.Call(func=ast.Name(), args=[first, *_]):
            return _word(first)
        case ast.Call(func=ast.Attribute(value=value)) | ast.Subscript(value=value) | ast.Starred(value=value):
            return _word(value)
        case ast.BinOp(left=first) | ast.IfExp(body=first) | ast.NamedExpr(target=first):
            return _word(first)
        case ast.BoolOp(values=[first, *_]):
            return _word(first)
        case ast.GeneratorExp(generators=[first, *_]) | ast.ListComp(generators=[first, *_]):
            return _word(first.iter)
        case ast.Call(func=ast.Name(id=name)):
            return name
    return "…"


def _shown(text: str) -> str:
    """The text as Markdown: what changes is slanted, and in capitals within a command."""
    parts = re.split(r"(`[^`]*`)", " ".join(text.replace(f"{CLOSE}{OPEN}", " ").split()))
    for number, part in enumerate(parts):
        if number % 2:
            parts[number] = _CHANGING.sub(lambda found: found[1].upper(), part)
        else:
            pieces = _CHANGING.split(part)
            parts[number] = "".join(f"*{piece}*" if n % 2 else md.escaped(piece) for n, piece in enumerate(pieces))
    return "".join(parts).strip()
