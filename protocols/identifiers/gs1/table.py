"""Application identifiers: format, association rules and place in a Digital Link.

From the GS1 General Specifications (release 25), sections 3 and 4.13, and GS1 Digital Link: URI
Syntax 1.5, section 4. Columns of `_ROWS`, separated by ``|``:

1. AI; ``310-316 n`` stands for 3100 to 3105, 3110 to 3115 and so on, n being decimal places.
2. Title as printed beside the bar code.
3. Components: ``N`` digits, ``X`` characters of set 82, ``Y`` of set 39, ``Z`` of base64url; a
   length, or ``..`` and the greatest; ``:`` and the checks of `rules`; ``[]`` may be missing.
4. Needs one of these AIs with it (``+`` joins two, ``;`` begins a further condition).
5. Must not stand with these; ``n`` is any digit.
6. In a Digital Link: ``a`` attribute in the query, ``k`` key in the path, then its qualifiers in
   their order; ``/`` separates alternative sequences; ``-`` neither.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from protocols.identifiers.errors import Gs1Error

__all__ = ["Component", "Entry", "entry", "identifier_length", "matches"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A part of a value."""

    kind: str  # "N", "X", "Y" or "Z"
    shortest: int  # characters
    longest: int
    optional: bool
    checks: tuple[str, ...]  # names of `rules.CHECKS`


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What the standard says of one application identifier."""

    ai: str
    title: str
    components: tuple[Component, ...]
    needs: tuple[tuple[tuple[str, ...], ...], ...]  # all of: any of: all of these AI patterns
    excludes: tuple[str, ...]  # AI patterns
    attribute: bool  # may stand in the query of a Digital Link
    key: bool  # may be the primary key of a Digital Link
    qualifiers: tuple[tuple[str, ...], ...]  # alternative sequences of what may follow the key

    @property
    def separated(self) -> bool:
        """Whether FNC1 must follow where another element does (figure 7.8.5-2)."""
        return self.ai[:2] not in _PREDEFINED


def entry(ai: str) -> Entry:
    """Return what the standard says of an AI; raises Gs1Error for one that it does not know."""
    try:
        return _ENTRIES[ai]
    except KeyError:
        raise Gs1Error(
            f"({ai}) is not an application identifier",
            hint="see the list of application identifiers in the GS1 General Specifications",
        ) from None


def identifier_length(text: str) -> int:
    """Return how many digits the AI at the start has; raises Gs1Error where there is none."""
    for length in (2, 3, 4):
        if text[:length] in _ENTRIES and len(text) >= length:
            return length
    raise Gs1Error(
        f"no application identifier at {text[:4]!r}",
        hint="an element before it may lack its separator (FNC1), or the string is not GS1",
    )


def matches(ai: str, pattern: str) -> bool:
    """Return whether an AI is one of a pattern's, in which ``n`` is any digit."""
    return len(ai) == len(pattern) and all(p in ("n", a) for a, p in zip(ai, pattern, strict=True))


_PREDEFINED: Final = frozenset(
    ["00", "01", "02", "03", "04", "41", *map(str, range(11, 21)), *map(str, range(31, 37))]
)

_ROWS: Final = """
00 | SSCC | N18:digit,prefix1 | | | ak
01 | GTIN | N14:digit,prefix1 | | 255,37 | ak 22,10,21/235
02 | CONTENT | N14:digit,prefix1 | 37 | 01,03 | a
03 | MTO GTIN | N14:digit,prefix1 | | 01,02,37,235 | -
10 | BATCH/LOT | X..20 | 01,02,03,8006,8026 | | a
11 | PROD DATE | N6:month_or_day | 01,02,03,8006,8026 | | a
12 | DUE DATE | N6:month_or_day | 8020 | | a
13 | PACK DATE | N6:month_or_day | 01,02,03,8006,8026 | | a
15 | BEST BEFORE | N6:month_or_day | 01,02,03,8006,8026 | | a
16 | SELL BY | N6:month_or_day | 01,02,03,8006,8026 | | a
17 | USE BY or EXPIRY | N6:month_or_day | 01,02,03,255,8006,8026 | | a
20 | VARIANT | N2 | 01,02,03,8006,8026 | | a
21 | SERIAL | X..20 | 01,03,8006 | 235 | -
22 | CPV | X..20 | 01 | | -
235 | TPX | X..28 | 01 | | -
240 | ADDITIONAL ID | X..30 | 01,02,03,8006,8026 | | a
241 | CUST. PART No. | X..30 | 01,02,03,8006,8026 | | a
242 | MTO VARIANT | N..6 | 01,02,8006,8026 | | a
243 | PCN | X..20 | 01,03 | | a
250 | SECONDARY SERIAL | X..30 | 01+21,03+21,8006+21 | | a
251 | REF. TO SOURCE | X..30 | 01,03,8006 | | a
253 | GDTI | N13:digit,prefix [X..17] | | | ak
254 | GLN EXTENSION COMPONENT | X..20 | 414 | | -
255 | GCN | N13:digit,prefix [N..12] | | 01,02,415,8006,8020,8026 | ak
30 | VAR. COUNT | N..8 | 01,02 | | a
310-316 n | trade measure, metric | N6 | 01,02 | self | a
320-329 n | trade measure | N6 | 01,02 | self | a
330-336 n | logistic measure, metric | N6 | 00,01 | self | a
337 n | KG PER m² | N6 | 01 | self | a
340-349 n | logistic measure | N6 | 00,01 | self | a
350-352 n | trade area | N6 | 01,02 | self | a
353-355 n | logistic area | N6 | 00,01 | self | a
356-357 n | net weight or volume | N6 | 01,02 | self | a
360-361 n | net volume | N6 | 01,02 | self | a
362-363 n | logistic volume | N6 | 00,01 | self | a
364-366 n | net volume | N6 | 01,02 | self | a
367-369 n | logistic volume | N6 | 00,01 | self | a
37 | COUNT | N..8 | 00+02,00+8026 | | a
390 m | AMOUNT | N..15 | 255,8020 | self,391n,394n,8111 | a
391 m | AMOUNT | N3:currency N..15 | 8020 | self | a
392 m | PRICE | N..15 | 01+30,01+31nn,01+32nn,01+35nn,01+36nn | self,393n | a
393 m | PRICE | N3:currency N..15 | 30,31nn,32nn,35nn,36nn | self | a
394 o | PRCNT OFF | N4 | 255 | self,8111 | a
395 n | PRICE/UoM | N6 | 30,31nn,32nn,35nn,36nn | 392n,393n,self,8005 | a
400 | ORDER NUMBER | X..30 | | | a
401 | GINC | X..30:prefix | | | ak
402 | GSIN | N17:digit,prefix | | | ak
403 | ROUTE | X..30 | 00 | | a
410 | SHIP TO LOC | N13:digit,prefix | | | a
411 | BILL TO | N13:digit,prefix | | | a
412 | PURCHASE FROM | N13:digit,prefix | | | a
413 | SHIP FOR LOC | N13:digit,prefix | | | a
414 | LOC No. | N13:digit,prefix | | | ak 254/7040
415 | PAY TO | N13:digit,prefix | 8020 | | ak 8020
416 | PROD/SERV LOC | N13:digit,prefix | | | a
417 | PARTY | N13:digit,prefix | | | ak 7040
420 | SHIP TO POST | X..20 | | 421 | a
421 | SHIP TO POST | N3:country X..9 | | 4307 | a
422 | ORIGIN | N3:country | 01,02,03,8006,8026 | 426 | a
423 | COUNTRY - INITIAL PROCESS | N3:country 4[N3:country] | 01,02,03 | 426 | a
424 | COUNTRY - PROCESS | N3:country | 01,02,03 | 426 | a
425 | COUNTRY - DISASSEMBLY | N3:country 4[N3:country] | 01,02,03 | 426 | a
426 | COUNTRY - FULL PROCESS | N3:country | 01,02,03 | | a
427 | ORIGIN SUBDIVISION | X..3 | 01+422,02+422,03+422 | | a
4300 | SHIP TO COMP | X..35:percent | 00 | | a
4301 | SHIP TO NAME | X..35:percent | 00 | | a
4302 | SHIP TO ADD1 | X..70:percent | 00 | | a
4303 | SHIP TO ADD2 | X..70:percent | 4302 | | a
4304 | SHIP TO SUB | X..70:percent | 00 | | a
4305 | SHIP TO LOC | X..70:percent | 00 | | a
4306 | SHIP TO REG | X..70:percent | 00 | | a
4307 | SHIP TO COUNTRY | X2:country_letters | 00 | | a
4308 | SHIP TO PHONE | X..30 | 00 | | a
4309 | SHIP TO GEO | N10:latitude N10:longitude | 00 | | a
4310 | RTN TO COMP | X..35:percent | 00 | | a
4311 | RTN TO NAME | X..35:percent | 00 | | a
4312 | RTN TO ADD1 | X..70:percent | 00 | | a
4313 | RTN TO ADD2 | X..70:percent | 4312 | | a
4314 | RTN TO SUB | X..70:percent | 00 | | a
4315 | RTN TO LOC | X..70:percent | 00 | | a
4316 | RTN TO REG | X..70:percent | 00 | | a
4317 | RTN TO COUNTRY | X2:country_letters | 00 | | a
4318 | RTN TO POST | X..20 | 00 | | a
4319 | RTN TO PHONE | X..30 | 00 | | a
4320 | SRV DESCRIPTION | X..35:percent | 00 | | a
4321 | DANGEROUS GOODS | N1:yes_no | 00 | | a
4322 | AUTH TO LEAVE | N1:yes_no | 00 | | a
4323 | SIG REQUIRED | N1:yes_no | 00 | | a
4324 | NOT BEF DEL DT | N6:month_or_day N4:hour_minute | 00 | | a
4325 | NOT AFT DEL DT | N6:month_or_day N4:hour_minute | 00 | | a
4326 | REL DATE | N6:day | 00 | | a
4330 | MAX TEMP F | N6 [X1:minus] | 00 | 4331 | a
4331 | MAX TEMP C | N6 [X1:minus] | 00 | 4330 | a
4332 | MIN TEMP F | N6 [X1:minus] | 00 | 4333 | a
4333 | MIN TEMP C | N6 [X1:minus] | 00 | 4332 | a
7001 | NSN | N13 | 01,02,8006,8026 | | a
7002 | MEAT CUT | X..30 | 01,02 | | a
7003 | EXPIRY TIME | N6:day N4:hour_minute | 01,02,03 | | a
7004 | ACTIVE POTENCY | N..4 | 01+10,03+10 | | a
7005 | CATCH AREA | X..12 | 01,02 | | a
7006 | FIRST FREEZE DATE | N6:day | 01,02 | | a
7007 | HARVEST DATE | N6:day [N6:day] | 01,02 | | a
7008 | AQUATIC SPECIES | X..3 | 01,02 | | a
7009 | FISHING GEAR TYPE | X..10 | 01,02 | | a
7010 | PROD METHOD | X..2 | 01,02,03 | | a
7011 | TEST BY DATE | N6:day [N4:hour_minute] | 01,02,03 | | a
7020 | REFURB LOT | X..20 | 01+416,03+416,8006+416 | | a
7021 | FUNC STAT | X..20 | 01,03,8006 | | a
7022 | REV STAT | X..20 | 01+7021,03+7021,8006+7021 | | a
7023 | GIAI - ASSEMBLY | X..30:prefix | | | a
703 m | PROCESSOR | N3:country_or_999 X..27 | 01,02 | | a
7040 | UIC+EXT | N1 X1 X1 X1:importer | | | -
7041 | UFRGT UNIT TYPE | X..4:capitals | 00 | | -
710-717 | NHRN | X..20 | 01 | | a
723 m | CERT | X2 X..28 | 01,8004 | | a
7240 | PROTOCOL | X..20 | 01,8006 | 03 | a
7241 | AIDC MEDIA TYPE | N2:media | 8017,8018 | | a
7242 | VCN | X..25 | 8017,8018 | | a
7250 | DOB | N8:long_day | 8018 | 7251 | a
7251 | DOB TIME | N8:long_day N4:hour_minute | 8018 | 7250 | a
7252 | BIO SEX | N1:sex | 8018 | | a
7253 | FAMILY NAME | X..40:percent | 8017,8018 | 7256,7259 | a
7254 | GIVEN NAME | X..40:percent | 8017,8018 | 7256,7259 | a
7255 | SUFFIX | X..10 | 8017,8018 | 7256,7259 | a
7256 | FULL NAME | X..90:percent | 8017,8018 | | a
7257 | PERSON ADDR | X..70:percent | 8018 | | a
7258 | BIRTH SEQUENCE | X3:sequence | 8018+7259 | | a
7259 | BABY | X..40:percent | 8018 | 7256 | a
8001 | DIMENSIONS | N4:nonzero N5:nonzero N3:nonzero N1:winding N1 | 01 | | a
8002 | CMT No. | X..20 | | | a
8003 | GRAI | N1:zero N13:digit,prefix [X..16] | | | ak
8004 | GIAI | X..30:prefix | | | ak 7040
8005 | PRICE PER UNIT | N6 | 01,02 | | a
8006 | ITIP | N14:digit,prefix1 N4:piece | | 01,03,37 | ak 22,10,21
8007 | IBAN | X..34:iban | 415 | | a
8008 | PROD TIME | N6:day N2:hour [N2:minute] [N2:minute] | 01,02,03 | | a
8009 | OPTSEN | X..50 | 00,01,03 | | a
8010 | CPID | Y..30:prefix | | | ak 8011
8011 | CPID SERIAL | N..12:no_leading_zero | 8010 | | -
8012 | VERSION | X..20 | 01,03,8006 | | a
8013 | GMN | X..25:pair,prefix | | | ak
8014 | MUDI | X..25:pair,prefix,letter | 01 | | -
8017 | GSRN - PROVIDER | N18:digit,prefix | | 8018 | ak 8019
8018 | GSRN - RECIPIENT | N18:digit,prefix | | 8017 | ak 8019
8019 | SRIN | N..10 | 8017,8018 | | -
8020 | REF No. | X..25 | 415 | | -
8026 | ITIP CONTENT | N14:digit,prefix1 N4:piece | 37 | 02,03,8006 | a
8030 | DIGSIG | Z..90 | 00,01+21,03+21,253,255,8003,8004,8006+21,8010+8011,8017,8018 | | a
8040 | IMEI | N15 | 01+21 | | -
8041 | IMEI2 | N15 | 01+21+8040 | | -
8042 | ESIM | N32 | 01+21+8040 | | -
8043 | PSIM | N18 [N..2] | 01+21+8040 | | -
8110 | coupon, North America | X..70:digits | | | a
8111 | POINTS | N4 | 255 | | a
8112 | positive offer file coupon | X..70:digits | | | a
8200 | PRODUCT URL | X..70 | 01 | | -
90 | INTERNAL | X..30 | | | a
91-99 | INTERNAL | X..90 | | | a
"""


def _entries() -> Mapping[str, Entry]:
    entries: dict[str, Entry] = {}
    for row in _ROWS.strip().splitlines():
        ais, title, form, needs, excludes, link = (cell.strip() for cell in row.split("|"))
        flags, _, qualifiers = link.partition(" ")
        for ai in _spread(ais):
            entries[ai] = Entry(
                ai=ai,
                title=title,
                components=tuple(_components(form)),
                needs=tuple(_needs(needs)),
                excludes=tuple(
                    f"{ai[:3]}n" if pattern == "self" else pattern
                    for pattern in excludes.split(",")
                    if pattern
                ),
                attribute="a" in flags,
                key="k" in flags,
                qualifiers=tuple(
                    tuple(sequence.split(",")) for sequence in qualifiers.split("/") if sequence
                ),
            )
    return entries


# The decimal places, or the running number, that the last digit of an AI counts.
_LAST_DIGITS: Final = {
    "": ("",),
    "n": tuple("012345"),
    "m": tuple("0123456789"),
    "o": tuple("0123"),
}


def _spread(ais: str) -> Iterator[str]:
    stems, _, last = ais.partition(" ")
    first, _, final = stems.partition("-")
    for number in range(int(first), int(final or first) + 1):
        for digit in _LAST_DIGITS[last]:
            yield f"{number:0{len(first)}d}{digit}"


def _components(form: str) -> Iterator[Component]:
    for times, opened, kind, length, names in _COMPONENT.findall(form):
        component = Component(
            kind=kind,
            shortest=1 if length.startswith("..") else int(length),
            longest=int(length.removeprefix("..")),
            optional=bool(opened),
            checks=tuple(names.split(",")) if names else (),
        )
        for _ in range(int(times or 1)):
            yield component


_COMPONENT: Final = re.compile(r"(\d?)(\[?)([NXYZ])((?:\.\.)?\d+)(?::([a-z_0-9,]+))?")


def _needs(cell: str) -> Iterator[tuple[tuple[str, ...], ...]]:
    for condition in cell.split(";"):
        if condition:
            yield tuple(tuple(group.split("+")) for group in condition.split(","))


_ENTRIES: Final = _entries()
