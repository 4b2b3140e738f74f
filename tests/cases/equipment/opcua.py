"""OPC UA servers for the cases: a press by asyncua, one by node-opcua, and one that wants keys."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from asyncua import ua

from plant.network import Proxy
from protocols.field.driver import DriverSettings
from protocols.field.opcua import SPEC
from tests.cases.equipment.equipment import Act, Equipment
from tests.contract.opcua.foreign.node_rig import NodeRig
from tests.contract.opcua.opcua_rig import NODES, OpcuaRig

__all__ = ["AsyncuaPress", "NodePress"]


class AsyncuaPress(Equipment):
    """The press of the contract's tests, behind the proxy."""

    spec = SPEC
    polled = False
    rig_of: type[OpcuaRig] = OpcuaRig

    def __init__(self) -> None:
        self._proxy = Proxy()
        self._rig = self.rig_of(self._proxy)

    async def _begin(self) -> None:
        await self._proxy.__aenter__()
        await self._rig.start()

    async def _end(self) -> None:
        await self._rig.stop()
        await self._proxy.__aexit__()

    def settings(self, given: Mapping[str, Any]) -> DriverSettings:
        patient = {
            "timeout_s": 10.0,
            "keepalive_s": 5.0,
            "lifetime_s": 600.0,
            "history_lag_s": 0.0,
        }
        signals = [{"sampling_s": 0.0, **signal} for signal in given["signals"]]
        self._rig.changes = {**patient, **given, "signals": signals}
        return self._rig.settings()

    def acts(self) -> Mapping[str, Act]:
        return {
            "give": self._give,
            "stop": self._rig.stop,
            "start": self._rig.start,
            "hang": self._proxy.stall,
            "go on": self._proxy.restore,
        }

    async def as_new(self) -> bool:
        for name, (_, value) in NODES.items():
            await self._rig.write(name, value)
        return True

    async def _give(
        self, node: str, value: object = None, *, kind: str = "", code: int = 0, ahead_s: float = 0
    ) -> None:
        await self._rig.write(
            node,
            value,
            kind=ua.VariantType[kind] if kind else None,
            status=code,
            shift=timedelta(seconds=ahead_s),
        )


class NodePress(AsyncuaPress):
    """The same press by node-opcua, a process that can be stopped in the middle of its work."""

    rig_of = NodeRig

    def acts(self) -> Mapping[str, Act]:
        return {**super().acts(), "hang": self._hang, "go on": self._go_on}

    async def _hang(self) -> None:
        assert isinstance(self._rig, NodeRig)
        self._rig.hang()

    async def _go_on(self) -> None:
        assert isinstance(self._rig, NodeRig)
        self._rig.go_on()
