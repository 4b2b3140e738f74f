"""The gateway's keys: made on the gateway, kept in files that nobody else may read."""

from __future__ import annotations

import functools
import os
import stat
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edge_agent.errors import KeyFileError
from protocols.wire.control.handover import open_handover, seal_handover
from protocols.wire.errors import MalformedError, WireError
from protocols.wire.header import GatewayId
from protocols.wire.reading import Nanoseconds
from protocols.wire.seal import Algorithm, PublicKey, SoftwareSealKey


def load_or_create(path: Path, algorithm: Algorithm = Algorithm.ED25519) -> SoftwareSealKey:
    """Return the key in ``path``, made there first if there is none.

    Raises KeyFileError where the file cannot be read, is no key, or others may read it.
    """
    if not path.exists():
        write_private(path, SoftwareSealKey.generate(algorithm).to_pem())
    return load(path)


def load(path: Path) -> SoftwareSealKey:
    """Return the key in ``path``; KeyFileError as for ``load_or_create``."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise KeyFileError(
                f"others may read the seal key {path} (mode {mode:04o})",
                hint=f"chmod 600 {path}; if somebody did read it, enrol a new key",
            )
        return SoftwareSealKey.from_pem(path.read_bytes())
    except OSError as error:
        raise KeyFileError(
            f"the seal key {path} cannot be read: {error.strerror}",
            hint="the key must belong to the user that runs the agent",
        ) from error
    except MalformedError as error:
        raise KeyFileError(f"{path}: {error}", hint=error.hint) from error


def prepare_next(path: Path, algorithm: Algorithm = Algorithm.ED25519) -> SoftwareSealKey:
    """Return the key that will take the place of the one in ``path``, made if there is none yet."""
    return load_or_create(_next(path), algorithm)


def hand_over(path: Path, gateway: GatewayId, now: Nanoseconds) -> bytes:
    """Return the statement that the key in ``path`` gives its place to the next; KeyFileError.

    It is made once, while both keys are here, and kept for the agent to send.
    """
    before, after, kept = load(path), load(_next(path)), handover_path(path)
    try:
        statement = kept.read_bytes()
        if open_handover(statement, before.public).after == after.public:
            return statement
    except (OSError, WireError):
        pass  # there is none yet, or it is another key's
    statement = seal_handover(gateway, before, after, now)
    write_private(kept, statement)
    return statement


def handover_path(path: Path) -> Path:
    """Return where the last hand-over of the seal key in ``path`` lies."""
    return path.with_name(f"{path.name}.handover")


def use_next(path: Path) -> SoftwareSealKey:
    """Put the next key in the place of the one in ``path`` and return it; KeyFileError.

    Of the one before only the public key is kept, to prove what it has sealed.
    """
    fresh = _next(path)
    if not fresh.exists():
        raise KeyFileError(
            f"there is no next key {fresh}",
            hint="lotproof-agent rotate-key makes it; have the aggregator trust it first",
        )
    key, before = load(fresh), load(path).public
    write_private(_before(path, before), before.to_text().encode())
    fresh.rename(path)
    return key


def former(path: Path) -> tuple[PublicKey, ...]:
    """Return the public keys that the one in ``path`` has taken the place of; KeyFileError."""
    try:
        found = sorted(path.parent.glob(f"{path.name}.before-*"))
        return tuple(PublicKey.from_text(each.read_text(encoding="ascii")) for each in found)
    except (OSError, ValueError, MalformedError) as error:
        raise KeyFileError(f"the former keys beside {path} cannot be read: {error}") from error


def certificate_request(path: Path) -> bytes:
    """Return a certificate request (DER) for the TLS key in ``path``, made there if there is none.

    It carries no name: whoever issues the certificate decides on that.
    """
    if not path.exists():
        fresh = ec.generate_private_key(ec.SECP256R1())
        write_private(
            path,
            fresh.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
        )
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
        # Keys of other kinds that cannot sign a request raise TypeError here.
        request = builder.sign(key, hashes.SHA256())  # type: ignore[arg-type] # as said
    except (OSError, ValueError, TypeError) as error:
        raise KeyFileError(
            f"the TLS key {path} cannot be used: {error}", hint="move it away to have one made"
        ) from error
    return request.public_bytes(serialization.Encoding.DER)


class CertificateFacts(NamedTuple):
    """What a certificate says, as far as it is compared."""

    name: str  # common name of its subject
    issuer: bytes  # DER of the issuer's name
    public_key: bytes  # DER
    not_after: float  # seconds since 1970


@functools.lru_cache(maxsize=4)  # asked with every sign of life, of the same file for months
def certificate_facts(pem: bytes) -> CertificateFacts:
    """Return what a certificate (PEM) says; KeyFileError where it is none."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return CertificateFacts(
            name=str(names[0].value) if names else "",
            issuer=certificate.issuer.public_bytes(),
            public_key=certificate.public_key().public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            ),
            not_after=certificate.not_valid_after_utc.timestamp(),
        )
    except ValueError as error:
        raise KeyFileError(f"this is no certificate: {error}") from error


def write_private(path: Path, data: bytes) -> None:
    """Write a file that nobody else may read, under its name only when all of it is on disk."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise KeyFileError(
            f"{path} cannot be written: {error.strerror}",
            hint="the folder must exist and belong to the user that runs the agent",
        ) from error


def _next(path: Path) -> Path:
    return path.with_name(f"{path.name}.next")


def _before(path: Path, key: PublicKey) -> Path:
    return path.with_name(f"{path.name}.before-{key.kid.hex()}")
