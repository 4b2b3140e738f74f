"""Device identification of any value: both ways, and against arbitrary strings."""

from __future__ import annotations

import random
import string
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.identifiers import hibcc, iccbba, ma
from protocols.identifiers.check_characters import CSET_82, gs1_digit, ma_digit, mod43
from protocols.identifiers.errors import IdentifierError
from protocols.identifiers.gs1 import ElementString, element_string, parse, to_digital_link
from protocols.identifiers.label_date import LabelDate
from protocols.identifiers.udi import parse as parse_udi

DAYS = st.dates(date(1977, 1, 1), date(2076, 12, 31)).map(
    lambda day: LabelDate(day.year, day.month, day.day)
)
CAPITALS = string.digits + string.ascii_uppercase
DIGITS_13 = st.text(string.digits, min_size=13, max_size=13)


def maybe(strategy: st.SearchStrategy[str]) -> st.SearchStrategy[str | None]:
    return st.none() | strategy


@st.composite
def elements(draw: st.DrawFn) -> ElementString:
    """Draw what a device's label carries."""
    gtin = draw(DIGITS_13)
    text = maybe(st.text(CSET_82, min_size=1, max_size=20))
    day = maybe(DAYS.map(lambda day: str(day).replace("-", "")[2:]))
    values = {
        "01": gtin + gs1_digit(gtin),
        "10": draw(text),
        "11": draw(day),
        "17": draw(day),
        "21": draw(text),
        "240": draw(text),
    }
    pairs = [(ai, value) for ai, value in values.items() if value is not None]
    return element_string(draw(st.permutations(pairs)))


@settings(max_examples=150)
@given(elements())
def test_every_form_of_gs1_goes_both_ways(drawn: ElementString) -> None:
    assert parse(drawn.bracketed()) == drawn
    assert parse(drawn.scanned()) == drawn
    assert parse("]d2" + drawn.scanned()) == drawn
    assert parse(to_digital_link(drawn)) == drawn
    assert parse(to_digital_link(drawn, stem="https://example.com/a/b")) == drawn
    udi = parse_udi(drawn.bracketed(), this_year=2026)
    assert parse_udi(udi.text, this_year=2026) == udi


@settings(max_examples=150)
@given(
    st.builds(
        hibcc.Hibc,
        labeler=st.from_regex("[A-Z][0-9A-Z]{3}", fullmatch=True),
        product=st.text(CAPITALS, min_size=1, max_size=18),
        unit=st.integers(0, 9),
        lot=maybe(st.text(CAPITALS + "-.", min_size=1, max_size=18)),
        serial=maybe(st.text(CAPITALS + "-.", min_size=1, max_size=18)),
        quantity=st.none() | st.integers(0, 99_999),
        expiry=st.none() | DAYS | DAYS.map(lambda day: LabelDate(day.year, day.month)),
        manufactured=st.none() | DAYS,
    )
)
def test_hibcc_goes_both_ways(drawn: hibcc.Hibc) -> None:
    assert hibcc.parse(drawn.written(), this_year=2026) == drawn


@given(
    st.builds(
        iccbba.Isbt128,
        device=st.text(CAPITALS, min_size=16, max_size=16),
        serial=maybe(st.text(CAPITALS, min_size=6, max_size=6)),
        donation=maybe(st.from_regex("[A-NP-Z1-9][A-Z0-9]{4}[0-9]{8}[A-Z0-9]{2}", fullmatch=True)),
        expiry=st.none() | DAYS,
        manufactured=st.none() | DAYS,
        lot=maybe(st.text(CAPITALS, min_size=18, max_size=18)),
    )
)
def test_iccbba_goes_both_ways(drawn: iccbba.Isbt128) -> None:
    assert iccbba.parse(drawn.written()) == drawn


@given(
    item=st.text(CAPITALS + string.ascii_lowercase, min_size=1, max_size=20),
    lot=maybe(st.text(CAPITALS + "-#", min_size=1, max_size=40)),
    serial=maybe(st.text(CAPITALS, min_size=1, max_size=40)),
    expiry=st.none() | DAYS,
)
def test_ma_goes_both_ways(
    item: str, lot: str | None, serial: str | None, expiry: LabelDate | None
) -> None:
    device = f"MA.156.M0.100350.1{item}"
    drawn = ma.MaCode(device=device + ma_digit(device), lot=lot, serial=serial, expiry=expiry)
    assert ma.parse(drawn.written(), this_year=2026) == drawn


@given(elements(), st.data())
def test_a_wrong_digit_of_a_gtin_is_noticed(drawn: ElementString, data: st.DataObject) -> None:
    gtin = drawn.get("01")
    assert gtin is not None
    at = data.draw(st.integers(0, 13))
    wrong = data.draw(st.sampled_from([d for d in string.digits if d != gtin[at]]))
    with pytest.raises(IdentifierError):
        parse(f"(01){gtin[:at]}{wrong}{gtin[at + 1 :]}")


@given(st.text(CAPITALS + "-. $/+%", min_size=5, max_size=40), st.data())
def test_a_wrong_character_changes_the_check_of_hibcc(text: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text) - 1))
    wrong = data.draw(st.sampled_from([c for c in CAPITALS if c != text[at]]))
    assert mod43(text) != mod43(text[:at] + wrong + text[at + 1 :])


def test_ten_thousand_hostile_strings_raise_nothing_but_our_error() -> None:
    chance = random.Random(20261122)
    good = [
        "(01)51022222233336(11)141231(17)150707(10)A213B1(21)1234",
        "]d20151022222233336111412311715070710A213B1\x1d211234",
        "https://id.gs1.org/01/51022222233336/10/A213B1/21/1234?11=141231",
        "+A99912345/$$52001510X3/16D20111212/S77DEFG457",
        "+$$52001510X3GD",
        "=+06000=/A9999XYZ100T0944=,000025=A99971312345600=>014032=}013032&,1000000000000XYZ123",
        "MA.156.M0.100350.01004YA10017.SLMSAGAAAC.M210628.LAY21062803.E220628.V220627.C3",
    ]
    strange = string.printable + "\0\x1d\u0661\u00b2\uff11é中\U0001f4a9\udc80%()[]+=&./?"
    read = 0
    for _ in range(10_000):
        text = list(chance.choice(good))
        for _ in range(chance.randrange(4)):
            at = chance.randrange(len(text) + 1)
            match chance.randrange(3):
                case 0:
                    text.insert(at, chance.choice(strange))
                case 1:
                    del text[at : at + chance.randrange(1, 12)]
                case _:
                    text[at : at + 1] = chance.choices(strange, k=chance.randrange(1, 9))
            text = text or ["("]
        try:
            found = parse_udi("".join(text), this_year=2026)
        except IdentifierError as error:
            if not error.hint:
                raise
            continue
        read += 1
        assert parse_udi(found.text, this_year=2026) == found
    assert 500 < read < 9_500  # both ends were tried


@settings(max_examples=500)
@given(st.text(max_size=120))
def test_any_text_is_read_or_refused(text: str) -> None:
    for beginning in ("", "(", "01", "+", "=", "MA.156.M0.", "https://a/01/"):
        try:
            parse_udi(beginning + text, this_year=2026)
        except IdentifierError:
            continue
