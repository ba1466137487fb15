"""Run every bench, or those named: each module here with a `main()` prints its own table.

With `--page` what they print is written into docs/performance.md, too.
"""

from __future__ import annotations

import importlib
import io
import pkgutil
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout

import tests.bench
from tests.bench.page import PAGE, put
from tests.bench.report import machine


class _Both(io.StringIO):
    """Keeps what is printed, and shows it."""

    def write(self, text: str) -> int:
        """Write to both."""
        sys.__stdout__.write(text)
        return super().write(text)

    def flush(self) -> None:
        """Show it now."""
        sys.__stdout__.flush()


def main(names: list[str], *, page: bool = False) -> int:
    """Run the benches called `names`, all without any; returns the exit code."""
    modules = (m.name for m in pkgutil.iter_modules(tests.bench.__path__))
    known = sorted(name for name in modules if not name.startswith(("_", "test_")))
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"There is no bench called {unknown[0]!r}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    for name in names or known:
        module = importlib.import_module(f"tests.bench.{name}")
        if hasattr(module, "main"):
            print(f"\n## {name}\n", flush=True)
            _run(name, module.main, page=page)
    return 0


def _run(name: str, bench: Callable[[], None], *, page: bool) -> None:
    with redirect_stdout(_Both()) as printed:
        bench()
    if page:
        put(PAGE, name, printed.getvalue(), time.strftime("%Y-%m-%d", time.gmtime()), machine())


if __name__ == "__main__":
    words = sys.argv[1:]
    sys.exit(main([word for word in words if word != "--page"], page="--page" in words))
