"""What can be configured of a Modbus line and its signals; every signal field is a CSV column.

Addresses are those of the protocol (Modbus Application Protocol V1.1b3 section 4.4): counted from
0 in each table. A manual's "40001" is address 0 of the table ``holding``, "30001" of ``input``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Self

from pydantic import Field, model_validator

from protocols.field.driver import DriverSettings, SignalSettings
from protocols.wire.reading import Kind

__all__ = ["ModbusSettings", "ModbusSignal", "Order", "RegisterType", "Table", "Transport"]


class Transport(StrEnum):
    """How frames travel; the framing follows from it."""

    TCP = "tcp"  # Modbus/TCP
    RTU_OVER_TCP = "rtu-over-tcp"  # RTU frames with CRC through a serial server
    SERIAL = "serial"  # RTU on a serial port
    TLS = "tls"  # Modbus/TCP Security: Modbus/TCP inside TLS with client certificates


class Table(StrEnum):
    """The four tables of the Modbus data model (section 4.3)."""

    HOLDING = "holding"
    INPUT = "input"
    COIL = "coil"
    DISCRETE = "discrete"

    @property
    def of_bits(self) -> bool:
        """Whether the table holds single bits and not registers."""
        return self in (Table.COIL, Table.DISCRETE)


class RegisterType(StrEnum):
    """What the registers hold."""

    INT16 = "int16"
    INT32 = "int32"
    INT64 = "int64"
    UINT16 = "uint16"
    UINT32 = "uint32"
    UINT64 = "uint64"
    FLOAT32 = "float32"
    FLOAT64 = "float64"
    BIT = "bit"  # a coil, a discrete input, or one bit of a register
    BCD16 = "bcd16"  # four decimal digits
    BCD32 = "bcd32"  # eight decimal digits
    ASCII = "ascii"  # two characters a register


class Order(StrEnum):
    """In which order the equipment sends the bytes of a value, A the most significant."""

    ABCD = "ABCD"  # big-endian, as the protocol does within a register
    CDAB = "CDAB"  # words swapped
    BADC = "BADC"  # bytes swapped within each word
    DCBA = "DCBA"  # little-endian


_UNSCALED: Final[dict[RegisterType, Kind]] = {
    RegisterType.INT16: Kind.INT,
    RegisterType.INT32: Kind.INT,
    RegisterType.INT64: Kind.INT,
    RegisterType.UINT16: Kind.UINT,
    RegisterType.UINT32: Kind.UINT,
    RegisterType.UINT64: Kind.UINT,
    RegisterType.FLOAT32: Kind.FLOAT32,
    RegisterType.FLOAT64: Kind.FLOAT64,
    RegisterType.BIT: Kind.BOOL,
    RegisterType.BCD16: Kind.UINT,
    RegisterType.BCD32: Kind.UINT,
    RegisterType.ASCII: Kind.TEXT,
}
_REGISTERS: Final[dict[RegisterType, int]] = {
    RegisterType.INT32: 2,
    RegisterType.UINT32: 2,
    RegisterType.FLOAT32: 2,
    RegisterType.BCD32: 2,
    RegisterType.INT64: 4,
    RegisterType.UINT64: 4,
    RegisterType.FLOAT64: 4,
}


class ModbusSignal(SignalSettings):
    """One value in the equipment's tables; ``kind`` follows from ``type`` and the scale."""

    table: Table = Field(default=Table.HOLDING, description="holding, input, coil or discrete.")
    address: int = Field(
        ge=0, le=65535, description='Protocol address from 0; "40001" of a manual is 0.'
    )
    unit_id: int | None = Field(
        default=None, ge=0, le=255, description="Unit on the line; empty: the source's unit_id."
    )
    type: RegisterType = Field(
        default=RegisterType.UINT16,
        description="int16/32/64, uint16/32/64, float32/64, bit, bcd16/32 or ascii.",
    )
    order: Order = Field(
        default=Order.ABCD, description="Byte order: ABCD, CDAB, BADC or DCBA; A is the highest."
    )
    bit: int | None = Field(
        default=None, ge=0, le=15, description="Bit of the register, 0 the lowest, for type bit."
    )
    length: int | None = Field(
        default=None, ge=1, le=250, description="Number of characters, for type ascii."
    )
    scale: float = Field(default=1.0, description="The value is raw x scale + offset.")
    offset: float = Field(default=0.0, description="The value is raw x scale + offset.")
    period_s: float | None = Field(
        default=None, ge=0.01, le=86400, description="Seconds between polls; empty: the source's."
    )
    guard: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="Address of a register of the same table that changes with each update of the "
        "equipment: it is read before and after the value, and both again where it differs.",
    )
    guard_after: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="Address of a second such register that equals the first when an update is "
        "done: both are then read with the value, in one request.",
    )

    @property
    def count(self) -> int:
        """Number of registers, or of bits in a table of bits."""
        if self.type is RegisterType.ASCII:
            return ((self.length or 0) + 1) // 2
        return _REGISTERS.get(self.type, 1)

    @property
    def span(self) -> tuple[int, int]:
        """First address and number of registers, or bits: the value, and the counters about it."""
        if self.guard is None or self.guard_after is None:
            return self.address, self.count
        first = min(self.address, self.guard, self.guard_after)
        end = max(self.address + self.count, self.guard + 1, self.guard_after + 1)
        return first, end - first

    @property
    def scaled(self) -> bool:
        """Whether the value is computed from the raw one."""
        return self.scale != 1.0 or self.offset != 0.0

    @model_validator(mode="before")
    @classmethod
    def _follow(cls, data: Any) -> Any:
        """Fill in what follows from the other columns: the type of a coil, the kind."""
        if not isinstance(data, Mapping):
            return data
        filled = dict(data)
        if filled.get("table") in ("coil", "discrete"):
            filled.setdefault("type", RegisterType.BIT)
        if filled.get("kind") is None:
            try:
                kind = _UNSCALED[RegisterType(filled.get("type", RegisterType.UINT16))]
                plain = float(filled.get("scale", 1)) == 1 and float(filled.get("offset", 0)) == 0
            except (TypeError, ValueError):
                return filled  # the field itself says what is wrong
            filled["kind"] = kind if plain else Kind.FLOAT64
        return filled

    @model_validator(mode="after")
    def _agree(self) -> Self:
        is_bit, in_bits = self.type is RegisterType.BIT, self.table.of_bits
        if in_bits and (not is_bit or self.bit is not None):
            raise ValueError(f"a {self.table} is a single bit: leave type and bit empty")
        if not in_bits and is_bit is not (self.bit is not None):
            raise ValueError("one bit of a register takes both: type = bit and bit = 0 to 15")
        if (self.type is RegisterType.ASCII) is not (self.length is not None):
            raise ValueError("a text takes both: type = ascii and length = number of characters")
        if self.type is RegisterType.ASCII and self.order not in (Order.ABCD, Order.BADC):
            raise ValueError("the order of a text is ABCD, or BADC where each pair is swapped")
        if not (math.isfinite(self.scale) and math.isfinite(self.offset)) or self.scale == 0:
            raise ValueError("scale and offset are finite, and scale is not 0")
        if self.scaled and self.type in (RegisterType.BIT, RegisterType.ASCII):
            raise ValueError(f"a {self.type} has no scale and no offset")
        self._guards_agree()
        if self.address + self.count > 65536:
            raise ValueError(f"{self.type} at address {self.address} reaches past address 65535")
        expected = Kind.FLOAT64 if self.scaled else _UNSCALED[self.type]
        if self.kind is not expected:
            raise ValueError(f"leave kind empty: here it is {expected.name}, from type and scale")
        return self

    def _guards_agree(self) -> None:
        guards = [guard for guard in (self.guard, self.guard_after) if guard is not None]
        if guards and self.table.of_bits:
            raise ValueError("guard is a register: a single bit is never torn")
        if any(0 <= guard - self.address < self.count for guard in guards):
            raise ValueError("guard is a register of its own, not one of the value's")
        if self.guard is None and guards:
            raise ValueError("guard_after goes with guard")
        if len(guards) == 2 and guards[0] == guards[1]:
            raise ValueError("guard_after is another register than guard")


class ModbusSettings(DriverSettings):
    """One Modbus line: its transport, its limits, its pace and its signals."""

    transport: Transport = Field(
        default=Transport.TCP, description="tcp, rtu-over-tcp, serial or tls."
    )
    host: str = Field(default="", description="Name or address of the equipment; not for serial.")
    port: int | None = Field(
        default=None, ge=1, le=65535, description="TCP port; empty: 502, and 802 for tls."
    )
    serial_port: str = Field(default="", description="Serial device, for example /dev/ttyUSB0.")
    baud_rate: int = Field(
        default=19200,
        ge=300,
        le=4_000_000,
        description="Bits per second; for rtu-over-tcp those of the line behind the serial server, "
        "for the estimate of its load.",
    )
    parity: str = Field(default="E", pattern="^[NEO]$", description="N, E or O.")
    stop_bits: int = Field(default=1, ge=1, le=2, description="1 or 2.")
    echo: bool = Field(
        default=False, description="Whether the serial adapter gives back what it sends."
    )
    tls_ca_file: Path | None = Field(
        default=None, description="PEM file of the authority that issued the equipment's key."
    )
    tls_certificate_file: Path | None = Field(
        default=None, description="PEM file of this gateway's certificate for the equipment."
    )
    tls_key_file: Path | None = Field(default=None, description="PEM file of its private key.")
    unit_id: int = Field(default=1, ge=0, le=255, description="Unit asked where none is named.")
    period_s: float = Field(
        default=1.0, ge=0.01, le=86400, description="Seconds between polls where none is named."
    )
    timeout_s: float = Field(
        default=1.0, gt=0, le=60, description="Seconds to wait for a connection and for an answer."
    )
    retries: int = Field(
        default=1, ge=0, le=10, description="How often an unanswered request is asked again."
    )
    silent_max: int = Field(
        default=2,
        ge=1,
        le=100,
        description="Unanswered requests in a row after which a unit is silent, "
        "and the line is lost when all its units are.",
    )
    pause_s: float = Field(
        default=0.0,
        ge=0,
        le=60,
        description="Least seconds between a unit's answer and the next request to it; "
        "other units are asked meanwhile.",
    )
    turnaround_s: float | None = Field(
        default=None,
        ge=0,
        le=10,
        description="Seconds of silence on a serial line before each request; "
        "empty: 3.5 characters at the baud rate.",
    )
    busy_retries: int = Field(
        default=2, ge=0, le=100, description="How often busy equipment is asked again in a poll."
    )
    busy_wait_s: float = Field(
        default=0.1, gt=0, le=60, description="Seconds before busy equipment is asked again."
    )
    working_wait_s: float = Field(
        default=5.0,
        gt=0,
        le=3600,
        description="Seconds for which a unit that says it works on something long (acknowledge) "
        "is left alone, once busy_retries are used up.",
    )
    retry_s: float = Field(
        default=60.0,
        gt=0,
        le=86400,
        description="Seconds before a refused signal or a silent unit is tried again.",
    )
    narrow_max: int = Field(
        default=32,
        ge=24,  # enough to come from 2000 bits down to one
        le=10_000,
        description="Most requests of one poll that look for the signals to blame for a refusal.",
    )
    guard_retries: int = Field(
        default=2,
        ge=0,
        le=10,
        description="How often a value that was updated while it was read is read again.",
    )
    registers_max: int = Field(
        default=125, ge=1, le=125, description="Most registers that one request may ask for."
    )
    input_max: int | None = Field(
        default=None, ge=1, le=125, description="Of input registers; empty: registers_max."
    )
    bits_max: int = Field(
        default=2000, ge=1, le=2000, description="Most coils that one request may ask for."
    )
    discrete_max: int | None = Field(
        default=None, ge=1, le=2000, description="Of discrete inputs; empty: bits_max."
    )
    gap_max: int = Field(
        default=16,
        ge=0,
        le=124,
        description="Most unused registers read along to save a request (16 bits count as one).",
    )
    signals: tuple[ModbusSignal, ...] = Field(min_length=1, description="What is read.")

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.transport is Transport.SERIAL and not self.serial_port:
            raise ValueError("transport serial needs serial_port, for example /dev/ttyUSB0")
        if self.transport is not Transport.SERIAL and not self.host:
            raise ValueError(f"transport {self.transport} needs host")
        names = [signal.name for signal in self.signals]
        if len(set(names)) != len(names):
            twice = sorted({name for name in names if names.count(name) > 1})
            raise ValueError(f"signal names must be unique; twice: {', '.join(twice)}")
        if self.rtu and any(self.unit_of(signal) == 0 for signal in self.signals):
            raise ValueError("unit 0 is the broadcast of a serial line and never answers")
        for signal in self.signals:
            self._check_span(signal)
        return self

    def _check_span(self, signal: ModbusSignal) -> None:
        """Refuse a signal that no request may ask for whole, with both its guards."""
        if signal.table.of_bits:
            return
        name, most = "registers_max", self.registers_max
        if signal.table is Table.INPUT and self.input_max is not None:
            name, most = "input_max", self.input_max
        count = signal.span[1]
        if count > most:
            raise ValueError(
                f"{signal.name} takes {count} registers, with its two guards if it has them; "
                f"{name} is {most}"
            )

    @property
    def rtu(self) -> bool:
        """Whether frames are those of a serial line, with a CRC and without a number."""
        return self.transport in (Transport.SERIAL, Transport.RTU_OVER_TCP)

    @property
    def character_s(self) -> float:
        """Seconds of one character on the serial line: start, 8 data, parity and stop bits."""
        return (9 + (self.parity != "N") + self.stop_bits) / self.baud_rate

    @property
    def silence_s(self) -> float:
        """Seconds of silence on the serial line before a frame (serial line guide, 2.5.1.1)."""
        if self.turnaround_s is not None:
            return self.turnaround_s
        return 3.5 * self.character_s if self.baud_rate <= 19200 else 0.00175

    def unit_of(self, signal: ModbusSignal) -> int:
        """Return the unit that holds the signal."""
        return self.unit_id if signal.unit_id is None else signal.unit_id

    def period_of(self, signal: ModbusSignal) -> float:
        """Return the seconds between two polls of the signal."""
        return self.period_s if signal.period_s is None else signal.period_s
