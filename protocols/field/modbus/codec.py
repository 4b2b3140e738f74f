"""From the bytes of an answer to the values of its signals; pure, compiled once for a block.

Four byte orders are two views of the same bytes (as sent, and with the bytes of each register
swapped) read in either direction: CDAB is the swapped view read little-endian.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final, NamedTuple

from protocols.field.modbus.planner import Block
from protocols.field.modbus.settings import ModbusSignal, Order, RegisterType

__all__ = ["Decoder", "compile_block", "views"]


class Decoder(NamedTuple):
    """How one signal is taken out of one block; a tuple, because it is unpacked for each value."""

    signal: int  # its index in the settings
    unpack: Callable[[bytes, int], tuple[Any, ...]]  # from a view and an offset in it
    offset: int  # octets in a table of registers, bits in a table of bits
    size: int  # octets; 0 in a table of bits
    view: int  # 0 as sent, 1 with the bytes of each register swapped
    finish: Callable[[Any], object] | None  # what is left to do with the unpacked value


def compile_block(block: Block, signals: tuple[ModbusSignal, ...]) -> tuple[Decoder, ...]:
    """Return a decoder for each signal of the block, in the block's order."""
    return tuple(
        _compile(signals[slot.index], slot.index, signals[slot.index].address - block.address)
        for slot in block.slots
    )


def views(payload: bytes) -> tuple[bytes, bytes]:
    """Return the payload as sent and with the bytes of each register swapped."""
    swapped = array("H", payload)
    swapped.byteswap()
    return payload, swapped.tobytes()


_FORMATS: Final[dict[RegisterType, str]] = {
    RegisterType.INT16: "h",
    RegisterType.INT32: "i",
    RegisterType.INT64: "q",
    RegisterType.UINT16: "H",
    RegisterType.UINT32: "I",
    RegisterType.UINT64: "Q",
    RegisterType.FLOAT32: "f",
    RegisterType.FLOAT64: "d",
    RegisterType.BIT: "H",
    RegisterType.BCD16: "H",
    RegisterType.BCD32: "I",
}
_READ_AS: Final[dict[Order, tuple[int, str]]] = {  # view, direction
    Order.ABCD: (0, ">"),
    Order.BADC: (1, ">"),
    Order.CDAB: (1, "<"),
    Order.DCBA: (0, "<"),
}


def _compile(signal: ModbusSignal, index: int, distance: int) -> Decoder:
    if signal.table.of_bits:
        return Decoder(signal=index, unpack=_bit_at, offset=distance, size=0, view=0, finish=None)
    view, direction = _READ_AS[signal.order]
    if signal.type is RegisterType.ASCII:
        layout = struct.Struct(f"{signal.length}s")
    else:
        layout = struct.Struct(direction + _FORMATS[signal.type])
    return Decoder(
        signal=index,
        unpack=layout.unpack_from,
        offset=distance * 2,
        size=signal.count * 2,
        view=view,
        finish=_finish(signal),
    )


def _bit_at(payload: bytes, offset: int) -> tuple[bool]:
    """Return a coil; the first is the lowest bit of the first octet (section 6.1)."""
    return (bool(payload[offset >> 3] >> (offset & 7) & 1),)


def _finish(signal: ModbusSignal) -> Callable[[Any], object] | None:
    if signal.type is RegisterType.ASCII:
        return _text
    if signal.type is RegisterType.BIT:
        return _bit(signal.bit or 0)
    scale = _scaling(signal) if signal.scaled else None
    if signal.type in (RegisterType.BCD16, RegisterType.BCD32):
        return _decimal(signal.count * 2, scale)
    return scale


def _text(octets: bytes) -> object:
    """Return the text before the first NUL without trailing blanks, or the octets as they came."""
    try:
        return octets.split(b"\0", 1)[0].decode("ascii").rstrip(" ")
    except UnicodeDecodeError:
        return octets


def _bit(position: int) -> Callable[[int], bool]:
    def finish(register: int) -> bool:
        return bool(register >> position & 1)

    return finish


def _decimal(size: int, scale: Callable[[Any], object] | None) -> Callable[[int], object]:
    def finish(raw: int) -> object:
        try:
            number = int(f"{raw:x}")
        except ValueError:
            return raw.to_bytes(size, "big")  # a digit above 9: no number, kept as it came
        return number if scale is None else scale(number)

    return finish


def _scaling(signal: ModbusSignal) -> Callable[[Any], object]:
    """Return raw x scale + offset; of whole numbers with one rounding, so 35 x 0.01 is 0.35."""
    if signal.type in (RegisterType.FLOAT32, RegisterType.FLOAT64):
        factor, term = signal.scale, signal.offset

        def of_float(raw: float) -> float:
            return raw * factor + term

        return of_float
    scale, offset = Fraction(str(signal.scale)), Fraction(str(signal.offset))
    divisor = scale.denominator * offset.denominator
    multiplier = scale.numerator * offset.denominator
    constant = offset.numerator * scale.denominator

    def of_whole(raw: int) -> float:
        return (raw * multiplier + constant) / divisor

    return of_whole
