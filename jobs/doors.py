"""How each kind of place is reached with fsspec, and what a client's error means: which variable or file to set."""

from __future__ import annotations

import netrc
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from jobs.causes import chain, status

WEBDAV = {"webdav": "https", "davs": "https", "dav": "http"}
"""URLs of WebDAV servers, and what they speak unless FSSPEC_WEBDAV_BASE_URL says otherwise."""
WEB = ("http", "https")
S3 = ("s3", "s3a")
PACKAGES = {**dict.fromkeys(WEBDAV, "webdav4"), "dcache": "dcachefs"}
"""Packages that come with springline[stac], by protocol."""
TRUSTING = {"FSSPEC_HTTP": '{"client_kwargs": {"trust_env": true}}'}
"""The environment in which any use of fsspec takes proxies from the environment, and logins from ~/.netrc."""
PATIENCE = 120.0
"""Seconds a WebDAV server may take to answer: it may put a large file together first."""
DENIED = (401, 403, 407)

KEYS = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE for ~/.aws/credentials"
S3_CODES: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(
        ("ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"),
        ("the keys for S3 have expired", f"Renew {KEYS}, with AWS_SESSION_TOKEN where there is one."),
    ),
    **dict.fromkeys(
        ("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "InvalidClientTokenId"),
        ("the server does not know these keys", f"Check {KEYS}; AWS_ENDPOINT_URL names a server other than Amazon's."),
    ),
    **dict.fromkeys(
        ("PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"),
        ("the bucket is in another region, or on another server", "Set AWS_DEFAULT_REGION, or AWS_ENDPOINT_URL."),
    ),
    "NoSuchBucket": ("there is no such bucket", "Check its name; AWS_ENDPOINT_URL names a server other than Amazon's."),
    "RequestTimeTooSkewed": ("this machine's clock is wrong", "Set it: S3 takes no request that is minutes off."),
}
"""What S3 says, by its error code."""
S3_KINDS: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(
        ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"),
        ("there are no keys for S3", f"Set {KEYS}."),
    ),
    **dict.fromkeys(
        ("UnauthorizedSSOTokenError", "SSOTokenLoadError", "TokenRetrievalError"),
        ("the login for S3 has expired", "Run: aws sso login"),
    ),
    "ProfileNotFound": ("the profile for S3 is not there", "Check AWS_PROFILE and ~/.aws/config."),
    "NoRegionError": ("the region of S3 is not said", "Set AWS_DEFAULT_REGION."),
    "EndpointConnectionError": ("the S3 server cannot be reached", "Check the network and AWS_ENDPOINT_URL."),
}
"""What the S3 client says, by the name of its error."""
S3_DENIED = ("S3 denies it to these keys", f"Check {KEYS}, and what they may do in this bucket.")
S3_ANONYMOUS = ("S3 denies it to everybody, and there are no keys", f"Set {KEYS}.")
DCACHE = (
    "dCache asks for a login, or the token has expired",
    "Set FSSPEC_DCACHE_TOKEN, or FSSPEC_DCACHE_USERNAME and FSSPEC_DCACHE_PASSWORD.",
)
DCACHE_DOORS = (
    "nobody said where this dCache is",
    "Set FSSPEC_DCACHE_API_URL (https://HOST:3880/api/v1) and FSSPEC_DCACHE_WEBDAV_URL (https://HOST:2880), or "
    '~/.config/fsspec/dcache.json: {"dcache": {"api_url": …, "webdav_url": …}}.',
)


def protocol_of(url: str) -> str:
    """The part before ://; "file" for a path."""
    return url.partition("://")[0].lower() if "://" in url else "file"


def web_options() -> dict[str, Any]:
    """What fsspec is told of http(s): proxies from the environment, logins from ~/.netrc."""
    from fsspec.config import conf

    return {"client_kwargs": {"trust_env": True, **conf.get("http", {}).get("client_kwargs", {})}}


def webdav(url: str, **options: Any) -> tuple[Any, str]:  # noqa: ANN401 - as fsspec takes them
    """The file system of a WebDAV server, and the path on it, for webdav://host/path.

    Its login is fsspec's option `auth`, for the host of `base_url` if that is set too, or from ~/.netrc.
    """
    import fsspec
    from fsspec.config import conf

    parts = urlsplit(url)
    server = parts.netloc.rpartition("@")[2]
    known = {**conf.get("webdav", {}), **options}
    base = str(known.pop("base_url", "") or f"{WEBDAV[parts.scheme]}://{server}")
    if urlsplit(base).netloc != server:  # the login that is set is for another server
        base, known = f"{WEBDAV[parts.scheme]}://{server}", {"auth": None, "headers": None}
    known["auth"] = _login(known.get("auth")) or (None if known.get("headers") else _in_netrc(parts.hostname or ""))
    root = f"{urlsplit(base).scheme}://{server}"  # the path is in the URL
    fs = fsspec.filesystem("webdav", base_url=root, **{"timeout": PATIENCE, **known})
    fs.unstrip_protocol = lambda name: f"{parts.scheme}://{server}/{name.lstrip('/')}"  # webdav4 forgets the host
    return fs, parts.path or "/"


def _login(auth: Any) -> tuple[str, str] | None:  # noqa: ANN401 - whatever JSON or the environment holds
    """A name and a password: JSON knows no tuples, the environment only text."""
    if isinstance(auth, str):
        name, _, password = auth.partition(":")
        return name, password
    return (str(auth[0]), str(auth[1])) if auth else None


def _in_netrc(host: str) -> tuple[str, str] | None:
    try:
        found = netrc.netrc().authenticators(host)
    except (OSError, netrc.NetrcParseError):
        return None
    return (found[0], found[2]) if found else None


def trouble(error: BaseException, url: str = "") -> tuple[str, str] | None:
    """What an error says of access, and what to do about it; None if it is about something else.

    Parameters
    ----------
    url
        Where it happened, as far as it is known.
    """
    for one in chain(error):
        found = _of_s3(one) or _of_web(one, url)
        if found:
            return found
    return None


def _of_s3(error: BaseException) -> tuple[str, str] | None:
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        code = str(response.get("Error", {}).get("Code"))
        if code in S3_CODES:
            return S3_CODES[code]
        return (S3_DENIED if _signed() else S3_ANONYMOUS) if status(error) in DENIED else None
    return (
        S3_KINDS.get(type(error).__name__) if type(error).__module__.startswith(("botocore", "aiobotocore")) else None
    )


def _signed() -> bool:
    from jobs import s3

    return s3.has_keys()


def _of_web(error: BaseException, url: str) -> tuple[str, str] | None:
    if isinstance(error, ValueError) and str(error) in ("dCache API URL not set!", "WebDAV door not set!"):
        return DCACHE_DOORS
    code = status(error)
    if code not in DENIED or type(error).__module__.startswith("botocore"):
        return None
    if code == 407:
        return "the proxy asks for a login", "Set it in HTTPS_PROXY and HTTP_PROXY: http://NAME:PASSWORD@HOST:PORT."
    kind = protocol_of(url)
    if kind == "dcache":
        return DCACHE
    asked = str(getattr(getattr(error, "request_info", None), "real_url", "") or getattr(error, "request", "") or url)
    host = urlsplit(asked if "://" in asked and " " not in asked else url).hostname or "HOST"
    line = f"machine {host} login NAME password PASSWORD"
    said = f"{host} asks for a login" if code == 401 else f"{host} denies it (HTTP 403)"
    if kind in WEBDAV or type(error).__module__.startswith(("webdav4", "httpx")):
        return said, f"Put it in ~/.netrc ({line}), or in FSSPEC_WEBDAV_AUTH=NAME:PASSWORD."
    return said, login_of(host)


def login_of(host: str) -> str:
    """Where the login of a web server has to be written."""
    return (
        f"Put it in ~/.netrc: machine {host} login NAME password PASSWORD. "
        "NASA's servers want machine urs.earthdata.nasa.gov there."
    )
