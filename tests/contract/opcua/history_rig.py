"""An OPC UA server with a historian that outlives it."""

from __future__ import annotations

from typing import Any

from asyncua.server.history import HistoryDict

from plant.network import Proxy
from tests.contract.opcua.opcua_rig import OpcuaRig


class Historian(HistoryDict):  # type: ignore[misc]  # asyncua says nothing of its types
    """A historian that outlives its server."""

    async def new_historized_node(self, node_id: Any, period: Any, count: int = 0) -> None:
        if node_id not in self._datachanges:
            await super().new_historized_node(node_id, period, count)


class HistoryRig(OpcuaRig):
    """The rig with a historian for the counter and the temperature."""

    def __init__(self, proxy: Proxy) -> None:
        super().__init__(proxy)
        self.storage: Any = Historian()
        self.changes = {"history_lag_s": 3.0}

    async def start(self) -> None:
        await super().start()
        self.server.iserver.history_manager.set_storage(self.storage)
        for name in ("Counter", "Temperature"):
            await self.server.historize_node_data_change(self.nodes[name], period=None)
