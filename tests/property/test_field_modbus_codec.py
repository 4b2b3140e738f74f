"""Every type in every byte order comes out as an independent encoding put it in."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.field.modbus.codec import compile_block, views
from protocols.field.modbus.planner import Block, Slot
from protocols.field.modbus.settings import ModbusSignal, Order, RegisterType, Table

ORDERS = list(Order)
NUMPY: dict[RegisterType, str] = {
    RegisterType.INT16: ">i2",
    RegisterType.INT32: ">i4",
    RegisterType.INT64: ">i8",
    RegisterType.UINT16: ">u2",
    RegisterType.UINT32: ">u4",
    RegisterType.UINT64: ">u8",
    RegisterType.FLOAT32: ">f4",
    RegisterType.FLOAT64: ">f8",
}


def sent(big_endian: bytes, order: Order) -> bytes:
    """Return the octets as equipment of that order sends them, word by word."""
    words = [big_endian[at : at + 2] for at in range(0, len(big_endian), 2)]
    if order in (Order.CDAB, Order.DCBA):
        words.reverse()
    if order in (Order.BADC, Order.DCBA):
        words = [word[::-1] for word in words]
    return b"".join(words)


def decode(payload: bytes, before: int = 0, **signal: Any) -> object:
    """Return the value of a signal whose octets begin ``before`` registers into the answer."""
    one = ModbusSignal.model_validate({"name": "x", "address": 100 + before} | signal)
    slot = Slot(index=0, unit=1, table=one.table, address=100 + before, count=one.count)
    count = len(payload) * 8 if one.table.of_bits else len(payload) // 2
    block = Block(unit=1, table=one.table, address=100, count=count, slots=(slot,))
    (decoder,) = compile_block(block, (one,))
    both = (payload, payload) if one.table.of_bits else views(payload)
    (value,) = decoder.unpack(both[decoder.view], decoder.offset)
    return value if decoder.finish is None else decoder.finish(value)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("register_type", list(NUMPY))
@given(data=st.data(), before=st.binary(max_size=20).filter(lambda b: len(b) % 2 == 0))
def test_numbers(
    register_type: RegisterType, order: Order, data: st.DataObject, before: bytes
) -> None:
    layout = np.dtype(NUMPY[register_type])
    octets = data.draw(st.binary(min_size=layout.itemsize, max_size=layout.itemsize))
    expected = np.frombuffer(octets, layout)[0].item()
    payload = before + sent(octets, order) + b"\xff\xff"
    got = decode(payload, len(before) // 2, type=register_type, order=order)
    assert type(got) is type(expected)
    if isinstance(expected, float) and math.isnan(expected):
        assert isinstance(got, float)
        assert math.isnan(got)
    else:
        assert got == expected


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("register_type", "digits"), [("bcd16", 4), ("bcd32", 8)])
@given(data=st.data())
def test_decimal_digits(register_type: str, digits: int, order: Order, data: st.DataObject) -> None:
    number = data.draw(st.integers(0, 10**digits - 1))
    octets = bytes.fromhex(f"{number:0{digits}}")
    assert decode(sent(octets, order), type=register_type, order=order) == number


@given(octets=st.binary(min_size=4, max_size=4))
def test_a_digit_above_nine_is_no_number(octets: bytes) -> None:
    got = decode(octets, type="bcd32")
    assert got == (int(octets.hex()) if octets.hex().isdecimal() else octets)


@pytest.mark.parametrize("order", [Order.ABCD, Order.BADC])
@given(text=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40))
def test_text(order: Order, text: str) -> None:
    octets = text.encode() + b"\0" * (len(text) % 2)
    payload = sent(octets, order)
    assert decode(payload, type="ascii", order=order, length=len(text)) == text


@given(octets=st.binary(min_size=2, max_size=2), bit=st.integers(0, 15))
def test_a_bit_of_a_register(octets: bytes, bit: int) -> None:
    digits = "".join(f"{octet:08b}" for octet in octets)
    assert decode(octets, type="bit", bit=bit) is (digits[15 - bit] == "1")
    swapped = digits[8:] + digits[:8]
    assert decode(octets, type="bit", bit=bit, order="BADC") is (swapped[15 - bit] == "1")


@given(octets=st.binary(min_size=1, max_size=8), data=st.data())
def test_a_coil(octets: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(octets) * 8 - 1))
    expected = octets[at // 8] & 1 << at % 8 != 0
    assert decode(octets, at, table=Table.COIL) is expected


@given(
    raw=st.integers(-(2**15), 2**15 - 1),
    scale=st.decimals("0.00001", 1000, places=5).filter(lambda d: d != 1),
    offset=st.decimals(-1000, 1000, places=3),
)
def test_a_scaled_number_is_the_nearest_to_the_true_one(
    raw: int, scale: Decimal, offset: Decimal
) -> None:
    octets = raw.to_bytes(2, "big", signed=True)
    got = decode(octets, type="int16", scale=float(scale), offset=float(offset))
    assert got == float(raw * scale + offset)
