"""Symbols: what is drawn is read back by a decoder that is not ours."""

from __future__ import annotations

import random
import re
import string
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import zxingcpp

from aggregator.errors import ExportError
from aggregator.export.datamatrix import _SYMBOLS, Modules, encode
from aggregator.export.symbols import (
    Symbol,
    data_matrix,
    digital_link_qr,
    gs1_data_matrix,
    qr_code,
    to_svg,
    to_terminal,
    udi_symbol,
)
from protocols.identifiers.gs1 import parse
from protocols.identifiers.udi import parse as parse_udi

FDA = "(01)51022222233336(11)141231(17)150707(10)A213B1(21)1234"
MA = "MA.156.M0.100350.01004YA10017.SLMSAGAAAC.M210628.LAY21062803.E220628.V220627.C3"


def seen(modules: Modules, quiet_zone: int = 2) -> zxingcpp.Barcode:
    """Return what a scanner sees in a printed symbol."""
    light = np.array([[0 if dark else 255 for dark in row] for row in modules], dtype=np.uint8)
    image = np.kron(np.pad(light, quiet_zone, constant_values=255), np.ones((4, 4), dtype=np.uint8))
    (found,) = zxingcpp.read_barcodes(image, text_mode=zxingcpp.TextMode.Plain)
    return found


def test_the_example_of_the_standard() -> None:
    # ISO/IEC 16022, annex O: 123456 in a symbol of 10 x 10
    rows = ["".join("#" if dark else "." for dark in row) for row in encode("123456", gs1=False)]
    assert rows == [
        "#.#.#.#.#.",
        "##..#.##.#",
        "##.....#..",
        "##...###.#",
        "##....#...",
        "#.....####",
        "###.##....",
        "####.##..#",
        "#..###.#..",
        "##########",
    ]


def test_gs1_data_matrix_begins_with_fnc1() -> None:
    elements = parse(FDA)
    symbol = gs1_data_matrix(elements)
    found = seen(symbol.modules)
    assert found.symbology_identifier == "]d2"
    assert found.text == elements.scanned()
    assert parse(found.symbology_identifier + found.text) == elements
    assert symbol.text == FDA


@pytest.mark.parametrize("size", [symbol.size for symbol in _SYMBOLS])
def test_every_size_full_and_hardly_filled(size: int) -> None:
    chance = random.Random(size)
    before = [s for s in _SYMBOLS if s.size < size]
    symbol = next(s for s in _SYMBOLS if s.size == size)
    for codewords in {before[-1].data + 1 if before else 1, symbol.data}:
        text = "".join(chance.choices(string.ascii_letters + "+/$=&.", k=codewords))
        modules = encode(text, gs1=False)
        assert len(modules) == size
        assert seen(modules).text == text


@pytest.mark.parametrize(
    "text", ["0", "00", "1A23", "A\x1d1", " ", "\x00\x7f", "+A99912345/$$52001510X33", "99" * 40]
)
def test_any_ascii_text(text: str) -> None:
    found = seen(data_matrix(text).modules)
    assert (found.text, found.symbology_identifier) == (text, "]d1")


@pytest.mark.parametrize(
    ("text", "identifier"),
    [
        (FDA, "]d2"),
        ("+A99912345/$$52001510X33", "]d1"),
        ("=/A9999XYZ100T0944=,000025=A99971312345600=>014032", "]d1"),
        (MA, "]Q1"),
    ],
)
def test_each_agency_has_its_symbol(text: str, identifier: str) -> None:
    udi = parse_udi(text, this_year=2026)
    symbol = udi_symbol(udi)
    found = seen(symbol.modules, symbol.quiet_zone)
    assert found.symbology_identifier == identifier
    prefix = identifier if identifier == "]d2" else ""
    assert parse_udi(prefix + found.text, this_year=2026) == udi


def test_a_qr_code_carries_a_digital_link() -> None:
    elements = parse(FDA)
    symbol = digital_link_qr(elements, stem="https://example.com")
    found = seen(symbol.modules, symbol.quiet_zone)
    assert found.text == symbol.text
    assert parse(found.text) == elements


@pytest.mark.parametrize("text", ["", "é", "批号", "A" * 1305])
def test_what_does_not_fit_in_a_data_matrix(text: str) -> None:
    with pytest.raises(ExportError) as caught:
        data_matrix(text)
    assert caught.value.hint


@pytest.mark.parametrize("text", ["", "A" * 3_400])
def test_what_does_not_fit_in_a_qr_code(text: str) -> None:
    with pytest.raises(ExportError) as caught:
        qr_code(text)
    assert caught.value.hint


def test_svg_has_the_modules_and_the_size() -> None:
    symbol = gs1_data_matrix(parse(FDA))
    side = len(symbol.modules)
    drawn = to_svg(symbol, module_um=500)
    assert drawn == to_svg(symbol, module_um=500)
    root = ET.fromstring(drawn)  # noqa: S314 - our own
    assert root.get("width") == root.get("height") == f"{(side + 2) * 0.5:g}mm"
    assert root.get("viewBox") == f"0 0 {side + 2} {side + 2}"
    space = "{http://www.w3.org/2000/svg}"
    assert root.findtext(f"{space}title") == FDA
    path = root.findall(f"{space}path")[1].get("d")
    assert path is not None
    modules = [[False] * side for _ in range(side)]
    for run in path.removesuffix("z").split("z"):
        corner, width = run.removeprefix("M").split("v")[0].split("h")
        column, row = (int(number) - symbol.quiet_zone for number in corner.split(" "))
        for at in range(column, column + int(width)):
            modules[row][at] = True
    assert tuple(map(tuple, modules)) == symbol.modules


def test_svg_holds_any_text_and_refuses_no_size() -> None:
    symbol = Symbol(modules=((True,),), quiet_zone=1, text='<&>"\x1d')
    assert ET.fromstring(to_svg(symbol))[0].text == '<&>"\ufffd'  # noqa: S314 - our own
    with pytest.raises(ExportError, match="a module of 0"):
        to_svg(symbol, module_um=0)


def test_a_terminal_shows_every_module_in_its_quiet_zone() -> None:
    symbol = qr_code("otpauth://totp/Lotproof:li.wei?secret=ABC")
    lines = to_terminal(symbol).splitlines()
    assert all(line.startswith("\x1b[30;107m") and line.endswith("\x1b[0m") for line in lines)
    shown = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]
    zone, side = symbol.quiet_zone, len(symbol.modules)
    assert {len(line) for line in shown} == {side + 2 * zone}
    rows = [[half in upper for half in line] for line in shown for upper in ("▀█", "▄█")]
    inner = [tuple(row[zone : zone + side]) for row in rows[zone : zone + side]]
    assert tuple(inner) == symbol.modules
    assert sum(map(sum, rows)) == sum(map(sum, symbol.modules)), "nothing dark in the quiet zone"
