"""How S3 is reached: with keys where there are some, else anonymously."""

from __future__ import annotations

import functools
import os
import socket
from collections.abc import Mapping
from typing import Any

from jobs.errors import InputError

METADATA = ("169.254.169.254", 80)
"""Where a cloud machine finds the keys of its role. Elsewhere nobody answers, and asking would take seconds."""
METADATA_SECONDS = 0.3


def with_access(options: Mapping[str, Any]) -> dict[str, Any]:
    """What s3fs is told, with `anon` where there are no keys and nobody said anything of them."""
    from fsspec.config import conf

    said = options.keys() | conf.get("s3", {}).keys()
    told = bool(said & {"anon", "key", "profile", "session"}) or has_keys()
    return dict(options) if told else {**options, "anon": True}


@functools.cache
def has_keys() -> bool:
    """Whether the environment, ~/.aws or the machine's role has keys for S3."""
    import botocore.session  # type: ignore[import-untyped, unused-ignore]
    from botocore.exceptions import BotoCoreError  # type: ignore[import-untyped, unused-ignore]

    session = botocore.session.Session()
    try:
        if not os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") and not _answers(METADATA):
            session.get_component("credential_provider").remove("iam-role")
        return session.get_credentials() is not None
    except BotoCoreError as error:
        raise InputError(f"The keys for S3 cannot be read: {error}", "Mend ~/.aws, or read --anonymous.") from error


def _answers(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, METADATA_SECONDS).close()
    except OSError:
        return False
    return True
