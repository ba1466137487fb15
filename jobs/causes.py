"""Which errors another attempt may cure. Pure."""

from __future__ import annotations

import errno
from collections.abc import Iterator

MAY_PASS = {
    getattr(errno, name)
    for name in (
        "EIO", "ESTALE", "ETIMEDOUT", "EAGAIN", "EINTR", "EBUSY", "ENETDOWN", "ENETUNREACH", "ENETRESET", "EHOSTDOWN",
        "EHOSTUNREACH", "ECONNABORTED", "ECONNREFUSED", "ECONNRESET", "EPIPE", "EREMOTEIO", "ENFILE",
        "EMFILE", "ENOLCK",
    )
    if hasattr(errno, name)
}  # fmt: skip
"""A shared file system or a network that is not well at the moment."""
NO_ROOM = {errno.ENOSPC, *([errno.EDQUOT] if hasattr(errno, "EDQUOT") else [])}
NETWORK_ERRORS = {
    "ClientConnectionError", "ServerDisconnectedError", "ServerTimeoutError", "ClientPayloadError", "ConnectTimeout",
    "ReadTimeout", "ReadTimeoutError", "ConnectTimeoutError", "EndpointConnectionError", "ConnectionClosedError",
    "IncompleteReadError", "ProtocolError", "ChunkedEncodingError", "RemoteDisconnected", "IncompleteRead",
    "FSTimeoutError",
    "HttpError", "SSLError", "ResponseStreamingError", "NetworkError", "TimeoutException",
}  # fmt: skip
"""Names of what HTTP and S3 clients raise for a line that broke; they are not imported for it."""
BUSY_STATUS = {408, 425, 429, 500, 502, 503, 504}
BUSY_CODES = {"SlowDown", "ServiceUnavailable", "RequestTimeout", "InternalError", "Throttling", "ThrottlingException"}

PERMANENT, TRANSIENT, FULL = "permanent", "transient", "full"


def cause(error: BaseException) -> str:
    """PERMANENT, TRANSIENT or FULL (no room on the disk), for an error and whatever it was raised from.

    An error may say so itself, with a true or false attribute `transient`.
    """
    for one in chain(error):
        said = getattr(one, "transient", None)
        if isinstance(said, bool):
            return TRANSIENT if said else PERMANENT
        if isinstance(one, OSError) and one.errno in NO_ROOM:
            return FULL
        if _is_transient(one):
            return TRANSIENT
    return PERMANENT


def may_pass(error: BaseException) -> bool:
    """Whether another attempt may cure it: a server that is busy, a line that broke, a disk that is not well."""
    return cause(error) == TRANSIENT


def _is_transient(error: BaseException) -> bool:
    if isinstance(error, (ConnectionError, TimeoutError, MemoryError)):
        return True
    if isinstance(error, OSError) and error.errno in MAY_PASS:
        return True
    if status(error) in BUSY_STATUS or _service_code(error) in BUSY_CODES:
        return True
    return status(error) is None and any(kind.__name__ in NETWORK_ERRORS for kind in type(error).__mro__)


def status(error: BaseException) -> int | None:
    """The HTTP status that errors of aiohttp, httpx, requests, pystac-client and botocore carry, each in its place."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):  # botocore
        found = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    else:
        places = (error, "status"), (response, "status_code"), (error, "status_code"), (error, "code")
        found = next((code for place, name in places if (code := getattr(place, name, None))), None)
    return found if isinstance(found, int) else None


def _service_code(error: BaseException) -> str | None:
    response = getattr(error, "response", None)
    return response.get("Error", {}).get("Code") if isinstance(response, dict) else None


def chain(error: BaseException) -> Iterator[BaseException]:
    """The error and its causes, each once."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
