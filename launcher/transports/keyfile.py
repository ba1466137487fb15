"""The private key that a platform's section names."""

from __future__ import annotations

import os
from pathlib import Path

from launcher.errors import ConfigurationError
from launcher.model import Platform


def private_key(platform: Platform) -> Path:
    """The file of `keypath`. Raises ConfigurationError where it cannot be read."""
    path = Path(os.path.expanduser(str(platform.keypath)))  # noqa: PTH111 - unlike Path's, it never raises
    if not os.access(path, os.R_OK) or not path.is_file():
        raise ConfigurationError(
            f"there is no readable private key {path}",
            f"correct `keypath` of [{platform.name}], or leave it out",
        )
    return path
