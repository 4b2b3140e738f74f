"""The plant's RFID reader for the cases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plant.equipment.portal import Portal
from plant.equipment.sighting import Sighting
from plant.network import Proxy
from protocols.field.driver import DriverSettings
from protocols.field.llrp import SPEC
from protocols.field.llrp.settings import LlrpSettings
from tests.cases.equipment.equipment import Act, Equipment

__all__ = ["Reader"]


class Reader(Equipment):
    """A reader behind the proxy, in front of which tags are shown by the case."""

    spec = SPEC
    polled = False

    def __init__(self) -> None:
        self._proxy = Proxy()
        self._portal = Portal()

    async def _begin(self) -> None:
        await self._proxy.__aenter__()
        await self._portal.start()
        self._proxy.target = (self._portal.host, self._portal.port)

    async def _end(self) -> None:
        await self._portal.stop()
        await self._proxy.__aexit__()

    def settings(self, given: Mapping[str, Any]) -> DriverSettings:
        usual = {"host": "127.0.0.1", "port": self._proxy.port, "answer_timeout_s": 10.0}
        return LlrpSettings.model_validate({**usual, **given})

    def acts(self) -> Mapping[str, Act]:
        return {
            "show": self._show,
            "cut": self._proxy.cut,
            "restore": self._proxy.restore,
            "fall silent": self._fall_silent,
            "lose ROSpecs": self._lose_rospecs,
            "stop ROSpecs": self._stop_rospecs,
            "stop": self._portal.stop,
            "start": self._portal.start,
        }

    async def _show(self, epc: str, *, antenna: int = 1, ahead_s: float = 0.0) -> None:
        """Read a tag once, now; ``ahead_s`` is how far the reader's clock is off."""
        octets = bytes.fromhex(epc)
        time = self._portal.reader.now_us() + round(ahead_s * 1_000_000)
        seen = Sighting(
            epc=octets,
            epc_bits=len(octets) * 8,
            antenna=antenna,
            rssi=-48,
            first_us=time,
            last_us=time,
        )
        self._portal.reader.report([seen])

    async def _fall_silent(self) -> None:
        self._portal.reader.mute()

    async def _lose_rospecs(self) -> None:
        self._portal.reader.lose_rospecs()

    async def _stop_rospecs(self) -> None:
        self._portal.reader.stop_rospecs()
