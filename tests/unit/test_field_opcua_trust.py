"""Which server certificates are trusted."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from plant.ca import PlantCA
from protocols.field.driver import DriverError, SettingsError
from protocols.field.opcua.security.trust import check_server, fingerprint, load_identity

URI = "urn:acme:press"
MADE = datetime(2026, 11, 22, 12, tzinfo=UTC)
NOW = int(MADE.timestamp()) * 1_000_000_000
DAY = 86_400 * 1_000_000_000


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> PlantCA:
    return PlantCA(tmp_path_factory.mktemp("ca"), now=MADE)


@pytest.fixture(scope="module")
def press(ca: PlantCA) -> bytes:
    pem = ca.issue_opcua("press", application_uri=URI).certificate.read_bytes()
    return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)


def check(der: bytes, trusted: Path, *, host: str = "127.0.0.1", now: int | None = NOW) -> None:
    check_server(der, trusted=trusted, host=host, application_uri=URI, now_ns=now)


@pytest.fixture
def by_ca(tmp_path: Path, ca: PlantCA) -> Path:
    (tmp_path / "ca.pem").write_bytes(ca.root.read_bytes())
    return tmp_path


@pytest.fixture
def by_pin(tmp_path: Path, press: bytes) -> Path:
    (tmp_path / "press.der").write_bytes(press)
    return tmp_path


def test_a_ca_vouches_for_its_servers(press: bytes, by_ca: Path) -> None:
    check(press, by_ca)
    check(press, by_ca, host="LOCALHOST")


def test_a_ca_vouches_for_the_named_hosts_only(press: bytes, by_ca: Path) -> None:
    for host in ("10.0.0.5", "press.plant.example"):
        with pytest.raises(DriverError, match="is not for host"):
            check(press, by_ca, host=host)


def test_a_pinned_certificate_is_trusted_at_any_host(press: bytes, by_pin: Path) -> None:
    check(press, by_pin, host="10.0.0.5")


def test_a_certificate_that_is_no_ca_vouches_for_nobody(
    ca: PlantCA, press: bytes, tmp_path: Path
) -> None:
    other = ca.issue_opcua("other", application_uri=URI)
    (tmp_path / "other.pem").write_bytes(other.certificate.read_bytes())
    with pytest.raises(DriverError, match="not trusted"):
        check(press, tmp_path)


@pytest.mark.parametrize("days", [-1, 31])
def test_outside_its_time_a_certificate_is_refused(press: bytes, by_ca: Path, days: int) -> None:
    with pytest.raises(DriverError, match="is valid from"):
        check(press, by_ca, now=NOW + days * DAY)


def test_a_gateway_without_time_does_not_judge_time(press: bytes, by_ca: Path) -> None:
    check(press, by_ca, now=None)


def test_a_server_that_calls_itself_otherwise_is_refused(press: bytes, by_ca: Path) -> None:
    with pytest.raises(DriverError, match="calls itself"):
        check_server(press, trusted=by_ca, host="127.0.0.1", application_uri="urn:evil", now_ns=NOW)


def test_a_changed_certificate_is_not_the_pinned_one(ca: PlantCA, by_pin: Path) -> None:
    pem = ca.issue_opcua("again", application_uri=URI).certificate.read_bytes()
    der = x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
    with pytest.raises(DriverError, match=fingerprint(der)):
        check(der, by_pin)


def test_bytes_that_are_no_certificate_are_said(by_ca: Path) -> None:
    with pytest.raises(DriverError, match="cannot be read"):
        check(b"\x30\x03abc", by_ca)


def test_a_trust_list_that_is_not_there_is_a_matter_of_settings(
    press: bytes, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        check(press, tmp_path / "nowhere")


def test_the_application_uri_comes_from_the_certificate(ca: PlantCA, tmp_path: Path) -> None:
    made = ca.issue_opcua("gateway", application_uri="urn:acme:gateway")
    for given in (None, "urn:acme:gateway"):
        identity = load_identity(
            made.certificate, made.key, trusted=tmp_path, application_uri=given
        )
        assert identity.application_uri == "urn:acme:gateway"


def test_an_elliptic_key_is_refused(ca: PlantCA, tmp_path: Path) -> None:
    made = ca.issue("plain")
    with pytest.raises(SettingsError, match="not an RSA key"):
        load_identity(made.certificate, made.key, trusted=tmp_path, application_uri=None)


def test_fingerprints_are_written_as_tools_write_them() -> None:
    assert fingerprint(b"").startswith("E3:B0:C4:42:98:FC")
