"""The certificate of this application, and which server certificates it trusts.

Checks as in OPC 10000-4 section 6.1.3: trusted itself or by its issuer, in its time, for this
application URI, and (where an issuer vouches) for this host.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from protocols.field.driver import DriverError, SettingsError

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who we are on an encrypted line."""

    certificate: bytes  # DER
    private_key: bytes  # DER, PKCS #8
    application_uri: str
    trusted: Path  # folder of certificates that a server may show


def load_identity(
    certificate: Path, private_key: Path, *, trusted: Path, application_uri: str | None
) -> Identity:
    """Read certificate and key; SettingsError where they do not fit each other or the URI."""
    leaf = _load_certificates(certificate, "certificate")[0]
    key = _load_key(private_key)
    if key.public_key() != leaf.public_key():
        raise SettingsError(
            f"{private_key} is not the key of {certificate}",
            hint="set certificate and private_key to files that were made together",
        )
    uris = _application_uris(leaf)
    if not uris:
        raise SettingsError(
            f"{certificate} names no application URI",
            hint="make a certificate whose subjectAltName holds a URI (OPC 10000-6 section 6.2.2)",
        )
    if application_uri is not None and application_uri not in uris:
        raise SettingsError(
            f"application_uri {application_uri!r} is not in {certificate}",
            hint=f"set application_uri to {uris[0]!r} or leave it out",
        )
    return Identity(
        certificate=leaf.public_bytes(serialization.Encoding.DER),
        private_key=key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
        application_uri=application_uri or uris[0],
        trusted=trusted,
    )


def check_server(
    der: bytes, *, trusted: Path, host: str, application_uri: str | None, now_ns: int | None
) -> None:
    """Raise DriverError, with the certificate's fingerprint, unless the certificate is trusted.

    ``application_uri`` is what the server calls itself; ``now_ns`` is the gateway's time, None
    while it is not trusted: validity in time is not judged then.
    """
    leaf = _read_leaf(der)
    print_ = fingerprint(der)
    pinned, vouched = _trust(leaf, trusted)
    if not pinned and not vouched:
        raise DriverError(
            f"the server's certificate is not trusted: {leaf.subject.rfc4514_string()}, "
            f"SHA-256 {print_}",
            hint=(
                f"compare the fingerprint with the server's; if it is the same, put the server's "
                f"certificate (or its CA's) as .der or .pem into {trusted}"
            ),
        )
    if now_ns is not None:
        _check_time(leaf, datetime.fromtimestamp(now_ns // 1_000_000_000, UTC), print_)
    if application_uri is not None and application_uri not in _application_uris(leaf):
        raise DriverError(
            f"the server calls itself {application_uri!r}, its certificate (SHA-256 {print_}) "
            f"names {_application_uris(leaf)}",
            hint="make the server's application URI and its certificate agree",
        )
    if not pinned and not _names_host(leaf, host):
        raise DriverError(
            f"the server's certificate (SHA-256 {print_}) is not for host {host!r}",
            hint=f"use a host name of the certificate, or put the certificate into {trusted}",
        )


def is_trusted(der: bytes, trusted: Path) -> bool:
    """Return whether the folder holds the certificate or the CA that issued it."""
    return any(_trust(_read_leaf(der), trusted))


def describe(der: bytes) -> str:
    """Return whose a certificate is, by whom and for how long, for a person; one fact a line."""
    leaf = _read_leaf(der)
    since, until = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    facts = {
        "subject": leaf.subject.rfc4514_string(),
        "issuer": leaf.issuer.rfc4514_string(),
        "application": ", ".join(_application_uris(leaf)) or "none named",
        "valid": f"{since.isoformat()} to {until.isoformat()}",
        "SHA-256": fingerprint(der),
    }
    lines = (f"{name:12} {fact}" for name, fact in facts.items())
    return "\n".join("".join(c if c.isprintable() else "?" for c in line) for line in lines)


def put_trust(der: bytes, trusted: Path) -> Path:
    """Write a certificate into the folder, which is made where it is missing; return the file.

    The file is named for its fingerprint, so the same certificate is written once.
    """
    path = trusted / f"{fingerprint(der).replace(':', '').lower()}.der"
    try:
        trusted.mkdir(parents=True, exist_ok=True)
        path.write_bytes(der)
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be written: {error}", hint="give a folder that you may write to"
        ) from error
    return path


def read_certificate(path: Path) -> bytes:
    """Return a certificate file's first certificate as DER; SettingsError where it is none."""
    return _load_certificates(path, "certificate")[0].public_bytes(serialization.Encoding.DER)


def application_uris(der: bytes) -> list[str]:
    """Return the application URIs that a certificate names."""
    return _application_uris(_read_leaf(der))


def fingerprint(der: bytes) -> str:
    """Return the SHA-256 of a certificate in upper-case hexadecimal, pairs parted by colons."""
    digest = hashes.Hash(hashes.SHA256())
    digest.update(der)
    return digest.finalize().hex(":").upper()


def _read_leaf(der: bytes) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(der)
    except ValueError as error:
        raise DriverError(
            f"the server's certificate cannot be read: {error}",
            hint="look at the certificate in the server's own configuration",
        ) from error


def _trust(leaf: x509.Certificate, trusted: Path) -> tuple[bool, bool]:
    """Return whether the folder holds the certificate itself, and whether it holds its issuer."""
    anchors = _load_folder(trusted)
    return leaf in anchors, any(_issued(leaf, anchor) for anchor in anchors)


def _load_certificates(path: Path, setting: str) -> list[x509.Certificate]:
    try:
        data = path.read_bytes()
        if b"-----BEGIN" in data:
            return x509.load_pem_x509_certificates(data)
        return [x509.load_der_x509_certificate(data)]
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"{setting} {path} cannot be read: {error}",
            hint="give a certificate file in DER or PEM that this user may read",
        ) from error


def _load_key(path: Path) -> RSAPrivateKey:
    try:
        data = path.read_bytes()
        if b"-----BEGIN" in data:
            key = serialization.load_pem_private_key(data, None)
        else:
            key = serialization.load_der_private_key(data, None)
    except (OSError, ValueError, TypeError) as error:
        raise SettingsError(
            f"private_key {path} cannot be read: {error}",
            hint="give an RSA key file in DER or PEM, without a password, that this user may read",
        ) from error
    if not isinstance(key, RSAPrivateKey):
        raise SettingsError(
            f"private_key {path} is not an RSA key",
            hint="OPC UA's Basic256Sha256 and Aes256_Sha256_RsaPss need RSA of 2048 bits or more",
        )
    return key


def _load_folder(folder: Path) -> list[x509.Certificate]:
    """Return the certificates of a trust list; a file that is none is said and passed over."""
    found: list[x509.Certificate] = []
    try:
        files = sorted(path for path in folder.iterdir() if path.is_file())
    except OSError as error:
        raise SettingsError(
            f"trusted {folder} cannot be read: {error}",
            hint="make the folder and put the trusted server certificates into it",
        ) from error
    for path in files:
        try:
            found += _load_certificates(path, "trusted certificate")
        except SettingsError as error:
            _log.warning(
                "trust list holds a file that is no certificate", file=str(path), why=error
            )
    return found


def _application_uris(certificate: x509.Certificate) -> list[str]:
    names = _alternative_names(certificate)
    return names.get_values_for_type(x509.UniformResourceIdentifier) if names else []


def _alternative_names(certificate: x509.Certificate) -> x509.SubjectAlternativeName | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return None


def _issued(leaf: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether ``issuer`` is a CA that signed ``leaf`` itself; longer chains list their last CA."""
    try:
        constraints = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
        if not constraints.ca:
            return False
        leaf.verify_directly_issued_by(issuer)
    except (x509.ExtensionNotFound, ValueError, TypeError, InvalidSignature):
        return False
    return True


def _check_time(leaf: x509.Certificate, now: datetime, print_: str) -> None:
    if not leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc:
        raise DriverError(
            f"the server's certificate (SHA-256 {print_}) is valid from "
            f"{leaf.not_valid_before_utc.isoformat()} to {leaf.not_valid_after_utc.isoformat()}",
            hint="renew the server's certificate, or set the clock that is wrong",
        )


def _names_host(leaf: x509.Certificate, host: str) -> bool:
    names = _alternative_names(leaf)
    if names is None:
        return False
    try:
        return ipaddress.ip_address(host) in names.get_values_for_type(x509.IPAddress)
    except ValueError:
        hosts = (name.lower() for name in names.get_values_for_type(x509.DNSName))
        return host.lower() in hosts
