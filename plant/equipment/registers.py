"""A Modbus/TCP server on loopback whose registers are computed when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Literal

from pymodbus.constants import ExcCodes
from pymodbus.exceptions import NoSuchIdException
from pymodbus.framer import FramerType
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

__all__ = ["Read", "RefusalError", "RegisterServer", "Table"]

Table = Literal["coil", "discrete", "holding", "input"]
Read = Callable[[Table, int, int], Sequence[int]]
"""(table, first address, count) -> registers, or bits as 0 and 1; may raise RefusalError."""


class RefusalError(Exception):
    """The equipment answers with an exception (Modbus Application Protocol section 7)."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code}")
        self.code = code


class RegisterServer:
    """Serve units on 127.0.0.1; other units are not answered, as on a serial line.

    It can be stopped and started again on the same port, as equipment is switched off and on.
    """

    host: Final = "127.0.0.1"

    def __init__(self, units: dict[int, Read], *, port: int = 0, rtu: bool = False) -> None:
        self.port = port  # 0 until the first start chooses a free one
        self._units = units
        self._framer = FramerType.RTU if rtu else FramerType.SOCKET  # as a serial server has it
        self._server: _Server | None = None

    async def start(self) -> None:
        """Listen; does nothing where it already does."""
        if self._server is None:
            self._server = _Server(_Tables(self._units), (self.host, self.port), self._framer)
            await self._server.serve_forever(background=True)
            self.port = self._server.bound_port()

    async def stop(self) -> None:
        """Drop every connection and stop listening; may be called twice."""
        server, self._server = self._server, None
        if server is not None:
            await server.shutdown()  # type: ignore[no-untyped-call]  # as pymodbus has it


_TABLES: Final[dict[int, Table]] = {1: "coil", 2: "discrete", 3: "holding", 4: "input"}


class _Tables:
    """What pymodbus asks for values: the register functions of the units."""

    def __init__(self, units: dict[int, Read]) -> None:
        self._units = units

    def device_ids(self) -> list[int]:
        return list(self._units)

    async def async_getValues(  # noqa: N802 -- the name that pymodbus calls
        self, device_id: int, func_code: int, address: int, count: int = 1
    ) -> list[int] | list[bool] | ExcCodes:
        if device_id not in self._units:
            raise NoSuchIdException
        try:
            values = self._units[device_id](_TABLES[func_code], address, count)
        except RefusalError as refusal:
            return ExcCodes(refusal.code)
        return [bool(value) for value in values] if func_code in (1, 2) else list(values)

    async def async_setValues(  # noqa: N802 -- the name that pymodbus calls
        self, device_id: int, func_code: int, address: int, values: list[int] | list[bool]
    ) -> ExcCodes | None:
        """Refuse: nobody writes to this equipment."""
        _ = device_id, func_code, address, values
        return ExcCodes.ILLEGAL_FUNCTION


class _Server(ModbusTcpServer):
    def __init__(self, tables: _Tables, address: tuple[str, int], framer: FramerType) -> None:
        nothing = SimDevice(id=0, simdata=SimData(0, values=0, datatype=DataType.REGISTERS))
        super().__init__(nothing, framer=framer, address=address, ignore_missing_devices=True)
        self.context = tables  # type: ignore[assignment]  # same questions, own answers

    def bound_port(self) -> int:
        return int(self.transport.sockets[0].getsockname()[1])  # type: ignore[attr-defined]  # asyncio.Server
