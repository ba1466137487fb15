"""Environments on a platform: install, show, uninstall. One way of doing it for every method of making one."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import cast

from launcher.environments.base import Method
from launcher.errors import UsageError

METHODS = ("venv", "conda", "image", "existing")  # a module each, that makes one as `METHOD()`


def method_for(name: str) -> Method:
    """The method of that name."""
    module = f"{__name__}.{name}"
    if name not in METHODS or find_spec(module) is None:
        raise UsageError(f"there is no method '{name}'", f"one of: {', '.join(METHODS)}")
    return cast(Method, import_module(module).METHOD())
