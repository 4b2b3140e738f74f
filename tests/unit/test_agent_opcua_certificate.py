"""The command that makes and renews the gateway's OPC UA certificate."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from typer.testing import CliRunner

from edge_agent.commissioning.command_line import app
from protocols.field.opcua.security.own_certificate import kept
from protocols.field.opcua.security.trust import load_identity


def run(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["opcua-certificate", *map(str, arguments)])
    return result.exit_code, result.output


def test_a_certificate_is_made_once_and_renewed_in_time(tmp_path: Path) -> None:
    certificate, key = tmp_path / "pki/own.der", tmp_path / "pki/own.pem"
    uri = "urn:lotproof:test:gw-1"
    hosts = ("--host", "gw-1", "--host", "10.0.0.7")
    code, said = run(certificate, key, "--application-uri", uri, "--days", "20", *hosts)
    assert code == 0
    assert "SHA-256" in said
    assert uri in said
    first = certificate.read_bytes()
    found = x509.load_der_x509_certificate(first)
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [uri]
    assert names.get_values_for_type(x509.DNSName) == ["gw-1"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.7"]
    public = found.public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    assert public.key_size == 2048
    assert key.stat().st_mode & 0o777 == 0o600
    found.verify_directly_issued_by(found)
    load_identity(
        certificate, key, trusted=tmp_path, application_uri=uri
    )  # raises where they do not fit

    code, said = run(certificate, key)
    assert code == 2
    assert "--renew" in said
    assert certificate.read_bytes() == first

    code, said = run(certificate, key, "--renew", "--before", "10")
    assert (code, certificate.read_bytes()) == (0, first)
    assert "19 days" in said or "20 days" in said  # of 20, whether or not a second has passed

    code, said = run(certificate, key, "--renew", *hosts)
    assert code == 0
    assert uri in said, "a renewal keeps the name"
    assert certificate.read_bytes() != first
    assert kept(certificate).read_bytes() == first
    load_identity(certificate, key, trusted=tmp_path, application_uri=uri)
    load_identity(kept(certificate), kept(key), trusted=tmp_path, application_uri=uri)
