"""Data Matrix ECC 200 symbols, with FNC1 first where they carry GS1 elements (ISO/IEC 16022:2006).

Square symbols, in ASCII encodation: digits in pairs, other characters alone. That is what device
labels carry; a text of letters would be a little smaller in C40, and is as easily read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aggregator.errors import ExportError

__all__ = ["Modules", "encode"]

Modules = tuple[tuple[bool, ...], ...]
"""Rows of modules, dark ones true, without quiet zone."""


def encode(text: str, *, gs1: bool) -> Modules:
    """Return the smallest square symbol of a text of ASCII characters.

    With ``gs1``, FNC1 stands first and in place of every group separator (0x1D): the scanned form
    of an element string (`protocols.identifiers.gs1`). Raises ExportError for other characters,
    and for more than the largest symbol holds.
    """
    codewords = _codewords(text, gs1=gs1)
    symbol = next((s for s in _SYMBOLS if s.data >= len(codewords)), None)
    if symbol is None or not text:
        raise ExportError(
            f"{len(text)} characters do not fit in a Data Matrix symbol",
            hint=f"it holds 1 to {_SYMBOLS[-1].data} codewords; shorten what it carries",
        )
    filled = _filled(codewords, symbol.data)
    return _framed(_placed(filled + _corrections(filled, symbol), symbol), symbol)


@dataclass(frozen=True, slots=True)
class _Symbol:
    """A square symbol (ISO/IEC 16022, table 7)."""

    size: int  # modules of a side, with finder patterns
    regions: int  # data regions of a side
    data: int  # codewords
    correction: int  # codewords
    blocks: int  # interleaved Reed-Solomon blocks

    @property
    def region(self) -> int:
        """Modules of a side of a data region."""
        return self.size // self.regions - 2


_SYMBOLS: Final = (
    _Symbol(10, 1, 3, 5, 1),
    _Symbol(12, 1, 5, 7, 1),
    _Symbol(14, 1, 8, 10, 1),
    _Symbol(16, 1, 12, 12, 1),
    _Symbol(18, 1, 18, 14, 1),
    _Symbol(20, 1, 22, 18, 1),
    _Symbol(22, 1, 30, 20, 1),
    _Symbol(24, 1, 36, 24, 1),
    _Symbol(26, 1, 44, 28, 1),
    _Symbol(32, 2, 62, 36, 1),
    _Symbol(36, 2, 86, 42, 1),
    _Symbol(40, 2, 114, 48, 1),
    _Symbol(44, 2, 144, 56, 1),
    _Symbol(48, 2, 174, 68, 1),
    _Symbol(52, 2, 204, 84, 2),
    _Symbol(64, 4, 280, 112, 2),
    _Symbol(72, 4, 368, 144, 4),
    _Symbol(80, 4, 456, 192, 4),
    _Symbol(88, 4, 576, 224, 4),
    _Symbol(96, 4, 696, 272, 4),
    _Symbol(104, 4, 816, 336, 6),
    _Symbol(120, 6, 1050, 408, 6),
    _Symbol(132, 6, 1304, 496, 8),
)
"""The largest, of 144 modules, has blocks of unequal length and is left out: no label is so big."""

_FNC1: Final = 232
_PAD: Final = 129
_PAIRS: Final = 130  # plus the number that two digits are
_SEPARATOR: Final = "\x1d"


def _codewords(text: str, *, gs1: bool) -> list[int]:
    codewords = [_FNC1] if gs1 else []
    at = 0
    while at < len(text):
        pair = text[at : at + 2]
        if len(pair) == 2 and pair.isascii() and pair.isdigit():
            codewords.append(_PAIRS + int(pair))
            at += 2
            continue
        character = text[at]
        if not character.isascii():
            raise ExportError(
                f"{character!r} has no place in a Data Matrix symbol of ASCII characters",
                hint="device identifications are ASCII; put other text beside the symbol",
            )
        is_separator = gs1 and character == _SEPARATOR
        codewords.append(_FNC1 if is_separator else ord(character) + 1)
        at += 1
    return codewords


def _filled(codewords: list[int], length: int) -> list[int]:
    """Return codewords filled up to a length, after the first by the 253-state algorithm (B.1)."""
    filled = list(codewords)
    if len(filled) < length:
        filled.append(_PAD)
    while len(filled) < length:
        pseudo_random = _PAD + 149 * (len(filled) + 1) % 253 + 1
        filled.append(pseudo_random if pseudo_random <= 254 else pseudo_random - 254)
    return filled


def _powers() -> tuple[list[int], list[int]]:
    """Return powers and logarithms of GF(256) with 301 as modulus (annex E)."""
    powers, logarithms, value = [0] * 510, [0] * 256, 1
    for exponent in range(255):
        powers[exponent] = powers[exponent + 255] = value
        logarithms[value] = exponent
        value = value << 1 ^ (301 if value & 0x80 else 0)
    return powers, logarithms


_POWERS, _LOGARITHMS = _powers()


def _times(one: int, other: int) -> int:
    return _POWERS[_LOGARITHMS[one] + _LOGARITHMS[other]] if one and other else 0


def _corrections(codewords: list[int], symbol: _Symbol) -> list[int]:
    """Return the Reed-Solomon codewords of all blocks, interleaved as the data are (annex E)."""
    count = symbol.correction // symbol.blocks
    # Coefficients of (x + 2)(x + 4)(x + 8)… without the leading 1, highest first.
    generator = [1]
    for exponent in range(1, count + 1):
        shifted = [*generator, 0]
        scaled = [0, *(_times(coefficient, _POWERS[exponent]) for coefficient in generator)]
        generator = [one ^ other for one, other in zip(shifted, scaled, strict=True)]
    corrections = [0] * symbol.correction
    for block in range(symbol.blocks):
        remainder = [0] * count
        for codeword in codewords[block :: symbol.blocks]:
            factor = codeword ^ remainder[0]
            remainder = [
                kept ^ _times(factor, coefficient)
                for kept, coefficient in zip([*remainder[1:], 0], generator[1:], strict=True)
            ]
        corrections[block :: symbol.blocks] = remainder
    return corrections


# Where the eight modules of a codeword lie about its last one, most significant first (annex F).
_SHAPE: Final = ((-2, -2), (-2, -1), (-1, -2), (-1, -1), (-1, 0), (0, -2), (0, -1), (0, 0))


def _placed(codewords: list[int], symbol: _Symbol) -> list[list[bool]]:
    """Return the data modules: codewords along diagonals, bent round corners (annex F)."""
    side = symbol.region * symbol.regions
    modules: list[list[bool | None]] = [[None] * side for _ in range(side)]
    following = iter(codewords)

    def put(cells: tuple[tuple[int, int], ...]) -> None:
        codeword = next(following)
        for bit, (row, column) in enumerate(cells):
            modules[row][column] = bool(codeword >> (7 - bit) & 1)

    def put_shape(row: int, column: int) -> None:
        put(tuple(_wrapped(row + down, column + right, side) for down, right in _SHAPE))

    row, column = 4, 0
    while row < side or column < side:
        if corner := _corner(row, column, side):
            put(corner)
        for direction in (-2, 2):  # up and right, then down and left
            while True:
                if 0 <= row < side and 0 <= column < side and modules[row][column] is None:
                    put_shape(row, column)
                row, column = row + direction, column - direction
                if not (
                    row >= 0 and column < side if direction < 0 else row < side and column >= 0
                ):
                    break
            row, column = (row + 1, column + 3) if direction < 0 else (row + 3, column + 1)
    if modules[side - 1][side - 1] is None:  # a square left over, dark on its diagonal
        modules[side - 1][side - 1] = modules[side - 2][side - 2] = True
    return [[bool(module) for module in line] for line in modules]


def _wrapped(row: int, column: int, side: int) -> tuple[int, int]:
    """Return where a module lies that would lie above or left of the symbol."""
    if row < 0:
        row, column = row + side, column + 4 - (side + 4) % 8
    if column < 0:
        row, column = row + 4 - (side + 4) % 8, column + side
    return row, column


def _corner(row: int, column: int, side: int) -> tuple[tuple[int, int], ...]:
    """Return the cells of the codeword that is bent round the corners when a diagonal begins here.

    Which of the four ways it is bent depends on the side; most diagonals begin at no corner.
    """
    last = side - 1
    left = ((last - 2, 0), (last - 1, 0), (last, 0))
    down = ((0, last - 1), (0, last), (1, last), (2, last), (3, last))
    if (row, column) == (side, 0):
        return ((last, 0), (last, 1), (last, 2), *down)
    if (row, column) == (side - 2, 0) and side % 4:
        return (*left, (0, last - 3), (0, last - 2), (0, last - 1), (0, last), (1, last))
    if (row, column) == (side - 2, 0) and side % 8 == 4:
        return (*left, *down)
    if (row, column) == (side + 4, 2) and side % 8 == 0:
        top = tuple((at, last - 2 + by) for at in (0, 1) for by in (0, 1, 2))
        return ((last, 0), (last, last), *top)
    return ()


def _framed(data: list[list[bool]], symbol: _Symbol) -> Modules:
    """Return the symbol: every data region with its solid and its alternating sides."""
    step = symbol.region + 2

    def module(row: int, column: int) -> bool:
        down, right = row % step, column % step
        if right == 0 or down == step - 1:
            return True
        if down == 0:
            return right % 2 == 0
        if right == step - 1:
            return down % 2 == 1
        return data[row // step * symbol.region + down - 1][
            column // step * symbol.region + right - 1
        ]

    return tuple(
        tuple(module(row, column) for column in range(symbol.size)) for row in range(symbol.size)
    )
