"""The OPC UA driver on encrypted lines: who trusts whom, and what a person is told otherwise."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from plant.ca import Credentials, PlantCA
from plant.equipment.press import APPLICATION_URI, SIGNALS, Press
from plant.network import Proxy
from protocols.field.driver import Certified, DriverError, SettingsError
from protocols.field.opcua.driver import OpcuaDriver
from protocols.field.opcua.security.own_certificate import ends_at, kept, make_certificate
from protocols.field.opcua.security.trust import fingerprint, put_trust, read_certificate
from protocols.field.opcua.settings import OpcuaSettings, OpcuaSignal, Security
from protocols.wire.reading import Gap, GapReason, Reading, Status
from tests.contract.driver_contract import PATIENCE, HostClock

GATEWAY_URI = "urn:lotproof:test:gateway"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A press that wants an encrypted line and a known client, and what a gateway needs for it."""

    press: Press
    ca: PlantCA
    gateway: Credentials
    server: Credentials
    trusted: Path

    def settings(self, **changes: object) -> OpcuaSettings:
        given: dict[str, object] = {
            "endpoint": self.press.endpoint,
            "security": Security.BASIC256SHA256,
            "certificate": self.gateway.certificate,
            "private_key": self.gateway.key,
            "trusted": self.trusted,
            "user": "gateway",
            "password": "press-fit",
            "publishing_s": 0.05,
            "timeout_s": 3.0,
            "signals": tuple(OpcuaSignal(**row) for row in SIGNALS),
        }
        return OpcuaSettings.model_validate(given | changes)


def today() -> datetime:
    return datetime.fromtimestamp(int(time.time()), UTC)  # noqa: TID251 -- certificates of today


def driver(settings: OpcuaSettings) -> OpcuaDriver:
    return OpcuaDriver("press", settings, HostClock())


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> PlantCA:
    return PlantCA(tmp_path_factory.mktemp("ca"), now=today())


@pytest.fixture(scope="module")
def server(ca: PlantCA) -> Credentials:
    return ca.issue_opcua("press", application_uri=APPLICATION_URI)


@pytest.fixture(scope="module")
def gateway(ca: PlantCA) -> Credentials:
    return ca.issue_opcua("gateway", application_uri=GATEWAY_URI)


@pytest.fixture
async def site(
    tmp_path: Path, ca: PlantCA, server: Credentials, gateway: Credentials
) -> AsyncIterator[Site]:
    trusted = tmp_path / "trusted"
    trusted.mkdir()
    (trusted / "plant.pem").write_bytes(ca.root.read_bytes())
    async with Press(
        update_seconds=0.05,
        certificate=server.certificate,
        private_key=server.key,
        trusted=trusted,
        user="gateway",
        password="press-fit",
    ) as press:
        yield Site(press=press, ca=ca, gateway=gateway, server=server, trusted=trusted)


async def first_readings(settings: OpcuaSettings) -> dict[str, Reading]:
    """Return a reading of each signal over a line opened for it."""
    line = driver(settings)
    readings: dict[str, Reading] = {}
    try:
        async with asyncio.timeout(PATIENCE):
            await line.open()
            while len(readings) < len(settings.signals):
                readings |= {r.signal: r for r in (await line.read()).readings}
    finally:
        await line.close()
    return readings


async def refusal(settings: OpcuaSettings) -> DriverError:
    line = driver(settings)
    try:
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(DriverError) as caught:
                await line.open()
    finally:
        await line.close()
    return caught.value


@pytest.mark.parametrize("security", [Security.BASIC256SHA256, Security.AES256_SHA256_RSAPSS])
async def test_a_known_gateway_reads_over_an_encrypted_line(site: Site, security: Security) -> None:
    readings = await first_readings(site.settings(security=security))
    assert {reading.status for reading in readings.values()} == {Status.GOOD}
    assert readings["state"].value == 0
    assert readings["lot-id"].value == ""


async def test_the_ends_of_both_certificates_are_told(site: Site) -> None:
    line = driver(site.settings())
    assert isinstance(line, Certified)
    assert line.certificates_end() == {}
    try:
        async with asyncio.timeout(PATIENCE):
            await line.open()
        ends = {
            "gateway": ends_at(read_certificate(site.gateway.certificate)),
            "server": ends_at(read_certificate(site.server.certificate)),
        }
        assert line.certificates_end() == ends
    finally:
        await line.close()


async def test_a_server_that_nobody_vouches_for_is_refused_with_its_fingerprint(
    site: Site, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "notes.txt").write_text("no certificate")
    error = await refusal(site.settings(trusted=empty))
    der = _der(site.server.certificate)
    assert fingerprint(der) in str(error)
    assert str(empty) in error.hint
    # What the hint says is enough.
    (empty / "press.der").write_bytes(der)
    assert len(await first_readings(site.settings(trusted=empty))) == len(SIGNALS)


async def test_a_server_of_another_ca_is_refused(site: Site, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    stranger = PlantCA(tmp_path / "stranger", now=today(), site="demo-plant")
    (other / "ca.pem").write_bytes(stranger.root.read_bytes())
    assert "not trusted" in str(await refusal(site.settings(trusted=other)))


async def test_a_gateway_that_the_server_does_not_know_is_told_so(
    site: Site, tmp_path: Path
) -> None:
    own = PlantCA(tmp_path / "own", now=today()).issue_opcua("gw", application_uri=GATEWAY_URI)
    error = await refusal(site.settings(certificate=own.certificate, private_key=own.key))
    assert "trusted certificates" in error.hint


async def test_a_wrong_password_is_told_as_one(site: Site) -> None:
    error = await refusal(site.settings(password="wrong"))
    assert "password" in error.hint
    assert "wrong" not in str(error)


async def test_nobody_is_let_in_without_a_user(site: Site) -> None:
    error = await refusal(site.settings(user=None, password=None))
    assert "user" in error.hint


async def test_a_policy_that_the_server_lacks_is_told_with_those_that_it_has(
    site: Site,
) -> None:
    error = await refusal(site.settings(security=Security.NONE, user=None, password=None))
    assert "Basic256Sha256 SignAndEncrypt" in error.hint


async def test_files_that_do_not_fit_refuse_to_start(site: Site, tmp_path: Path) -> None:
    wrong: list[tuple[dict[str, object], str]] = [
        ({"private_key": site.server.key}, "is not the key of"),
        ({"application_uri": "urn:someone:else"}, "is not in"),
        ({"certificate": tmp_path / "nothing.pem"}, "cannot be read"),
        ({"private_key": site.gateway.certificate}, "cannot be read"),
        ({"certificate": site.ca.issue("tls").certificate}, "is not the key of"),
    ]
    for changes, said in wrong:
        with pytest.raises(SettingsError, match=said):
            await driver(site.settings(**changes)).open()


async def next_value(line: OpcuaDriver, signal: str) -> list[Gap]:
    """Wait for a value of the signal; return the gaps declared meanwhile."""
    gaps: list[Gap] = []
    async with asyncio.timeout(PATIENCE):
        while True:
            delivery = await line.read()
            gaps += delivery.gaps
            if any(reading.signal == signal for reading in delivery.readings):
                return gaps


async def open_again(line: OpcuaDriver) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await line.open()
            except DriverError:
                await line.close()
                await asyncio.sleep(0.1)
            else:
                return


async def test_a_renewed_certificate_locks_nobody_out(site: Site, tmp_path: Path) -> None:
    certificate, key = tmp_path / "own.der", tmp_path / "own.pem"

    def renew(days: int) -> bytes:
        make_certificate(
            certificate,
            key,
            application_uri=GATEWAY_URI,
            hosts=["localhost"],
            now=today(),
            days=days,
        )
        return certificate.read_bytes()

    async def restart(*known: bytes) -> None:
        await site.press.stop()
        (site.trusted / "plant.pem").unlink(missing_ok=True)
        for der in known:
            put_trust(der, site.trusted)
        await site.press.start()

    own = tmp_path / "servers"
    put_trust(_der(site.server.certificate), own)
    settings = site.settings(certificate=certificate, private_key=key, trusted=own)
    old = renew(10)
    await restart(old)
    with structlog.testing.capture_logs() as said:
        assert len(await first_readings(settings)) == len(SIGNALS)
    assert [each["days_left"] for each in said if "ends soon" in each["event"]] == [9]
    new = renew(730)
    assert kept(certificate).read_bytes() == old
    with structlog.testing.capture_logs() as said:
        assert len(await first_readings(settings)) == len(SIGNALS)
    assert any("the old one is used yet" in each["event"] for each in said)
    await restart(new)
    with structlog.testing.capture_logs() as said:
        assert len(await first_readings(settings)) == len(SIGNALS)
    assert not any("certificate" in each["event"] for each in said)


@pytest.mark.parametrize("security", [Security.BASIC256SHA256, Security.AES256_SHA256_RSAPSS])
async def test_an_encrypted_session_is_resumed_after_a_cut(site: Site, security: Security) -> None:
    async with Proxy(("127.0.0.1", site.press.port)) as proxy:
        endpoint = f"opc.tcp://127.0.0.1:{proxy.port}"
        line = driver(site.settings(endpoint=endpoint, security=security))
        try:
            await line.open()
            await next_value(line, "plate-temperature")
            await proxy.cut()
            with pytest.raises(DriverError):
                await next_value(line, "nothing")
            await line.close()
            await proxy.restore()
            await open_again(line)
            assert await next_value(line, "plate-temperature") == []
        finally:
            await line.close()


async def test_a_restarted_server_is_met_again_and_the_gap_is_declared(site: Site) -> None:
    line = driver(site.settings())
    try:
        await line.open()
        await next_value(line, "plate-temperature")
        await site.press.stop()
        with pytest.raises(DriverError):
            await next_value(line, "nothing")
        await line.close()
        await site.press.start()
        await open_again(line)
        (gap,) = await next_value(line, "plate-temperature")
        assert gap.reason is GapReason.SUBSCRIPTION_LOST
    finally:
        await line.close()


async def test_the_channels_keys_are_renewed_under_way(site: Site) -> None:
    line = driver(site.settings())
    try:
        await line.open()
        assert line._session is not None
        assert line._session.renew_seconds < 3600
        for _ in range(3):
            await line._session.renew()
            for _ in range(5):
                assert await next_value(line, "plate-temperature") == []
    finally:
        await line.close()


def _der(pem: Path) -> bytes:
    return x509.load_pem_x509_certificate(pem.read_bytes()).public_bytes(Encoding.DER)
