"""One self-signed certificate per session: its own authority, kept in the session's directory and on the laptop."""

from __future__ import annotations

import datetime
import ssl
from dataclasses import dataclass

DAYS = 825  # more than any queue and any session last; longer ones some systems refuse


@dataclass(frozen=True)
class Certificate:
    """PEM texts. Whoever has the key is the session: scheduler, workers, clients and Jupyter all use this pair."""

    certificate: str
    key: str


def new_certificate(days: int = DAYS) -> Certificate:
    """Make a pair on the P-256 curve, valid from yesterday, for clocks that disagree."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "springline")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("springline")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Certificate(
        certificate.public_bytes(serialization.Encoding.PEM).decode(),
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
    )


def pinned(certificate: str) -> ssl.SSLContext:
    """A client context that accepts this one certificate and nothing else, whatever the host is called."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(cadata=certificate)
    return context
