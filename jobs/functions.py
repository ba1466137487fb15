"""Functions named in text: "pkg.module:function" or "script.py:function"."""

from __future__ import annotations

import importlib
import inspect
import sys
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jobs.errors import UsageError


def resolve(text: str, script: str = "") -> Callable[..., Any]:
    """The function that "pkg.module:function" or "script.py:function" means.

    Parameters
    ----------
    script
        The script's text, where it was read before; else the file is read now.

    Raises
    ------
    UsageError
        Saying what is missing and where it was looked for.
    """
    where, _, name = text.rpartition(":")
    if not where or not name:
        raise UsageError(f"{text} is no function.", "Write package.module:function or script.py:function.")
    module = _load_script(where, script) if where.endswith(".py") else _import(where)
    try:
        found: Any = module
        for part in name.split("."):
            found = getattr(found, part)
    except AttributeError:
        names = [n for n, v in vars(module).items() if callable(v) and not n.startswith("_")]
        raise UsageError(f"{where} has no function {name}.", f"It has: {', '.join(sorted(names)) or 'none'}.") from None
    if not callable(found) or inspect.iscoroutinefunction(found):
        kind = "an async function, which nobody would await" if callable(found) else f"a {type(found).__name__}"
        raise UsageError(f"{text} is not a function but {kind}.", "Name one that takes a source and a target.")
    return typing.cast("Callable[..., Any]", found)


def read_script(text: str) -> str:
    """The text of the script a function stands in; empty for a function of a module."""
    where = text.rpartition(":")[0]
    if not where.endswith(".py"):
        return ""
    path = Path(where).expanduser()
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UsageError(f"There is no file {where} in {Path.cwd()}.", "Give its path, from there or whole.") from error
    except OSError as error:
        raise UsageError(f"{where} cannot be read: {error.strerror}.", "Name a Python file of yours.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{where} is no text in UTF-8 ({error.reason}).", "Save it as UTF-8.") from error


def _load_script(where: str, text: str) -> types.ModuleType:
    """Run a script as a module that is not called __main__."""
    path = Path(where).expanduser().absolute()
    text = text or read_script(f"{where}:")
    name = f"springline_script_{path.stem}"
    module = types.ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module  # so that what it defines can be pickled
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))  # where it finds its neighbours, as when Python runs it
    try:
        exec(compile(text, str(path), "exec", dont_inherit=True), vars(module))
    except (Exception, SystemExit) as error:
        hint = "What it does when it is run itself stands below: if __name__ == '__main__'."
        raise UsageError(f"{where} cannot be run: {type(error).__name__}: {error}", hint) from error
    return module


def _import(name: str) -> types.ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        hint = f"Is it installed for {sys.executable}? A file is named with its .py: {name}.py:function."
        raise UsageError(f"{name} cannot be imported: {error}", hint) from error
    except (Exception, SystemExit) as error:
        raise UsageError(
            f"{name} cannot be imported: {type(error).__name__}: {error}",
            "Importing it alone must do no harm: mend it there.",
        ) from error
