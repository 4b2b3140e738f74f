"""The OPC UA driver against asyncua's server: the levels that every driver claims."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.contract.driver_contract import (
    HostClock,
    ReadsContract,
    RecoversContract,
    behind_proxy,
)
from tests.contract.opcua.opcua_rig import OpcuaRig


@pytest.fixture
async def rig() -> AsyncIterator[OpcuaRig]:
    async with behind_proxy(OpcuaRig) as rig:
        yield rig


class TestReads(ReadsContract):
    """Level 1."""


class TestRecovers(RecoversContract):
    """Level 2."""


async def test_who_closes_it_can_be_cancelled(rig: OpcuaRig) -> None:
    """Else a source that is ended while its line closes opens it again, and never ends."""
    driver = rig.spec.connect("source", rig.settings(), HostClock())
    await driver.open()
    closing = asyncio.create_task(driver.close())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait({closing})
    assert closing.cancelled()
    await driver.close()
