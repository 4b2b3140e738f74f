"""Units in UCUM notation: whether two measure the same, and how a value of one becomes the other.

What is here of the Unified Code for Units of Measure (version 2.2, case-sensitive) is its grammar
and the units that equipment for medical devices shows. A unit that the table lacks is known by its
own text alone: it is commensurable with itself and with nothing else, and nothing is guessed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Final, NamedTuple


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """``value * factor + offset``, exactly."""

    factor: Fraction = Fraction(1)
    offset: Fraction = Fraction(0)

    def __call__(self, value: float) -> float:
        """Return the value in the other unit: that of the decimal as written, rounded once."""
        return float(Fraction(repr(value)) * self.factor + self.offset)


@lru_cache(maxsize=1024)
def conversion(source: str, target: str) -> Conversion | None:
    """Return how a value in ``source`` becomes one in ``target``; None where it cannot."""
    if source == target:
        return Conversion()
    one, other = _parse(source), _parse(target)
    if one is None or other is None or one.dimension != other.dimension:
        return None
    return Conversion(
        factor=one.factor / other.factor, offset=(one.offset - other.offset) / other.factor
    )


def is_known(unit: str) -> bool:
    """Return whether a unit is well formed and in the table."""
    return _parse(unit) is not None


class _Measure(NamedTuple):
    """A unit in base units: ``value * factor + offset``, and the powers of the bases."""

    factor: Fraction
    dimension: frozenset[tuple[str, int]]
    offset: Fraction = Fraction(0)


_Powers = Counter[str]


def _parse(text: str) -> _Measure | None:
    """Return what a unit measures; None for one that is malformed or not in the table."""
    bare = re.sub(r"\{[^{}]*\}", "", text)
    if bare in _SPECIAL:
        factor, offset = _SPECIAL[bare]
        return _Measure(factor, frozenset({("K", 1)}), offset)
    pieces = _PIECE.findall(bare)
    if "".join(pieces) != bare:
        return None
    waiting = list(reversed(pieces))
    try:
        factor, powers = _term(waiting)
    except (KeyError, IndexError):
        return None
    if waiting:
        return None
    return _Measure(factor, frozenset((base, power) for base, power in powers.items() if power))


def _term(waiting: list[str]) -> tuple[Fraction, _Powers]:
    """Read a term up to its end or its closing bracket; ``waiting`` holds the next piece last."""
    factor, powers = Fraction(1), Counter[str]()
    sign = 1
    while waiting and waiting[-1] != ")":
        piece = waiting.pop()
        if piece in "./":
            sign = -1 if piece == "/" else 1
            if not waiting or waiting[-1] == ")":
                raise IndexError("nothing follows the operator")
            continue
        part, inner = _within(waiting) if piece == "(" else _component(piece)
        factor *= part**sign
        for base, power in inner.items():
            powers[base] += sign * power
        sign = 1
    return factor, powers


def _within(waiting: list[str]) -> tuple[Fraction, _Powers]:
    inner = _term(waiting)
    waiting.pop()  # the closing bracket; IndexError where there is none
    return inner


def _component(piece: str) -> tuple[Fraction, _Powers]:
    """Return what one unit with its prefix and exponent is; KeyError where the table lacks it."""
    if piece.isdecimal():
        return Fraction(piece), Counter()
    found = _COMPONENT.fullmatch(piece)
    if found is None:
        raise KeyError(piece)
    name, power = found["unit"], int(found["power"] or 1)
    factor, bases = _unit(name)
    return factor**power, Counter({base: each * power for base, each in bases.items()})


def _unit(name: str) -> tuple[Fraction, Mapping[str, int]]:
    if name in _UNITS:
        return _UNITS[name]
    for prefix, scale in _PREFIXES.items():
        rest = name.removeprefix(prefix)
        if rest != name and rest in _METRIC:
            factor, bases = _UNITS[rest]
            return factor * scale, bases
    raise KeyError(name)


_PIECE: Final = re.compile(r"[./()]|(?:10[*^]|\[[^\]]*\]|[^./()\[\d])+[+-]?\d*|\d+")
_COMPONENT: Final = re.compile(r"(?P<unit>.*?[^\d+-])(?P<power>[+-]?\d+)?")


def _table(rows: Iterable[tuple[str, str, str]]) -> dict[str, tuple[Fraction, dict[str, int]]]:
    """Return units by name from rows of name, factor and bases (``m2 s-1``)."""
    found = {}
    for name, factor, bases in rows:
        powers = {}
        for base in bases.split():
            split = re.fullmatch(r"(.*?)(-?\d+)?", base)
            if split is not None:
                powers[split[1]] = int(split[2] or 1)
        found[name] = (Fraction(factor), powers)
    return found


_METRIC_UNITS: Final = _table(
    (
        ("m", "1", "m"),
        ("g", "1", "g"),
        ("s", "1", "s"),
        ("K", "1", "K"),
        ("Cel", "1", "K"),  # within a product: a difference of temperatures
        ("A", "1", "A"),
        ("mol", "1", "mol"),
        ("cd", "1", "cd"),
        ("lm", "1", "cd"),
        ("lx", "1", "cd m-2"),
        ("Hz", "1", "s-1"),
        ("N", "1000", "g m s-2"),
        ("Pa", "1000", "g m-1 s-2"),
        ("bar", "100000000", "g m-1 s-2"),
        ("J", "1000", "g m2 s-2"),
        ("W", "1000", "g m2 s-3"),
        ("V", "1000", "g m2 s-3 A-1"),
        ("Ohm", "1000", "g m2 s-3 A-2"),
        ("S", "1/1000", "g-1 m-2 s3 A2"),
        ("C", "1", "A s"),
        ("F", "1/1000", "g-1 m-2 s4 A2"),
        ("L", "1/1000", "m3"),
        ("l", "1/1000", "m3"),
        ("t", "1000000", "g"),
        ("gf", "9.80665", "g m s-2"),
        ("m[H2O]", "9806650", "g m-1 s-2"),
        ("m[Hg]", "133322000", "g m-1 s-2"),
        ("Gy", "1", "m2 s-2"),
        ("Bq", "1", "s-1"),
        ("[iU]", "1", "[iU]"),
    )
)
_METRIC: Final = frozenset(_METRIC_UNITS)
_UNITS: Final[Mapping[str, tuple[Fraction, Mapping[str, int]]]] = _METRIC_UNITS | _table(
    (
        ("10*", "10", ""),
        ("10^", "10", ""),
        ("%", "1/100", ""),
        ("[ppth]", "1/1000", ""),
        ("[ppm]", "1/1000000", ""),
        ("[ppb]", "1/1000000000", ""),
        ("rad", "1", ""),
        ("deg", "0.017453292519943295", ""),
        ("min", "60", "s"),
        ("h", "3600", "s"),
        ("d", "86400", "s"),
        ("wk", "604800", "s"),
        ("atm", "101325000", "g m-1 s-2"),
        ("[psi]", "6894757.293168361", "g m-1 s-2"),
        ("[in_i]", "0.0254", "m"),
        ("[ft_i]", "0.3048", "m"),
        ("[lb_av]", "453.59237", "g"),
        ("[oz_av]", "28.349523125", "g"),
        ("[lbf_av]", "4448.2216152605", "g m s-2"),
        ("[gal_us]", "0.003785411784", "m3"),
        ("[pH]", "1", "[pH]"),
        ("[CFU]", "1", "[CFU]"),
    )
)
_SPECIAL: Final[Mapping[str, tuple[Fraction, Fraction]]] = {
    "Cel": (Fraction(1), Fraction("273.15")),
    "[degF]": (Fraction(5, 9), Fraction("459.67") * Fraction(5, 9)),
}
_PREFIXES: Final[Mapping[str, Fraction]] = {
    name: Fraction(10) ** power
    for name, power in (
        *(("da", 1), ("G", 9), ("M", 6), ("k", 3), ("h", 2), ("d", -1), ("c", -2), ("m", -3)),
        *(("u", -6), ("n", -9), ("p", -12)),
    )
}
