"""The OPC UA driver against open62541, the C stack of much equipment, by PyPI's o6."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio

from protocols.wire.reading import GapReason, Status
from tests.contract.driver_contract import Truth, behind_proxy, line_of, tell_truths
from tests.contract.opcua.foreign.node_rig import NodeRig
from tests.rigs.pypi import installed

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("opcua-foreign"),  # what they need is installed once
]
_HERE = Path(__file__).parent


class Open62541Rig(NodeRig):
    """open62541's server with a node a type, asked in the same words as node-opcua's."""

    def command(self) -> tuple[tuple[str, ...], dict[str, str]]:
        found = installed(_HERE / "requirements.txt")
        return (sys.executable, str(_HERE / "open62541_server.py")), {"PYTHONPATH": str(found)}

    def truths(self) -> Sequence[Truth]:
        # o6 sends an empty text as no text at all, which a reading tells as no value.
        return [truth for truth in super().truths() if truth.value != ""]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig() -> AsyncIterator[Open62541Rig]:
    async with behind_proxy(Open62541Rig) as rig:
        yield rig


async def test_every_change_arrives_once_whatever_its_type(rig: Open62541Rig) -> None:
    async with line_of(rig) as line:
        for name in rig.absent:
            await line.until(lambda name=name: line.of(name), f"nothing said of {name}")  # type: ignore[misc]
            assert {r.status for r in line.of(name)} == {Status.BAD}
        await line.produce(100)
        await line.catch_up()
        counts = line.counts()
        assert counts == list(range(counts[0], counts[-1] + 1))
        await tell_truths(rig, line)
        assert line.gaps == []
        assert line.errors == []


async def test_a_cut_line_loses_nothing(rig: Open62541Rig) -> None:
    async with line_of(rig) as line:
        await rig.proxy.cut()
        await line.until(lambda: line.errors, "the cut was missed")
        await line.produce(20)
        await rig.proxy.restore()
        await line.catch_up()
        counts = line.counts()
        assert counts == sorted(set(counts)), "a count came twice"
        missing = set(range(counts[0], counts[-1] + 1)) - set(counts)
        assert not missing or line.gaps


async def test_a_restart_is_a_declared_gap(rig: Open62541Rig) -> None:
    async with line_of(rig) as line:
        await line.produce(5)
        await rig.stop()
        await line.until(lambda: line.errors, "the end was missed")
        await rig.start()
        await line.catch_up()
        assert [g for g in line.gaps if g.reason is GapReason.SUBSCRIPTION_LOST]
        counts = line.counts()
        assert counts == sorted(set(counts)), "a count came twice"
