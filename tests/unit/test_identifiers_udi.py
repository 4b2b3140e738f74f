"""Device identification of every agency: published strings, each rule broken once."""

from __future__ import annotations

from datetime import date

import pytest

from protocols.identifiers import hibcc, iccbba, ma
from protocols.identifiers.check_characters import isbt128, ma_digit, mod43
from protocols.identifiers.errors import (
    HibcError,
    IdentifierError,
    Isbt128Error,
    MaError,
    UdiError,
)
from protocols.identifiers.label_date import LabelDate, full_year
from protocols.identifiers.udi import Agency, Udi, detect, parse

# FDA, "UDI formats by FDA-accredited issuing agency"
ICCBBA = "=/A9999XYZ100T0944=,000025=A99971312345600=>014032=}013032&,1000000000000XYZ123"
MA = "MA.156.M0.100350.01004YA10017.SLMSAGAAAC.M210628.LAY21062803.E220628.V220627.C3"


def hibc(data: str) -> str:
    """Return HIBC data with its check character."""
    return data + mod43(data)


def test_gs1() -> None:
    text = "(01)51022222233336(11)141231(17)150707(10)A213B1(21)1234"
    assert parse(text, this_year=2026) == Udi(
        agency=Agency.GS1,
        device="51022222233336",
        lot="A213B1",
        serial="1234",
        expiry=LabelDate(2015, 7, 7),
        manufactured=LabelDate(2014, 12, 31),
        text=text,
    )


@pytest.mark.parametrize(
    "text",
    [
        "(17)150700(01)51022222233336(10)A213B1",
        "]d201510222222333361715070010A213B1",
        "\x1d01510222222333361715070010A213B1",
        "https://example.com/01/51022222233336/10/A213B1?17=150700",
    ],
)
def test_every_form_of_gs1_is_one_identification(text: str) -> None:
    found = parse(text, this_year=2026)
    assert (found.device, found.lot, str(found.expiry)) == ("51022222233336", "A213B1", "2015-07")
    assert found.expiry is not None
    assert found.expiry.last_day == date(2015, 7, 31)
    assert found.text == "(01)51022222233336(17)150700(10)A213B1"
    assert found.has_production
    assert not parse("(01)51022222233336", this_year=2026).has_production


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # ANSI/HIBC 2.6, sections 2.2 and 2.3
        ("+A123BJC5D6E71G", {"device": "A123BJC5D6E71"}),
        ("+A99912345/$$52001510X33", {"lot": "10X3", "expiry": LabelDate(2020, 1, 15)}),
        (
            "*+A99912345/$$52001510X3/16D20111212/S77DEFG457*",
            {"lot": "10X3", "serial": "77DEFG45", "manufactured": LabelDate(2011, 12, 12)},
        ),
        (
            "+A99912345/$10X3/16D20111231/14D202001313",
            {"lot": "10X3", "expiry": LabelDate(2020, 1, 31)},
        ),
        ("+A99912349/$10X3/16D20111231/14D20200131/Q500Z", {"lot": "10X3"}),
        # Labels of suppliers
        ("+J123AQ3451/$$3231231BC34567/S4012R", {"lot": "BC34567", "serial": "4012"}),
        (
            "+EDMG2203430/$$0723244375H",
            {"device": "EDMG2203430", "lot": "244375", "expiry": LabelDate(2023, 7)},
        ),
        ("+D002624225011/$$705224372/16D202201195", {"lot": "05224372", "expiry": None}),
        ("+E490HE21KL1/$+HEK13044/16D20220531/Q1$", {"lot": None, "serial": "HEK13044"}),
        ("+EOROCDF366A01501/$$900001122321007217", {"lot": "2100721"}),
        ("+E235817C19/$$9000067101822%", {"lot": "101822", "expiry": None}),
        (
            "+E2513079NL1/$$90001020331222021050425-1P",
            {"lot": "2021050425-1", "expiry": LabelDate(2022, 3, 31)},
        ),
        ("+E25131041/$$9000012103124181561K", {"expiry": LabelDate(2024, 10, 31)}),
    ],
)
def test_hibcc(text: str, expected: dict[str, object]) -> None:
    found = parse(text, this_year=2026)
    assert found.agency is Agency.HIBCC
    for name, value in expected.items():
        assert getattr(found, name) == value
    assert parse(found.text, this_year=2026) == found


@pytest.mark.parametrize(
    ("dated", "expiry"),
    [
        ("0201", LabelDate(2001, 2)),
        ("2020301", LabelDate(2001, 2, 3)),
        ("3010203", LabelDate(2001, 2, 3)),
        ("401020304", LabelDate(2001, 2, 3, 4)),
        ("520032", LabelDate(2020, 2, 1)),
        ("62003212", LabelDate(2020, 2, 1, 12)),
        ("7", None),
        ("8050503", LabelDate(2003, 5)),
        ("9000050503", LabelDate(2003, 5)),
    ],
)
def test_every_flag_of_a_date(dated: str, expiry: LabelDate | None) -> None:
    found = hibcc.parse(hibc(f"+A99912345/$${dated}L-1"), this_year=2026)
    assert (found.expiry, found.lot) == (expiry, "L-1")
    assert hibcc.parse(found.written(), this_year=2026) == found
    serial = hibcc.parse(hibc(f"+A99912345/$$+{dated}L-1"), this_year=2026)
    assert (serial.expiry, serial.serial) == (expiry, "L-1")
    assert hibcc.parse(serial.written(), this_year=2026) == serial


def test_the_longest_example_of_hibcc() -> None:
    # FDA, "UDI formats by FDA-accredited issuing agency"; its C stands for the check character
    text = "+H123PARTNO1234567890120/$$420020216LOT123456789012345/SXYZ456789012345678/16D20130202"
    found = hibcc.parse(hibc(text), this_year=2026)
    assert (found.expiry, found.lot) == (LabelDate(2020, 2, 2, 16), "LOT123456789012345")
    assert str(found.expiry) == "2020-02-02T16"
    day_first = found.written()
    assert hibcc.parse(day_first, this_year=2026) == found
    without_flag = hibcc.parse(hibc("+A99912345/20032LOT"), this_year=2026)
    assert (without_flag.expiry, without_flag.lot) == (LabelDate(2020, 2, 1), "LOT")
    quantity = hibcc.parse(hibc("+A99912345/$$805"), this_year=2026)
    assert (quantity.quantity, quantity.lot) == (5, None)


def test_a_secondary_symbol_is_linked_to_its_primary() -> None:
    primary = hibcc.parse("+A123BJC5D6E71G", this_year=2026)
    secondary = hibcc.parse("+$$52001510X3GD", this_year=2026)
    assert (secondary.lot, secondary.link) == ("10X3", "G")
    assert hibcc.matches_primary(secondary, primary)
    other = hibcc.parse("+A999123457", this_year=2026)
    assert not hibcc.matches_primary(secondary, other)
    assert not hibcc.matches_primary(primary, primary)
    # Links that are no letters, from labels of suppliers
    assert hibcc.parse("+$$0624J139276%5", this_year=2026).link == "%"
    assert hibcc.parse("+$$02231162074ZA", this_year=2026).lot == "1162074"
    with pytest.raises(UdiError, match="secondary data alone"):
        parse("+$$52001510X3GD", this_year=2026)
    with pytest.raises(HibcError, match="not written"):
        secondary.written()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("+A123BJC5D6E71H", "check character is 'G'"),
        ("+a123BJC5D6E71G", "is not HIBC"),
        ("+A1", "is not HIBC"),
        (hibc("+1123BJC5D6E7X"), "no secondary|no lot|is no"),
        (hibc("+A12-BJC5D6E71"), "no primary"),
        (hibc("+A123BJC5D6E7X"), "no primary"),
        (hibc("+A123" + "B" * 19 + "1"), "no primary"),
        (hibc("+A99912345/10X3"), "no secondary data"),
        (hibc("+A99912345/$10X3/ABC"), "no supplement"),
        (hibc("+A99912345/$10X3/S1/S2"), "two values of serial"),
        (hibc("+A99912345/$10X3/16D20111331"), "no date"),
        (hibc("+A99912345/$$21332001"), "no date"),
        (hibc("+A99912345/$$1320LOT"), "no date"),
        (hibc("+A99912345/$$520367LOT"), "no day of a year"),
        (hibc("+A99912345/$$42002022510X3"), "no date"),
        (hibc("+A99912345/$" + "L" * 19), "no lot or serial"),
        (hibc("+A99912345/+$LOT"), "no secondary data"),
    ],
)
def test_what_hibcc_forbids(text: str, why: str) -> None:
    with pytest.raises(HibcError, match=why) as caught:
        hibcc.parse(text, this_year=2026)
    assert caught.value.hint


def test_a_month_of_manufacture_has_no_place_in_hibcc() -> None:
    found = hibcc.Hibc(labeler="A999", product="1", unit=0, manufactured=LabelDate(2020, 1))
    with pytest.raises(HibcError, match="no day"):
        found.written()


@pytest.mark.parametrize("header", ["", "=+06000"])
def test_iccbba(header: str) -> None:
    assert parse(header + ICCBBA, this_year=2026) == Udi(
        agency=Agency.ICCBBA,
        device="A9999XYZ100T0944",
        lot="000000000000XYZ123",
        serial="000025",
        expiry=LabelDate(2014, 2, 1),
        manufactured=LabelDate(2013, 2, 1),
        donation="A99971312345600",
        text=ICCBBA,
    )


def test_a_blood_container_has_a_device_and_a_lot_of_its_own() -> None:
    found = parse("=)1234567890&)ABCDEFGHIJ", this_year=2026)
    assert (found.device, found.lot) == ("1234567890", "ABCDEFGHIJ")
    assert iccbba.parse("=}996366").manufactured == LabelDate(1996, 12, 31)


@pytest.mark.parametrize(
    ("text", "check"),
    [
        ("G123498654321", "H"),  # UK Blood Services, Red Book, annex 2
        ("A999914123456", "N"),  # ISBT 128 Standard Technical Specification
        ("A999922654321", "S"),
        ("A999922012346", "*"),
    ],
)
def test_the_keyboard_check_of_isbt128(text: str, check: str) -> None:
    assert isbt128(text) == check


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("=+05000" + ICCBBA, "announces 5"),
        ("=+0600" + ICCBBA, "no compound"),
        ("=+00000", "no data structure"),
        ("", "no data structure"),
        ("=/A9999XYZ100T094", "no data structure"),
        ("=/a9999XYZ100T0944", "no data structure"),
        ("=>014367", "no day"),
        ("=>014000", "no day"),
        ("=>014001=>014001", "expiry twice"),
        ("=,00002ü", "is not ISBT 128"),
        ("=A9997131234560" * 20, "is not ISBT 128"),
        ("=O99971312345600", "no data structure"),
    ],
)
def test_what_iccbba_forbids(text: str, why: str) -> None:
    with pytest.raises(Isbt128Error, match=why) as caught:
        iccbba.parse(text)
    assert caught.value.hint


def test_what_isbt128_cannot_write() -> None:
    with pytest.raises(Isbt128Error, match="no data structure"):
        iccbba.Isbt128().written()
    with pytest.raises(Isbt128Error, match="no day"):
        iccbba.Isbt128(expiry=LabelDate(2020, 1)).written()
    with pytest.raises(UdiError, match="no device"):
        parse("=,000025", this_year=2026)


def test_ma() -> None:
    found = parse(MA, this_year=2026)
    assert found == Udi(
        agency=Agency.ZIIOT,
        device="MA.156.M0.100350.01004YA10017",
        lot="AY21062803",
        serial="LMSAGAAAC",
        expiry=LabelDate(2022, 6, 27),
        manufactured=LabelDate(2021, 6, 28),
        text=MA,
    )
    assert ma.parse(MA, this_year=2026).expiry == LabelDate(2022, 6, 28)
    assert ma.parse("MA.156.M0.100204.13351764", this_year=2026).written() == (
        "MA.156.M0.100204.13351764"
    )


def test_ma_dates_of_eight_digits_and_units_without_a_check() -> None:
    found = ma.parse("MA.156.M0.100204.13351764.E20280101.DS-1", this_year=2026)
    assert (found.expiry, found.sterilisation_lot) == (LabelDate(2028, 1, 1), "S-1")
    assert found.written().endswith(f".DS-1.E280101.C{ma_digit('.DS-1.E280101')}")
    assert ma.parse(found.written(), this_year=2026) == found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (MA[:-1] + "4", "is 3, not 4"),
        ("MA.156.M0.100204.13351765", "is 4, not 5"),
        ("MA.156.M0.1002.13351764", "no DI"),
        ("MA.156.M0.100204.1-351764", "no DI"),
        ("MA.156.M0.100204", "no DI"),
        ("MA.156.M0.100204.13351764.", "no unit"),
        ("MA.156.M0.100204.13351764.P190101", "no unit"),
        ("MA.156.M0.100204.13351764.L", "no unit"),
        ("MA.156.M0.100204.13351764.L批", "no unit"),
        ("MA.156.M0.100204.13351764.L1.L2", "lot twice"),
        ("MA.156.M0.100204.13351764.E281301", "no date"),
        ("MA.156.M0.100204.13351764.E2801", "no date"),
        ("MA.156.M0.100204.13351764.C1", "not a check digit"),
        ("MA.156.M0.100204.13351764.L1.C12", "not a check digit"),
        ("MA.156.M0.100204.13351764.L" + "1" * 300, "no DI"),
    ],
)
def test_what_ma_forbids(text: str, why: str) -> None:
    with pytest.raises(MaError, match=why) as caught:
        ma.parse(text, this_year=2026)
    assert caught.value.hint


def test_a_month_has_no_place_in_an_ma_code() -> None:
    with pytest.raises(MaError, match="no day"):
        ma.MaCode(device="MA.156.M0.100204.13351764", expiry=LabelDate(2028, 1)).written()


@pytest.mark.parametrize("text", ["", "x", "MF1234BA1*SN2", "Ｍ", "$$", "UDI"])
def test_a_string_of_no_agency_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(UdiError) as caught:
        detect(text)
    assert caught.value.hint


@pytest.mark.parametrize(
    "text", ["(00)376104250021234569", "(01)51022222233336(17)000229(10)A(21)"]
)
def test_gs1_without_a_device_is_no_udi(text: str) -> None:
    with pytest.raises(IdentifierError) as caught:
        parse(text, this_year=2026)
    assert caught.value.hint


def test_29_february_needs_a_leap_year_in_its_century() -> None:
    text = "(01)51022222233336(17)000229"
    assert parse(text, this_year=2026).expiry == LabelDate(2000, 2, 29)
    with pytest.raises(UdiError, match="no day of 2100"):
        parse(text, this_year=2099)


@pytest.mark.parametrize(
    ("two", "this", "year"),
    [(26, 2026, 2026), (76, 2026, 2076), (77, 2026, 1977), (0, 2026, 2000), (10, 2061, 2110)],
)
def test_the_window_of_two_digit_years(two: int, this: int, year: int) -> None:
    assert full_year(two, this) == year


@pytest.mark.parametrize(
    ("year", "month", "day", "hour"),
    [
        (2027, 13, None, None),
        (2027, 2, 29, None),
        (2027, 1, 0, None),
        (2027, 1, None, 1),
        (2027, 1, 1, 24),
    ],
)
def test_a_label_date_is_a_date(year: int, month: int, day: int | None, hour: int | None) -> None:
    with pytest.raises(ValueError, match=r".+"):
        LabelDate(year, month, day, hour)
