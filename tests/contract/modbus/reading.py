"""A Modbus source of a test, opened and polled as the agent does it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from protocols.field.driver import Driver, DriverSettings
from protocols.field.modbus import SPEC
from protocols.wire.reading import Reading
from tests.contract.driver_contract import PATIENCE, HostClock
from tests.contract.modbus.modbus_peer import Peer

QUICK: dict[str, Any] = {"period_s": 0.02, "timeout_s": 2.0}
"""Asked again at once, and given the time of a busy machine to answer in."""
DEVICE = {address: address * 7 for address in range(300)}


def settings_of(port: int, signals: Sequence[dict[str, Any]], **more: Any) -> DriverSettings:
    return SPEC.settings.model_validate(
        {"host": "127.0.0.1", "port": port, "signals": signals} | more
    )


def settings_at(peer: Peer, signals: Sequence[dict[str, Any]], **more: Any) -> DriverSettings:
    """Return settings that reach the peer by its own transport."""
    if peer.serial_port:
        # A pseudo terminal has no parity.
        where = {"transport": "serial", "serial_port": peer.serial_port, "parity": "N"}
        return SPEC.settings.model_validate(where | {"signals": signals} | more)
    transport = "rtu-over-tcp" if peer.rtu else "tcp"
    return settings_of(peer.port, signals, **{"transport": transport} | more)


def words(first: int, count: int, **more: Any) -> list[dict[str, Any]]:
    return [
        {"name": f"w{address}", "address": address} | more
        for address in range(first, first + count)
    ]


@asynccontextmanager
async def opened(settings: DriverSettings) -> AsyncIterator[Driver]:
    driver = SPEC.connect("source", settings, HostClock())
    try:
        await driver.open()
        yield driver
    finally:
        await driver.close()


async def one_poll(driver: Driver) -> dict[str, Reading]:
    async with asyncio.timeout(PATIENCE):
        return {reading.signal: reading for reading in (await driver.read()).readings}


async def read_on(driver: Driver) -> None:
    while True:
        await driver.read()
