"""runJupyterDaskOnSLURM: the old command line, complete, on top of the new commands."""

from launcher.legacy.command import main

__all__ = ["main"]
