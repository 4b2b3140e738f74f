"""The authority that issues gateways' certificates: a key in a file, and what it signs with it.

Small on purpose. ``init`` makes one; a plant that has its own puts an issuing certificate and key
in its place (``enrolment.ca_certificate_file``, ``ca_key_file``).
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from aggregator.errors import InvalidError, SettingsError
from aggregator.settings import Settings
from protocols.wire.reading import SECOND, Nanoseconds

CA_FILE: Final = "ca.pem"
CA_KEY_FILE: Final = "ca.key"
_AUTHORITY_DAYS: Final = 3650
_RSA_BITS_MIN: Final = 2048
_BEFORE: Final = timedelta(minutes=5)  # for clocks that differ a little


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A certificate of a gateway that was issued."""

    pem: str
    serial: str  # hexadecimal
    fingerprint: str  # SHA-256 of its DER, hexadecimal
    not_before: Nanoseconds
    not_after: Nanoseconds


class Authority:
    """An issuing certificate and its key."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self._certificate = certificate
        self._key = key
        self.pem = certificate.public_bytes(serialization.Encoding.PEM).decode()

    def issue(
        self, request: bytes, *, gateway: str, site: str, days: int, now: Nanoseconds
    ) -> Certificate:
        """Return a client certificate for the key of a request (DER).

        Nothing of the request is believed but its key: name and id are ours. Raises InvalidError
        for a request that its key did not sign, or a key that is too weak.
        """
        key = request_key(request)
        start = datetime.fromtimestamp(now / SECOND, UTC) - _BEFORE
        end = min(start + timedelta(days=days) + _BEFORE, self._certificate.not_valid_after_utc)
        uri = x509.UniformResourceIdentifier(f"spiffe://{site}/gateway/{gateway}")
        issued = (
            x509.CertificateBuilder()
            .subject_name(_name(gateway))
            .issuer_name(self._certificate.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName([uri]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        data = issued.public_bytes(serialization.Encoding.DER)
        return Certificate(
            pem=issued.public_bytes(serialization.Encoding.PEM).decode(),
            serial=f"{issued.serial_number:x}",
            fingerprint=hashlib.sha256(data).hexdigest(),
            not_before=int(issued.not_valid_before_utc.timestamp()) * SECOND,
            not_after=int(issued.not_valid_after_utc.timestamp()) * SECOND,
        )


def load_authority(settings: Settings) -> Authority:
    """Return the authority that the settings name; SettingsError where there is none."""
    certificate_file, key_file = _files(settings)
    try:
        certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
        key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise SettingsError(
            f"there is no authority for gateways' certificates: {error}",
            hint="make one by lotproof-aggregator init, or name the plant's in [enrolment]",
        ) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or certificate.public_key() != (
        key.public_key()
    ):
        raise SettingsError(
            f"{key_file} is not the elliptic-curve key of {certificate_file}",
            hint="the authority's key is one of P-256 or P-384, without a password",
        )
    if key_file.stat().st_mode & 0o077:
        raise SettingsError(f"{key_file} may be read by others", hint=f"chmod 600 {key_file}")
    return Authority(certificate, key)


def make_authority(settings: Settings, now: Nanoseconds) -> bool:
    """Make an authority where there is none; tell whether one was made."""
    certificate_file, key_file = _files(settings)
    if certificate_file.exists() or key_file.exists():
        return False
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"{settings.enrolment.site} gateways")
    start = datetime.fromtimestamp(now / SECOND, UTC) - _BEFORE
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=_AUTHORITY_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    key_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return True


def request_key(
    request: bytes,
) -> ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey:
    """Return the key of a certificate request (DER) that it signed itself; InvalidError."""
    try:
        read = x509.load_der_x509_csr(request)
        key = read.public_key()
        if not read.is_signature_valid:
            raise InvalidSignature
    except (ValueError, UnsupportedAlgorithm, InvalidSignature):
        raise InvalidError("the certificate request is not one that its key signed") from None
    strong = isinstance(key, ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey) or (
        isinstance(key, rsa.RSAPublicKey) and key.key_size >= _RSA_BITS_MIN
    )
    if not strong or (isinstance(key, ec.EllipticCurvePublicKey) and key.key_size < 256):
        raise InvalidError("the key of the certificate request is too weak")
    return key  # type: ignore[return-value] # seen above


def _files(settings: Settings) -> tuple[Path, Path]:
    folder, chosen = settings.keys_folder, settings.enrolment
    return (
        chosen.ca_certificate_file or folder / CA_FILE,
        chosen.ca_key_file or folder / CA_KEY_FILE,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _usage(*, certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certificates,
        crl_sign=certificates,
        encipher_only=False,
        decipher_only=False,
    )
