"""A page for each package of the source, with the docstrings of all that is public in it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]
HALVES = ("launcher", "jobs")
FOLDER = "reference/api"  # below docs, not kept in git
_CODE = re.compile(r"``?([^`]+)``?")


def pages() -> dict[str, str]:
    """The text of each page by the name of its package."""
    found: dict[str, list[str]] = {}
    for source in sorted(source for half in HALVES for source in (ROOT / half).rglob("*.py")):
        package = ".".join(source.parent.relative_to(ROOT).parts)
        if source.stem != "__main__":
            found.setdefault(package, []).append(package if source.stem == "__init__" else f"{package}.{source.stem}")
    return {package: _page(package, modules) for package, modules in found.items()}


def _page(package: str, modules: list[str]) -> str:
    parts = [package, "=" * len(package)]
    for module in modules:
        if module != package:
            title = module.rpartition(".")[2]
            parts += ["", title, "-" * len(title)]
        parts += ["", f".. automodule:: {module}", "   :members:"]
    return "\n".join(parts) + "\n"


def write(app: Sphinx) -> None:
    """Write the pages that changed, and take away those of packages that are gone."""
    folder = Path(app.srcdir, FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {folder / f"{package}.rst": text for package, text in pages().items()}
    for page in set(folder.iterdir()) - wanted.keys():
        page.unlink()
    for page, text in wanted.items():
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")


def as_written(app: Sphinx, what: str, name: str, thing: object, options: Any, lines: list[str]) -> None:  # noqa: ANN401
    """Docstrings are plain text: single backticks are code, a star is a star, what is indented after a colon stays."""
    parts = _CODE.split("\n".join(lines))
    for number, part in enumerate(parts):
        parts[number] = f"``{part.strip()}``\\ " if number % 2 else part.replace("*", r"\*")
    lines[:] = re.sub(r":(\n\n {4,}\S)", r"::\1", "".join(parts)).split("\n")


def leave_uncompiled(app: Sphinx) -> None:
    """Compiled functions have no docstrings. Set here and not in the environment, which the notebooks inherit."""
    import numba

    numba.config.DISABLE_JIT = True


def setup(app: Sphinx) -> dict[str, Any]:
    """Write the pages before each build, and read docstrings as they are meant."""
    app.connect("builder-inited", write)
    app.connect("builder-inited", leave_uncompiled)
    app.connect("autodoc-process-docstring", as_written, priority=400)  # before napoleon
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
