"""The gateway's own application certificate: made, looked at, and renewed in time.

It is self-signed, as servers with a trust list expect (OPC 10000-6 section 6.2.2). Renewal keeps
the pair that was in use beside the new one: a server that does not trust the new one yet is still
spoken to with the old one, so a renewal locks nobody out.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from protocols.field.driver import SettingsError

RENEW_DAYS: Final = 30
"""Days before the end at which a certificate wants to be renewed."""


def make_certificate(
    certificate: Path,
    private_key: Path,
    *,
    application_uri: str,
    hosts: Sequence[str],
    now: datetime,
    days: int,
) -> None:
    """Write a new RSA key and its self-signed certificate; SettingsError where a file cannot be.

    A pair that is there is kept under the names that ``kept`` tells.
    """
    key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, (hosts or ["gateway"])[0][:64])])
    public = key.public_key()
    identifier = x509.SubjectKeyIdentifier.from_public_key(public)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # a server's clock may be behind
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_USAGE, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.UniformResourceIdentifier(application_uri), *map(_host, hosts)]
            ),
            critical=False,
        )
        .add_extension(identifier, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    try:
        for path in (certificate, private_key):
            path.parent.mkdir(parents=True, exist_ok=True)
        if certificate.exists() and private_key.exists():
            for path in (private_key, certificate):
                path.replace(kept(path))
        _write(private_key, private, 0o600)
        _write(certificate, made.public_bytes(serialization.Encoding.DER), 0o644)
    except OSError as error:
        raise SettingsError(
            f"{error.filename} cannot be written: {error.strerror}",
            hint="give files in a folder that this user may write to",
        ) from error


def kept(path: Path) -> Path:
    """Return where the file that a renewal replaced stands."""
    return path.with_name(f"{path.name}.old")


def valid_until(der: bytes) -> datetime:
    """Return when a certificate ends."""
    return x509.load_der_x509_certificate(der).not_valid_after_utc


def ends_at(der: bytes) -> int:
    """Return when a certificate ends, in nanoseconds since 1970."""
    return int(valid_until(der).timestamp()) * 1_000_000_000


def days_left(der: bytes, now_ns: int) -> int:
    """Return for how many whole days a certificate is valid yet; negative: it has ended."""
    left = valid_until(der) - datetime.fromtimestamp(now_ns // 1_000_000_000, UTC)
    return left // timedelta(days=1)


_KEY_BITS: Final = 2048  # what Basic256Sha256 and Aes256_Sha256_RsaPss take, and the quickest
_USAGE: Final = x509.KeyUsage(
    digital_signature=True,
    content_commitment=True,
    key_encipherment=True,
    data_encipherment=True,
    key_agreement=False,
    key_cert_sign=True,  # OPC 10000-6 section 6.2.2 asks it of a self-signed one
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _write(path: Path, data: bytes, mode: int) -> None:
    """Write a file whole or not at all; nobody else may read it before its mode says so."""
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
