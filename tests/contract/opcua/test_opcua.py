"""The OPC UA driver against asyncua's server: the levels that every driver claims."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.contract.driver_contract import ReadsContract, RecoversContract, behind_proxy
from tests.contract.opcua.opcua_rig import OpcuaRig


@pytest.fixture
async def rig() -> AsyncIterator[OpcuaRig]:
    async with behind_proxy(OpcuaRig) as rig:
        yield rig


class TestReads(ReadsContract):
    """Level 1."""


class TestRecovers(RecoversContract):
    """Level 2."""
