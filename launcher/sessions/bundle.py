"""The node program as text files, to be sent along with a session."""

from __future__ import annotations

from pathlib import Path

PACKAGE = "springline_node"
_MAIN = f"import sys\n\nfrom {PACKAGE}.main import main\n\nsys.exit(main())\n"


def node_program() -> dict[str, str]:
    """Relative path → source: run as `python DIRECTORY/node run DIRECTORY`, imported as `springline_node`."""
    directory = Path(__file__).parents[1] / "node"
    sources = sorted([*directory.glob("*.py"), *directory.glob("*.js")])
    files = {f"node/{PACKAGE}/{source.name}": source.read_text(encoding="utf-8") for source in sources}
    return {"node/__main__.py": _MAIN, **files}
