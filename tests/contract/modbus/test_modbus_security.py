"""Modbus/TCP Security: TLS with certificates on both sides, and the role in the client's."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from plant.ca import MODBUS_ROLE, Credentials, PlantCA
from plant.clock import utc_now
from protocols.field.driver import DriverError, SettingsError
from protocols.field.modbus import SPEC
from protocols.wire.reading import Status
from tests.contract.driver_contract import HostClock
from tests.contract.modbus.modbus_peer import Device, Peer
from tests.contract.modbus.reading import (
    DEVICE,
    one_poll,
    opened,
    read_on,
    settings_at,
    settings_of,
    words,
)

PATIENT: dict[str, Any] = {"period_s": 0.02, "timeout_s": 3.0}


@pytest.fixture
def ca(tmp_path: Path) -> PlantCA:
    return PlantCA(tmp_path / "ours", now=utc_now())


def server(equipment: Credentials, *, clients: Path) -> ssl.SSLContext:
    """Return the context of equipment that wants to know who asks."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(clients))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(equipment.certificate, equipment.key)
    return context


def tls(root: Path, mine: Credentials | None = None, **more: Any) -> dict[str, Any]:
    own = {}
    if mine is not None:
        own = {"tls_certificate_file": mine.certificate, "tls_key_file": mine.key}
    return {"transport": "tls", "tls_ca_file": root, **own, **PATIENT, **more}


def only(role: str) -> Callable[[bytes], bool]:
    """Return what lets only that role read."""

    def may_read(certificate: bytes) -> bool:
        extensions = x509.load_der_x509_certificate(certificate).extensions
        try:
            found = extensions.get_extension_for_oid(MODBUS_ROLE).value
        except x509.ExtensionNotFound:
            return False
        assert isinstance(found, x509.UnrecognizedExtension)
        return found.value == bytes((0x0C, len(role))) + role.encode()  # a UTF8String

    return may_read


async def test_a_certificate_on_both_sides_and_the_role_that_may_read(ca: PlantCA) -> None:
    context = server(ca.issue("equipment"), clients=ca.root)
    gateway = ca.issue("gw-1", modbus_role="Collector")
    async with Peer({1: Device(holding=DEVICE)}, tls=context, may_read=only("Collector")) as peer:
        peer.pieces = 3  # records that hold no whole frame
        async with opened(settings_at(peer, words(2, 3), **tls(ca.root, gateway))) as driver:
            assert (await one_poll(driver))["w4"].value == 28


@pytest.mark.parametrize("role", ["", "Visitor"])
async def test_a_role_that_may_not_read_is_told_and_does_not_insist(ca: PlantCA, role: str) -> None:
    context = server(ca.issue("equipment"), clients=ca.root)
    gateway = ca.issue("gw-1", modbus_role=role)
    async with Peer({1: Device(holding=DEVICE)}, tls=context, may_read=only("Collector")) as peer:
        async with opened(settings_at(peer, words(2, 3), **tls(ca.root, gateway))) as driver:
            for _ in range(3):
                got = await one_poll(driver)
                assert {reading.status for reading in got.values()} == {Status.BAD}
                assert {reading.code for reading in got.values()} == {1}
        assert len(peer.questions) == 1
    assert SPEC.code_name(1) == "illegal function, or not for this gateway's role (1)"


@contextlib.contextmanager
def strict(context: ssl.SSLContext) -> Iterator[int]:
    """Take connections that the context lets in and say nothing; yield the port.

    Plain sockets in a thread: a server of asyncio hangs up on a refused client without the alert
    that OpenSSL has ready for it.
    """

    def serve() -> None:
        with contextlib.suppress(OSError):  # closed: the test is over
            while True:
                plain, _ = listener.accept()
                plain.settimeout(5)
                with context.wrap_socket(
                    plain, server_side=True, do_handshake_on_connect=False
                ) as connection:
                    with contextlib.suppress(ssl.SSLError):
                        connection.do_handshake()
                        connection.recv(1)
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(4096):  # so that no reset overtakes the alert
                        pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


@pytest.mark.parametrize(("known", "said"), [(False, "certificate required"), (True, "unknown ca")])
async def test_a_refused_gateway_says_why_and_what_to_do(
    ca: PlantCA, tmp_path: Path, known: bool, said: str
) -> None:
    stranger = PlantCA(tmp_path / "theirs", now=utc_now()).issue("gw-1")
    with strict(server(ca.issue("equipment"), clients=ca.root)) as port:
        settings = settings_of(port, words(2, 3), **tls(ca.root, stranger if known else None))
        with pytest.raises(DriverError) as caught:
            async with opened(settings) as driver:
                await read_on(driver)
    assert said in str(caught.value).lower()
    assert caught.value.hint.startswith("the equipment must know the authority")


async def test_one_that_hangs_up_without_a_word_has_the_same_hint(ca: PlantCA) -> None:
    context = server(ca.issue("equipment"), clients=ca.root)
    async with Peer({1: Device(holding=DEVICE)}, tls=context) as peer:
        with pytest.raises(DriverError) as caught:
            async with opened(settings_at(peer, words(2, 3), **tls(ca.root))) as driver:
                await read_on(driver)
        assert peer.questions == []
    assert "the equipment must know the authority of tls_certificate_file" in caught.value.hint


@pytest.mark.parametrize(
    ("equipment", "host", "said"),
    [
        pytest.param("theirs", "127.0.0.1", "unable to get local issuer", id="another authority"),
        pytest.param("expired", "127.0.0.1", "expired", id="expired"),
        pytest.param("ours", "127.0.0.2", "IP address mismatch", id="another host"),
    ],
)
async def test_equipment_that_is_not_vouched_for_is_not_asked(
    ca: PlantCA, tmp_path: Path, equipment: str, host: str, said: str
) -> None:
    issued = {
        "theirs": lambda: PlantCA(tmp_path / "theirs", now=utc_now()).issue("equipment"),
        "expired": lambda: ca.issue("equipment", days=0),
        "ours": lambda: ca.issue("equipment"),
    }[equipment]()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(issued.certificate, issued.key)
    async with Peer({1: Device(holding=DEVICE)}, tls=context, host=host) as peer:
        settings = settings_of(peer.port, words(2, 3), **tls(ca.root, host=host))
        with pytest.raises(DriverError) as caught:
            async with opened(settings):
                pass
        assert peer.questions == []
    assert said in str(caught.value)
    assert "tls_ca_file must hold the authority" in caught.value.hint


async def test_new_certificates_are_taken_with_the_next_connection(ca: PlantCA) -> None:
    gateway = ca.issue("gw-1", days=0)
    devices = {1: Device(holding=DEVICE)}
    async with Peer(devices, tls=server(ca.issue("equipment"), clients=ca.root)) as peer:
        driver = SPEC.connect(
            "source", settings_at(peer, words(2, 3), **tls(ca.root, gateway)), HostClock()
        )
        with contextlib.suppress(DriverError):  # the gateway's has expired: here, or
            await driver.open()
        with pytest.raises(DriverError):
            await read_on(driver)
    for name in ("gw-1", "equipment"):  # both are renewed, at the same place
        issued = ca.issue(name)
        context = server(issued, clients=ca.root)
        async with Peer(devices, tls=context, port=peer.port):
            await driver.close()
            await driver.open()
            assert (await one_poll(driver))["w4"].value == 28
    await driver.close()


async def test_files_that_are_not_there_are_a_settings_error(tmp_path: Path) -> None:
    settings = settings_of(1, words(0, 1), transport="tls", tls_ca_file=tmp_path / "none.pem")
    with pytest.raises(SettingsError):
        await SPEC.connect("source", settings, HostClock()).open()
