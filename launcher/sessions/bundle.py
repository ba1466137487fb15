"""The node program as text files, to be sent along with a session."""

from __future__ import annotations

from pathlib import Path

PACKAGE = "springline_node"
_MAIN = f"import sys\n\nfrom {PACKAGE}.main import main\n\nsys.exit(main())\n"


def node_program() -> dict[str, str]:
    """Relative path → source: run as `python DIRECTORY/node run DIRECTORY`, imported as `springline_node`."""
    directory = Path(__file__).parents[1] / "node"
    sources = sorted(path for path in directory.rglob("*") if path.suffix in (".py", ".js"))
    files = {
        f"node/{PACKAGE}/{path.relative_to(directory).as_posix()}": path.read_text(encoding="utf-8") for path in sources
    }
    return {"node/__main__.py": _MAIN, **files}
