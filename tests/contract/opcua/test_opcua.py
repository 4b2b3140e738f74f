"""The OPC UA driver against asyncua's server: the levels that every driver claims."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from plant.network import Proxy
from tests.contract.driver_contract import ReadsContract, RecoversContract
from tests.contract.opcua.opcua_rig import OpcuaRig


@pytest.fixture
async def rig() -> AsyncIterator[OpcuaRig]:
    async with Proxy() as proxy:
        rig = OpcuaRig(proxy)
        await rig.start()
        yield rig
        await rig.stop()


class TestReads(ReadsContract):
    """Level 1."""


class TestRecovers(RecoversContract):
    """Level 2."""
