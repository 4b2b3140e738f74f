"""Symbols on labels and records: Data Matrix and QR Code as modules, and as SVG.

A device identification is printed as its agency has it: GS1 DataMatrix for GS1, Data Matrix for
HIBCC and ICCBBA, QR Code for MA codes. A QR Code of GS1 carries a Digital Link, which needs no
FNC1. Not printed here: the text beside the symbol, which the caller sets in its own type.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

import segno

from aggregator.errors import ExportError
from aggregator.export.datamatrix import Modules, encode
from protocols.identifiers.gs1 import ElementString, parse, to_digital_link
from protocols.identifiers.udi import Agency, Udi

__all__ = [
    "Symbol",
    "data_matrix",
    "digital_link_qr",
    "gs1_data_matrix",
    "qr_code",
    "to_svg",
    "to_terminal",
    "udi_symbol",
]

MODULE_UM: Final = 380
"""Micrometres; the target for devices not sold at a till (General Specifications, table 5.12-7)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Symbol:
    """A square symbol."""

    modules: Modules  # rows, dark modules true, without quiet zone
    quiet_zone: int  # modules that must stay light on every side
    text: str  # what it carries, for people


def udi_symbol(udi: Udi) -> Symbol:
    """Return the symbol that carries a device identification; raises ExportError."""
    match udi.agency:
        case Agency.GS1:
            return gs1_data_matrix(parse(udi.text))
        case Agency.HIBCC | Agency.ICCBBA:
            return data_matrix(udi.text)
        case Agency.ZIIOT:
            return qr_code(udi.text)


def gs1_data_matrix(elements: ElementString) -> Symbol:
    """Return GS1 DataMatrix (General Specifications, section 5.6); raises ExportError."""
    return Symbol(
        modules=encode(elements.scanned(), gs1=True), quiet_zone=1, text=elements.bracketed()
    )


def data_matrix(text: str) -> Symbol:
    """Return Data Matrix of ASCII characters; raises ExportError."""
    return Symbol(modules=encode(text, gs1=False), quiet_zone=1, text=text)


def digital_link_qr(elements: ElementString, *, stem: str) -> Symbol:
    """Return QR Code of a Digital Link; ``stem`` is the scheme and domain of its resolver.

    Raises Gs1Error where the elements have no place in a Digital Link, and ExportError.
    """
    return qr_code(to_digital_link(elements, stem=stem))


def qr_code(text: str) -> Symbol:
    """Return QR Code with error correction level M (ISO/IEC 18004); raises ExportError."""
    hint = "it holds 1 to 2,331 octets; shorten what it carries"
    if not text:
        raise ExportError("nothing to put in a QR Code", hint=hint)
    try:
        made = segno.make_qr(text, error="m", boost_error=False)
    except ValueError as error:
        raise ExportError(
            f"{len(text)} characters do not fit in a QR Code: {error}", hint=hint
        ) from error
    modules = tuple(tuple(bool(module) for module in row) for row in made.matrix)
    return Symbol(modules=modules, quiet_zone=4, text=text)


def to_svg(symbol: Symbol, *, module_um: int = MODULE_UM) -> str:
    """Return SVG with its quiet zone, in its size: ``module_um`` micrometres a module.

    The same symbol gives the same bytes. Raises ExportError for a module that no printer makes.
    """
    if not 50 <= module_um <= 10_000:
        raise ExportError(
            f"a module of {module_um} micrometres",
            hint="labels of devices have 254 to 990 (General Specifications, section 5.12)",
        )
    zone = symbol.quiet_zone
    side = len(symbol.modules) + 2 * zone
    millimetres = f"{side * module_um / 1000:g}mm"
    runs = "".join(
        f"M{start + zone} {row + zone}h{length}v1h-{length}z"
        for row, modules in enumerate(symbol.modules)
        for start, length in _runs(modules)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{millimetres}" height="{millimetres}" '
        f'viewBox="0 0 {side} {side}" shape-rendering="crispEdges">'
        f"<title>{escape(_printable(symbol.text))}</title>"
        f'<path fill="#fff" d="M0 0h{side}v{side}h-{side}z"/><path d="{runs}"/></svg>'
    )


def to_terminal(symbol: Symbol) -> str:
    """Return lines of text that a terminal shows as the symbol, dark on light whatever its colours.

    Two rows of modules are one line: half blocks, in black on bright white (ECMA-48 30 and 107).
    """
    side = len(symbol.modules) + 2 * symbol.quiet_zone
    dark = {
        (row + symbol.quiet_zone, column + symbol.quiet_zone)
        for row, modules in enumerate(symbol.modules)
        for column, module in enumerate(modules)
        if module
    }
    lines = (
        "".join(
            " ▄▀█"[2 * ((row, column) in dark) + ((row + 1, column) in dark)]
            for column in range(side)
        )
        for row in range(0, side, 2)
    )
    return "\n".join(f"\x1b[30;107m{line}\x1b[0m" for line in lines)


def _runs(modules: tuple[bool, ...]) -> list[tuple[int, int]]:
    """Return start and length of each run of dark modules."""
    runs: list[tuple[int, int]] = []
    for column, dark in enumerate(modules):
        if dark and runs and sum(runs[-1]) == column:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        elif dark:
            runs.append((column, 1))
    return runs


def _printable(text: str) -> str:
    """Return text without what XML cannot hold."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)
