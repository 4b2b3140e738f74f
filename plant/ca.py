"""The plant's certificate authority: a root, and certificates for all who speak TLS.

Certificates carry what the design asks of them: the common name by which the broker knows its
clients, a URI (``spiffe://<site>/gateway/<id>``, or an OPC UA application URI) and loopback names.
For the demo and the tests; a plant brings its own authority.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

MODBUS_ROLE = x509.ObjectIdentifier("1.3.6.1.4.1.50316.802.1")
"""Where a certificate names the role of a Modbus client."""

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Where a certificate, its key and the root that vouches for it lie (PEM)."""

    certificate: Path
    key: Path
    ca: Path


class PlantCA:
    """A root key and what it issues, kept in one folder."""

    def __init__(self, folder: Path, *, now: datetime, site: str = "demo-plant") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.site = site
        self.root = folder / "ca.pem"
        self._now = now
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(f"{site} root")
        certificate = (
            self._builder(self._name, self._key, days=365)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(certificates=True), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.root.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def write_key(self) -> Path:
        """Write the root's key beside its certificate, for an issuer in the root's place."""
        path = self.folder / "ca.key"
        path.touch(mode=0o600)
        path.write_bytes(_pem(self._key))
        return path

    def issue(
        self, name: str, *, uris: Sequence[str] = (), days: int = 30, modbus_role: str = ""
    ) -> Credentials:
        """Issue an elliptic-curve certificate for TLS, as client and as server on loopback."""
        role = [_modbus_role(modbus_role)] if modbus_role else []
        return self._issue(name, ec.generate_private_key(ec.SECP256R1()), uris, days, role)

    def issue_gateway(self, gateway: str) -> Credentials:
        """Issue a gateway's client certificate, with its SPIFFE id."""
        return self.issue(gateway, uris=[f"spiffe://{self.site}/gateway/{gateway}"])

    def issue_opcua(self, name: str, *, application_uri: str) -> Credentials:
        """Issue an RSA certificate with an OPC UA application URI (OPC 10000-6 section 6.2.2)."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        return self._issue(name, key, [application_uri], 30)

    def _issue(
        self,
        name: str,
        key: PrivateKey,
        uris: Sequence[str],
        days: int,
        more: Sequence[x509.UnrecognizedExtension] = (),
    ) -> Credentials:
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(uri) for uri in uris]
        names += [
            x509.DNSName("localhost"),
            x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        ]
        builder = (
            self._builder(_name(name), key, days=days)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
        )
        for extension in more:
            builder = builder.add_extension(extension, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        issued = Credentials(
            certificate=self.folder / f"{name}.pem",
            key=self.folder / f"{name}.key",
            ca=self.root,
        )
        issued.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        issued.key.touch(mode=0o600)
        issued.key.write_bytes(_pem(key))
        return issued

    def _builder(
        self, subject: x509.Name, key: PrivateKey, *, days: int
    ) -> x509.CertificateBuilder:
        public = key.public_key()
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now - timedelta(hours=1))
            .not_valid_after(self._now + timedelta(days=days))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
        )


def _modbus_role(role: str) -> x509.UnrecognizedExtension:
    """Return the role of a Modbus client, as UTF8String (MB-TCP-Security section 8)."""
    text = role.encode()
    return x509.UnrecognizedExtension(MODBUS_ROLE, bytes((0x0C, len(text))) + text)


def _pem(key: PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _usage(*, certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not certificates,
        content_commitment=not certificates,
        key_encipherment=not certificates,
        data_encipherment=not certificates,
        key_agreement=False,
        key_cert_sign=certificates,
        crl_sign=certificates,
        encipher_only=False,
        decipher_only=False,
    )
