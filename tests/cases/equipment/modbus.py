"""Modbus equipment for the cases: a peer that can misbehave, and servers that we did not write."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

from plant.network import Proxy
from protocols.field.driver import DriverSettings
from protocols.field.modbus import SPEC
from tests.cases.equipment.case import CaseError
from tests.cases.equipment.equipment import Act, Equipment
from tests.contract.modbus.foreign.servers import SERVERS, Serving
from tests.contract.modbus.modbus_peer import RAW, Device, Misbehave, Peer, Question
from tests.contract.modbus.reading import settings_at

__all__ = ["ForeignServer", "MisbehavingPeer"]

_PATIENT: Mapping[str, Any] = {"period_s": 0.1, "timeout_s": 10.0}


class MisbehavingPeer(Equipment):
    """A server written from the specification, with the registers that the case gives it."""

    spec = SPEC
    polled = True

    def __init__(
        self, *, units: Sequence[Mapping[str, Any]], rtu: bool = False, pty: bool = False
    ) -> None:
        devices: dict[int, Device] = {}
        for unit in units:
            cells = enumerate(unit["values"], start=unit["first"])
            table = getattr(devices.setdefault(unit["unit"], Device()), unit["table"])
            table.update(cells)
        self._peer = Peer(devices, rtu=rtu, pty=pty)

    async def _begin(self) -> None:
        await self._peer.__aenter__()

    async def _end(self) -> None:
        await self._peer.__aexit__(None, None, None)

    def settings(self, given: Mapping[str, Any]) -> DriverSettings:
        more = {name: value for name, value in given.items() if name != "signals"}
        return settings_at(self._peer, given["signals"], **{**_PATIENT, **more})

    def acts(self) -> Mapping[str, Act]:
        return {"give": self._give, "answer": self._answer}

    def counters(self) -> Mapping[str, int]:
        return {"connections": self._peer.connections}

    async def _give(
        self, address: int, values: Sequence[int], *, unit: int = 1, table: str = "holding"
    ) -> None:
        cells: dict[int, int] = getattr(self._peer.units[unit], table)
        cells.update(enumerate(values, start=address))

    async def _answer(self, how: str, *, times: int | None = None, **given: Any) -> None:
        """Answer so from now on, or so many questions and then right again."""
        self._peer.pieces = given.get("octets", 0) if how == "in pieces" else 0
        if how in ("right", "in pieces"):
            self._peer.misbehave = None
            return
        made: Mapping[str, Callable[..., Misbehave]] = {
            "short": self._short,
            "as another unit": self._as_another_unit,
            "late": self._late,
            "refusing": self._refusing,
        }
        if how not in made:
            raise CaseError(f"{how!r} is none of right, in pieces, {', '.join(made)}")
        self._peer.misbehave = _so_often(made[how](**given), times)

    def _short(self, *, address: int) -> Misbehave:
        """Leave the last register out of every answer that holds an address."""

        def answer(question: Question, pdu: bytes) -> list[tuple[float, bytes]]:
            if not question.address <= address < question.address + question.count:
                return [(0, pdu)]
            return [(0, bytes((pdu[0], pdu[1] - 2)) + pdu[2:-2])]

        return answer

    def _as_another_unit(self, *, unit: int) -> Misbehave:
        return lambda question, pdu: [(0, RAW + self._peer.frame(question, pdu, unit=unit))]

    def _late(self, *, seconds: float) -> Misbehave:
        return lambda _, pdu: [(seconds, pdu)]

    def _refusing(self, *, code: int) -> Misbehave:
        return lambda question, _: [(0, bytes((question.function | 0x80, code)))]


def _so_often(misbehave: Misbehave, times: int | None) -> Misbehave:
    left = times

    def answer(question: Question, pdu: bytes) -> list[tuple[float, bytes]]:
        nonlocal left
        if left == 0:
            return [(0, pdu)]
        left = None if left is None else left - 1
        return misbehave(question, pdu)

    return answer


class ForeignServer(Equipment):
    """A server that we did not write; all hold what tests/contract/modbus/foreign says."""

    spec = SPEC
    polled = True

    def __init__(self, *, server: str) -> None:
        self._server = server
        self._proxy = Proxy()
        self._life = AsyncExitStack()
        self._serving: Serving | None = None

    async def _begin(self) -> None:
        await self._proxy.__aenter__()
        await self._start()

    async def _end(self) -> None:
        await self._life.aclose()
        await self._proxy.__aexit__()

    def settings(self, given: Mapping[str, Any]) -> DriverSettings:
        assert self._serving is not None
        more = {name: value for name, value in given.items() if name != "signals"}
        on_tcp = {"host": "127.0.0.1", "port": self._proxy.port}
        where = on_tcp if "port" in self._serving.where else {}
        return self._serving.settings(given["signals"], **{**_PATIENT, **where, **more})

    def acts(self) -> Mapping[str, Act]:
        return {
            "start": self._start,
            "stop": self._stop,
            "hang": lambda: self._send(signal.SIGSTOP),
            "go on": lambda: self._send(signal.SIGCONT),
        }

    async def _start(self) -> None:
        self._serving = await self._life.enter_async_context(SERVERS[self._server]())
        self._proxy.target = ("127.0.0.1", self._serving.where.get("port", 0))

    async def _stop(self) -> None:
        """End the server as a power cycle would."""
        await self._life.aclose()

    async def _send(self, number: signal.Signals) -> None:
        assert self._serving is not None
        self._serving.process.send_signal(number)
