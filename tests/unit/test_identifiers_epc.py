"""EPCs of the Tag Data Standard's examples, and those that its rules forbid."""

from __future__ import annotations

import pytest

from protocols.identifiers.epc import (
    Bits,
    Epc,
    Scheme,
    decode,
    encode,
    from_elements,
    from_tag_uri,
    from_uri,
)
from protocols.identifiers.errors import EpcError, IdentifierError

# TDS 2.3, annex E.3, but for two: its SGTIN-96 (table 506) prints serial 1234567896789 in the URI,
# where elements and bits have 123456789; and the examples of the ++ schemes (tables 509, 510, 513
# and 549 have errata) are of schemes that are not read.
LEGACY = [
    ("3066C4409047E140075BCD15", "sgtin-96:3.95060001343.05.123456789"),
    ("3666C4409047E159B2C2BF100000000000000000000000000000", "sgtin-198:3.95060001343.05.32a%2Fb"),
    ("311BA1B300CE0A6A83000000", "sscc-96:0.952012.03456789123"),
    ("3276451FD46072000000162E", "sgln-96:3.9521141.12345.5678"),
    ("3976451FD46072CD9615F8800000000000000000000000000000", "sgln-195:3.9521141.12345.32a%2Fb"),
    ("3376451FD40C0E400000162E", "grai-96:3.9521141.12345.5678"),
    ("3776451FD40C0E59B2C2BF1000000000000000000000", "grai-170:3.9521141.12345.32a%2Fb"),
    ("3476451FD40000000000162E", "giai-96:3.9521141.5678"),
    ("3876451FD59B2C2BF10000000000000000000000000000000000", "giai-202:3.9521141.32a%2Fb"),
    ("2D76451FD4499602D2000000", "gsrn-96:3.9521141.1234567890"),
    ("2E76451FD4499602D2000000", "gsrnp-96:3.9521141.1234567890"),
    ("2C76451FD46072000000162E", "gdti-96:3.9521141.12345.5678"),
    ("3E76451FD7039B061438997367D0C18B266D1AB66EE0", "gdti-174:3.9521141.98765.ABCDefgh012345678"),
    ("3C76451FD400C0E680003039", "cpi-96:3.9521141.98765.12345"),
    ("3D76451FD75411DEF6B4CC00000003039000", "cpi-var:3.9521141.5PQ7%2FZ43.12345"),
    ("3F76451FD612640000019907", "sgcn-96:3.9521141.67890.04711"),
    ("4076451FD40C0E40820000000F54", "itip-110:3.9521141.012345.01.02.981"),
    (
        "4176451FD40C0E4082DBDD8B36600000000000000000000000000000",
        "itip-212:3.9521141.012345.01.02.mw133",
    ),
    ("3500E86F8000A9E000000586", "gid-96:952056.2718.1414"),
    ("2F320434147455900000162E", "usdod-96:3.CAGEY.5678"),
    ("3B0E0CF5E76C9047759AD00373DC7602E7200", "adi-var:3.35962.PQ7VZ4.M37GXB92"),
]

# The same annex: bits, elements, filter.
PLUS = [
    (Scheme.SGTIN_PLUS, "F73795211411234538566CB0AFC4", "(01)79521141123453(21)32a/b", 3),
    (
        Scheme.DSGTIN_PLUS,
        "FB342CDE795211411234538566CB0AFC4",
        "(01)79521141123453(17)220630(21)32a/b",
        3,
    ),
    (Scheme.SSCC_PLUS, "F90095201234567891235", "(00)095201234567891235", 0),
    (Scheme.SGLN_PLUS, "F2395211411234548566CB0AFC4", "(414)9521141123454(254)32a/b", 3),
    (Scheme.GRAI_PLUS, "F13095211411234548566CB0AFC4", "(8003)0952114112345432a/b", 3),
    (Scheme.GIAI_PLUS, "FA3952114132E83C2BF10", "(8004)952114132a/b", 3),
    (Scheme.GSRN_PLUS, "F43952114112345678906", "(8018)952114112345678906", 3),
    (Scheme.GSRNP_PLUS, "F53952114112345678906", "(8017)952114112345678906", 3),
    (Scheme.GDTI_PLUS, "F6395211411234540458B8", "(253)95211411234545678", 3),
    (Scheme.CPI_PLUS, "F0395211415E87A145BAFB4D19A8C0E4", "(8010)95211415PQ7/Z43(8011)12345", 3),
    (Scheme.SGCN_PLUS, "F839521141678909509338", "(255)952114167890904711", 3),
    (Scheme.ITIP_PLUS, "F3309521141123454010266AE27FDF35", "(8006)095211411234540102(21)rif981", 3),
]

ELEMENTS = {
    "sgtin-198": "(01)09506000134352(21)32a/b",
    "sscc-96": "(00)095201234567891235",
    "sgln-96": "(414)9521141123454(254)5678",
    "grai-96": "(8003)095211411234545678",
    "giai-96": "(8004)95211415678",
    "gsrn-96": "(8018)952114112345678906",
    "gsrnp-96": "(8017)952114112345678906",
    "gdti-96": "(253)95211411234545678",
    "gdti-174": "(253)9521141987650ABCDefgh012345678",
    "cpi-96": "(8010)952114198765(8011)12345",
    "cpi-var": "(8010)95211415PQ7/Z43(8011)12345",
    "sgcn-96": "(255)952114167890904711",
    "itip-110": "(8006)095211411234540102(21)981",
    "itip-212": "(8006)095211411234540102(21)mw133",
}


def as_read(hexadecimal: str) -> tuple[bytes, int]:
    """Return what a tag's memory holds: filled to a word of 16 bits."""
    padded = hexadecimal + "0" * (-len(hexadecimal) % 4)
    return bytes.fromhex(padded), len(padded) * 4


def same_bits(bits: Bits, hexadecimal: str) -> bool:
    """Return whether bits are the hexadecimal ones, but for zeros at the end."""
    return bits.data.hex().upper().rstrip("0") == hexadecimal.rstrip("0")


@pytest.mark.parametrize(("hexadecimal", "tag"), LEGACY)
def test_the_standards_examples(hexadecimal: str, tag: str) -> None:
    found = decode(*as_read(hexadecimal))
    assert found.tag_uri == f"urn:epc:tag:{tag}"
    assert from_tag_uri(f"urn:epc:tag:{tag}") == found
    assert from_uri(found.uri, scheme=found.scheme, filter_value=found.filter) == found
    assert same_bits(encode(found), hexadecimal)
    label = tag.partition(":")[0]
    if label in ELEMENTS:
        elements = found.elements
        assert elements is not None
        assert elements.bracketed() == ELEMENTS[label]
        again = from_elements(
            elements,
            scheme=found.scheme,
            filter_value=found.filter,
            company_digits=len(found.parts[0]),
        )
        assert again == found


@pytest.mark.parametrize(("scheme", "hexadecimal", "elements", "filter_value"), PLUS)
def test_the_standards_examples_of_plus_schemes(
    scheme: Scheme, hexadecimal: str, elements: str, filter_value: int
) -> None:
    found = decode(*as_read(hexadecimal))
    assert (found.scheme, found.filter, found.aidc) == (scheme, filter_value, None)
    assert found.elements is not None
    assert found.elements.bracketed() == elements
    assert found.tag_uri is None
    assert found.uri.startswith("https://id.gs1.org/")
    assert from_elements(elements, scheme=scheme, filter_value=filter_value) == found
    assert from_uri(found.uri, scheme=scheme, filter_value=filter_value) == found
    assert same_bits(encode(found), hexadecimal)


@pytest.mark.parametrize(
    ("epc", "scheme", "uri"),
    [
        # The examples in the text of the Tag Data Standard
        ("3074257BF7194E4000001A85", Scheme.SGTIN_96, "urn:epc:id:sgtin:0614141.812345.6789"),
        ("3174257BF4499602D2000000", Scheme.SSCC_96, "urn:epc:id:sscc:0614141.1234567890"),
        ("3374257BF40C0E4000000190", Scheme.GRAI_96, "urn:epc:id:grai:0614141.12345.400"),
    ],
)
def test_the_examples_of_the_text(epc: str, scheme: Scheme, uri: str) -> None:
    found = decode(bytes.fromhex(epc), 96)
    assert (found.scheme, found.filter, found.uri) == (scheme, 3, uri)


def build(header: int, partition: int, *fields: tuple[int, int]) -> bytes:
    """Return 96 bits: header, filter 0, partition, then (value, bits)."""
    number, bits = header << 6 | partition, 14
    for value, width in fields:
        number, bits = number << width | value, bits + width
    assert bits == 96
    return number.to_bytes(12, "big")


def plus(header: int, *fields: tuple[int, int]) -> tuple[bytes, int]:
    """Return the bits of a + scheme with toggle and filter 0."""
    number, bits = header << 4, 12
    for value, width in fields:
        number, bits = number << width | value, bits + width
    octets = (bits + 7) // 8
    return (number << (octets * 8 - bits)).to_bytes(octets, "big"), bits


def test_a_company_prefix_of_twelve_digits_leaves_a_grai_no_asset_type() -> None:
    epc = build(0x33, 0, (123456789012, 40), (0, 4), (7, 38))
    found = decode(epc, 96)
    assert found.uri == "urn:epc:id:grai:123456789012..7"
    assert encode(found).data == epc


def test_leading_zeros_are_kept() -> None:
    epc = build(0x30, 5, (1, 24), (2, 20), (0, 38))
    assert decode(epc, 96).uri == "urn:epc:id:sgtin:0000001.000002.0"


def test_an_odd_number_of_bits_survives() -> None:
    bits = encode(from_tag_uri("urn:epc:tag:sgtin-198:3.0614141.712345.32a%2Fb"))
    assert (bits.length, len(bits.data)) == (198, 25)
    assert decode(bits.data, bits.length) == decode(bits.data + b"\0", 208)
    # CPI-var ends where its text and serial do.
    bits = encode(from_uri("urn:epc:id:cpi:9521141.5PQ7%2FZ43.1", scheme=Scheme.CPI_VAR))
    assert bits.length == 8 + 3 + 3 + 24 + 6 * 9 + 40 == 132
    assert decode(bits.data, bits.length).parts == ("9521141", "5PQ7/Z43", "1")


def test_an_sgln_without_extension_is_a_gln() -> None:
    for scheme in (Scheme.SGLN_96, Scheme.SGLN_PLUS):
        found = from_elements("(414)9521141123454", scheme=scheme, company_digits=7)
        assert found.elements is not None
        assert found.elements.bracketed() == "(414)9521141123454"
        assert decode(encode(found).data, encode(found).length) == found


def test_what_follows_a_plus_epc_is_kept() -> None:
    more = Bits(data=b"\x17\xa0", length=11)
    epc = Epc(scheme=Scheme.SSCC_PLUS, filter=2, parts=("095201234567891235",), aidc=more)
    bits = encode(epc)
    assert decode(bits.data, bits.length) == epc


@pytest.mark.parametrize(
    ("serial", "indicator"),
    [("0012", 0), ("0A", 1), ("0a", 2), ("a-_Z", 3), ("a/b", 4), ("GH.:-9", 5)],
)
def test_a_text_takes_the_shortest_of_its_codings(serial: str, indicator: int) -> None:
    found = from_elements(f"(01)79521141123453(21){serial}", scheme=Scheme.SGTIN_PLUS)
    bits = encode(found)
    number = int.from_bytes(bits.data, "big") >> (len(bits.data) * 8 - bits.length)
    assert number >> (bits.length - 71) & 7 == indicator
    assert decode(bits.data, bits.length) == found


GTIN_BITS = (0x79521141123453, 56)


@pytest.mark.parametrize(
    ("epc", "why"),
    [
        (build(0x30, 7, (0, 82)), "partition 7"),
        (build(0x30, 5, (10_000_000, 24), (0, 20), (0, 38)), "more than 7 digits"),
        (build(0x30, 5, (1, 24), (1_000_000, 20), (0, 38)), "more than 6 digits"),
        (build(0x33, 0, (1, 40), (1, 4), (0, 38)), "more than 0 digits"),
        (build(0x31, 5, (1, 24), (1, 34), (1, 24)), "reserved bits"),
        (build(0x3A, 0, (0, 82)), "header 0x3a"),
        (build(0xEF, 0, (0, 82)), "header 0xef of a \\+\\+ scheme"),
        (build(0x3C, 0, (1, 40), (2000, 11), (0, 31)), "too long behind"),
        (build(0x3F, 5, (1, 24), (1, 17), (2, 41)), "no numeric string"),
        (build(0x3F, 5, (1, 24), (1, 17), (1, 41)), "no numeric string"),
        (bytes.fromhex("2f3204341474559000"), "early"),
        (bytes.fromhex("2f320134147455900000162e"), "CAGE"),
        (bytes.fromhex("3666C4409047E159B2C2BF100000000000000000000000000001"), "follow its end"),
        (bytes.fromhex("3666C4409047E100000000000000000000000000000000000000"), "1 to 20"),
        (bytes.fromhex("3666C4409047E159B2C2BF100000000000000000000000800000"), "set 82"),
        (bytes.fromhex("4076451FD40C0E41000000000F54"), "piece|digits"),
        (bytes.fromhex("4076451FD40C0E40810000000F54") + bytes(2), "follow its end|piece"),
        (bytes.fromhex("e28011050000000000000001"), "header 0xe2"),
    ],
)
def test_what_the_rules_forbid_names_nothing(epc: bytes, why: str) -> None:
    with pytest.raises(EpcError, match=why) as caught:
        decode(epc, len(epc) * 8)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("epc", "why"),
    [
        (plus(0xF7, (0x7952114112345A, 56), (0, 8)), "A is no digit"),
        (plus(0xF7, (0x79521141123454, 56), (1, 8), (1, 4)), "check digit is 3"),
        (plus(0xF7, GTIN_BITS, (0, 3), (0, 5)), "no characters"),
        (plus(0xF7, GTIN_BITS, (6, 3), (1, 5), (1, 8)), "indicator 6"),
        (plus(0xF7, GTIN_BITS, (0, 3), (1, 5), (10, 4)), "more than 1 digits"),
        (plus(0xF7, GTIN_BITS, (4, 3), (1, 5), (32, 7)), "' '"),
        (plus(0xF7, GTIN_BITS, (5, 3), (1, 5), (0, 16)), "no URN Code 40"),
        (plus(0xF7, GTIN_BITS, (5, 3), (1, 5), (1, 16)), "filled up"),
        (plus(0xF7, GTIN_BITS, (5, 3), (1, 5), (1600 + 40 + 1, 16)), "filled up"),
        (plus(0xF7, GTIN_BITS, (4, 3), (2, 5), (65, 7)), "early"),
        (plus(0xF7, GTIN_BITS, (0, 3), (1, 5), (1, 4), (1, 4)), "follow its end"),
        (plus(0xFB, (7, 4), (0, 16)), "date type 7"),
        (plus(0xFB, (4, 4), (100, 7), (1, 4), (1, 5)), "year 100"),
        (plus(0xFB, (4, 4), (27, 7), (2, 4), (30, 5), GTIN_BITS, (0, 3), (1, 5), (1, 4)), "no day"),
        (plus(0xFA, (0x9521141A, 32)), "A is no digit"),
        (plus(0xFA, (0x9F, 8)), "company prefix"),
        (plus(0xFA, (int("1" * 31, 16), 124)), "more than 30"),
        (plus(0xF9, (0x095201234567891234, 72)), "check digit"),
    ],
)
def test_what_the_rules_of_plus_schemes_forbid(epc: tuple[bytes, int], why: str) -> None:
    with pytest.raises(EpcError, match=why) as caught:
        decode(*epc)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("epc", "bits"), [(b"", 0), (b"\x30" * 12, 95), (b"\x30" * 16, 128), (b"\x30" * 70, 560)]
)
def test_other_lengths_are_not_guessed(epc: bytes, bits: int) -> None:
    with pytest.raises(EpcError):
        decode(epc, bits)


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("urn:epc:tag:sgtin-96:3.0614141.712345.01", "leading zeros"),
        ("urn:epc:tag:sgtin-96:3.0614141.712345.274877906944", "38 bits"),
        ("urn:epc:tag:sgtin-96:3.0614141.712345.a", "leading zeros"),
        ("urn:epc:tag:sgtin-96:8.0614141.712345.1", "no filter 8"),
        ("urn:epc:tag:sgtin-96:03.0614141.712345.1", "no filter"),
        ("urn:epc:tag:sgtin-96:3.0614141.71234.1", "6 digits"),
        ("urn:epc:tag:sgtin-96:3.06141.71234567.1", "6 to 12"),
        ("urn:epc:tag:sgtin-96:3.0614141.712345", "4 escaped parts"),
        ("urn:epc:tag:sgtin-198:3.0614141.712345.a/b", "escaped parts"),
        ("urn:epc:tag:sgtin-198:3.0614141.712345.a%2fb", "escapes nothing|escaped"),
        ("urn:epc:tag:sgtin-198:3.0614141.712345.a%41", "escapes nothing"),
        ("urn:epc:tag:sgtin-198:3.0614141.712345." + "a" * 21, "1 to 20"),
        ("urn:epc:tag:giai-202:3.0614141." + "a" * 24, "too long"),
        ("urn:epc:tag:cpi-var:3.0614141.5pq.1", "of this field"),
        ("urn:epc:tag:sgcn-96:3.9521141.67890.1234567890123", "1 to 12"),
        ("urn:epc:tag:usdod-96:3.CAGEI.1", "CAGE"),
        ("urn:epc:tag:itip-110:3.9521141.012345.03.02.981", "piece 3 of 2"),
        ("urn:epc:tag:sgtin-97:3.0614141.712345.1", "no tag URI"),
        ("urn:epc:id:sgtin:0614141.712345.1", "no tag URI"),
        ("urn:epc:tag:sgtin-198:3.0614141.712345." + "a" * 300, "no tag URI"),
    ],
)
def test_a_tag_uri_that_no_tag_can_carry(uri: str, why: str) -> None:
    with pytest.raises(EpcError, match=why) as caught:
        from_tag_uri(uri)
    assert caught.value.hint


def test_a_uri_of_another_scheme_is_refused() -> None:
    with pytest.raises(EpcError, match="is not urn:epc:id:grai:"):
        from_uri("urn:epc:id:sgtin:0614141.712345.1", scheme=Scheme.GRAI_96)


@pytest.mark.parametrize(
    ("elements", "scheme", "digits", "why"),
    [
        ("(01)79521141123453", Scheme.SGTIN_96, 7, "not what sgtin-96 carries"),
        ("(01)79521141123453(10)A(21)1", Scheme.SGTIN_96, 7, "not what sgtin-96 carries"),
        ("(01)79521141123453(21)1", Scheme.SGTIN_96, None, "company prefix"),
        ("(01)79521141123453(21)1", Scheme.SGTIN_96, 5, "company prefix"),
        ("(01)79521141123453(21)1", Scheme.GID_96, 7, "not what gid-96 carries"),
        ("(01)79521141123453(21)1", Scheme.DSGTIN_PLUS, None, "not what dsgtin\\+ carries"),
        ("(253)9521141123454", Scheme.GDTI_PLUS, None, "no serial"),
        ("(253)9521141123454", Scheme.GDTI_96, 7, "leading zeros"),
        ("(8003)09521141123454", Scheme.GRAI_170, 7, "1 to 16"),
        ("(01)79521141123454(21)1", Scheme.SGTIN_PLUS, None, "check digit"),
    ],
)
def test_elements_that_a_scheme_does_not_carry(
    elements: str, scheme: Scheme, digits: int | None, why: str
) -> None:
    with pytest.raises(IdentifierError, match=why) as caught:
        from_elements(elements, scheme=scheme, company_digits=digits)
    assert caught.value.hint


def test_parts_that_are_not_the_schemes_are_refused() -> None:
    with pytest.raises(EpcError, match="3 parts"):
        encode(Epc(scheme=Scheme.SGTIN_96, filter=0, parts=("0614141",)))
    with pytest.raises(EpcError, match="3 parts"):
        encode(
            Epc(
                scheme=Scheme.SGTIN_96,
                filter=0,
                parts=("0614141", "712345", "1"),
                aidc=Bits(data=b"", length=0),
            )
        )
