"""GS1 elements: the standard's examples, each rule with a case that breaks it, and each form."""

from __future__ import annotations

import pytest

from protocols.identifiers.check_characters import gs1_digit, gs1_pair
from protocols.identifiers.errors import Gs1Error
from protocols.identifiers.gs1 import GS, Carrier, check_value, parse, to_digital_link

GTIN = "09506000134352"  # GS1 Digital Link: URI Syntax, its running example

# FDA, "UDI formats by FDA-accredited issuing agency": the example of GS1
FDA = "(01)51022222233336(11)141231(17)150707(10)A213B1(21)1234"


@pytest.mark.parametrize(
    ("key", "check"),
    [
        ("629104150021", "3"),  # General Specifications 7.9.1, GTIN-13
        ("37610425002123456", "9"),  # the same, SSCC
        ("0950600013435", "2"),
    ],
)
def test_check_digits_of_the_standard(key: str, check: str) -> None:
    assert gs1_digit(key) == check


def test_check_character_pair_of_the_standard() -> None:
    # General Specifications 7.9.5: GMN 1987654Ad4X4bL5ttr2310c2K
    assert gs1_pair("1987654Ad4X4bL5ttr2310c") == "2K"


def test_the_forms_of_one_string_are_equal() -> None:
    elements = parse(FDA)
    # Predefined lengths first, so that only the lot needs a separator.
    assert elements.scanned() == f"0151022222233336111412311715070710A213B1{GS}211234"
    assert parse("]d2" + elements.scanned()) == elements
    assert parse(GS + elements.scanned()) == elements
    link = to_digital_link(elements)
    assert link == "https://id.gs1.org/01/51022222233336/10/A213B1/21/1234?11=141231&17=150707"
    assert parse(link) == elements
    assert elements.bracketed() == FDA
    assert elements.get("10") == "A213B1"
    assert elements.get("99") is None


def test_a_bracket_within_a_value_is_escaped() -> None:
    elements = parse(f"(01){GTIN}(10)A\\(1)B")
    assert elements.get("10") == "A(1)B"
    assert parse(elements.bracketed()) == elements


def test_order_does_not_matter_to_what_is_read() -> None:
    assert parse(f"(10)A(01){GTIN}") == parse(f"(01){GTIN}(10)A")


def test_a_day_of_00_stands_for_the_month_where_the_standard_allows_it() -> None:
    assert parse(f"(01){GTIN}(17)271200").get("17") == "271200"
    with pytest.raises(Gs1Error, match="no day"):
        parse(f"(01){GTIN}(7006)271200")


def test_one_carrier_of_several_may_need_another() -> None:
    assert parse("(10)ABC", carrier=Carrier.PART).get("10") == "ABC"
    with pytest.raises(Gs1Error, match=r"\(10\) needs \(01\)"):
        parse("(10)ABC")


@pytest.mark.parametrize(
    "uri",
    [
        f"https://example.com/some/path/01/{GTIN}/10/A%2FB/21/1?17=271231&linkType=all",
        f"http://example.com/01/{GTIN}/10/A%2FB/21/1?17=271231#fragment",
        f"HTTPS://example.com/01/{GTIN.lstrip('0')}/10/A%2FB/21/1?17=271231",
    ],
)
def test_digital_links_of_any_domain(uri: str) -> None:
    assert parse(uri).bracketed() == f"(01){GTIN}(17)271231(10)A/B(21)1"


def test_a_digital_link_takes_the_key_to_which_the_rest_belongs() -> None:
    elements = parse(f"(00)376104250021234569(01){GTIN}(21)7")
    link = f"https://example.com/id/01/{GTIN}/21/7?00=376104250021234569"
    assert to_digital_link(elements, stem="https://example.com/id/") == link
    assert parse(link) == elements


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "1 to 500"),
        ("(01)" + "0" * 600, "1 to 500"),
        ("(01)", "no \\(AI\\)"),
        ("(05)123", "not an application identifier"),
        ("0509506000134352", "no application identifier"),
        (f"(01){GTIN}x", "too long"),
        (f"(01){GTIN[:-1]}", "too short"),
        ("(01)0950600013435A", "'A'"),
        ("(01)09506000134353", "check digit is 2"),
        (f"(01){GTIN}(10)A B", "' '"),
        (f"(01){GTIN}(10)ü", "'ü'"),
        (f"(01){GTIN}(10){'A' * 21}", "too long"),
        (f"(01){GTIN}(10)A(10)B", "two values"),
        (f"(01){GTIN}(17)271301", "no month"),
        (f"(01){GTIN}(17)270230", "no day"),
        (f"(01){GTIN}(17)270001", "no month"),
        (f"(01){GTIN}(02){GTIN}(37)1(00)376104250021234569", "does not stand with"),
        (f"(01){GTIN}(21)1(235)2", "does not stand with"),
        (f"(01){GTIN}(3102)000001(3103)000001", "does not stand with"),
        (f"(01){GTIN}(422)999", "country"),
        (f"(01){GTIN}(21)1(8041)123456789012345", "needs"),
        ("(255)9521654890874(8030)abc", "no serial component"),
        ("(8010)ABC1(8011)1", "company prefix"),
        ("(8010)9506000a(8011)1", "'a'"),
        ("(8010)95060001(8011)01", "begins with 0"),
        ("(8006)095060001343520301", "piece 3 of 1"),
        ("(8013)1987654Ad4X4bL5ttr2310c2L", "check characters are 2K"),
        ("(8003)19506000134352", "'1' |is not zero|'1' is not zero"),
        (f"(01){GTIN}{GS}(10)A", "too long|'\\\\x1d'"),
        (f"01{GTIN}10A{GS}", "ends the string"),
        (f"]d1{'01'}{GTIN}", "not a symbol with GS1"),
        ("]d2", "no element"),
        (GS, "no element"),
        ("https://example.com/", "no GS1 key"),
        ("https://example.com/99/1", "no GS1 key"),
        (f"https://example.com/01/{GTIN}/21/1/10/A", "in this order"),
        (f"https://example.com/01/{GTIN}/21/1/235/A", "in this order"),
        (f"https://example.com/01/{GTIN}?21=1", "does not stand in the query"),
        (f"https://example.com/01/{GTIN}?05=1", "not an application identifier"),
        (f"https://example.com/01/{GTIN}?12345=1", "not an application identifier"),
        (f"https://example.com/01/{GTIN}?=1", "not an application identifier"),
        (f"https://example.com=/01/{GTIN}", "not a web address"),
        (f"https://example.com/01/{GTIN}/", "no GS1 key"),
        (f"https://example.com/01/{GTIN}/10/A%2", "without two hexadecimal"),
        (f"https://example.com/01/{GTIN}/10/%FF", "has"),
        ("https://", "not a web address"),
    ],
)
def test_what_the_rules_forbid(text: str, why: str) -> None:
    with pytest.raises(Gs1Error, match=why) as caught:
        parse(text)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("ai", "good", "bad"),
    [
        ("253", "9521141123454", "9521141123453"),
        ("3912", "97812345", "00012345"),
        ("421", "276ABC", "999ABC"),
        ("423", "276156", "276157"),
        ("4300", "A%20B", "A%2"),
        ("4307", "DE", "XX"),
        ("4309", "02790858483015297971", "18000000013600000000"),
        ("4309", "02790858483015297971", "02790858483600000001"),
        ("4321", "1", "2"),
        ("4324", "2712312359", "2712312400"),
        ("4324", "2712002359", "2712312360"),
        ("4330", "001850-", "001850+"),
        ("7003", "2712312359", "2712002359"),
        ("7007", "271201271231", "271201271232"),
        ("7030", "999ABC", "998ABC"),
        ("7040", "1ABc", "1AB+"),
        ("7041", "1A", "1a"),
        ("7241", "10", "11"),
        ("7250", "20270228", "20270229"),
        ("7250", "20280229", "00000101"),
        ("7252", "9", "3"),
        ("7258", "1/2", "2/1"),
        ("8001", "12341234511190", "12341234511120"),
        ("8001", "12341234511190", "00001234511190"),
        ("8003", "09521141123454", "19521141123454"),
        ("8007", "DE89370400440532013000", "DE88370400440532013000"),
        ("8007", "DE89370400440532013000", "XX89370400440532013000"),
        ("8007", "DE89370400440532013000", "de89370400440532013000"),
        ("8008", "271231235959", "271231235960"),
        ("8008", "27123123", "27123124"),
        ("8013", "1987654Ad4X4bL5ttr2310c2K", "2K"),
        ("8014", "1987654Ad4X4bL5ttr2310c2K", "198765432"),
        ("8030", "-_aZ09", "+/"),
        ("8110", "0123", "ABC"),
    ],
)
def test_every_check_of_a_value(ai: str, good: str, bad: str) -> None:
    check_value(ai, good)
    with pytest.raises(Gs1Error, match=rf"^\({ai}\)"):
        check_value(ai, bad)


def test_a_string_without_a_key_has_no_digital_link() -> None:
    with pytest.raises(Gs1Error, match="cannot be written"):
        to_digital_link(parse("(99)X"))
