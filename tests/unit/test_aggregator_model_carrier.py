"""A carrier has one name, whether its tag was read or its label."""

from __future__ import annotations

import pytest

from aggregator.errors import InvalidError
from aggregator.model.master.carrier import called, check_carrier
from protocols.identifiers.epc import Scheme, encode, from_elements

SSCC, GRAI, SGTIN = "(00)095060001343520000", "(8003)0950600013435277", "(01)09506000134352(21)77"


@pytest.mark.req(18)
@pytest.mark.parametrize(
    ("label", "schemes"),
    [
        (SSCC, (Scheme.SSCC_96, Scheme.SSCC_PLUS)),
        (GRAI, (Scheme.GRAI_96, Scheme.GRAI_170, Scheme.GRAI_PLUS)),
        (SGTIN, (Scheme.SGTIN_96, Scheme.SGTIN_198, Scheme.SGTIN_PLUS)),
    ],
)
def test_every_epc_of_a_key_is_called_by_its_label(label: str, schemes: tuple[Scheme, ...]) -> None:
    for scheme in schemes:
        for filter_value, company in ((0, 7), (3, 7), (0, 9)):
            bits = encode(
                from_elements(
                    label, scheme=scheme, filter_value=filter_value, company_digits=company
                )
            )
            assert called(bits.data.hex()) == label, scheme.label
    assert called(label) == label


@pytest.mark.parametrize(
    "text",
    [
        "",
        "L-1",
        "e2003412",  # a tag as its maker sent it
        "ff" * 12,  # no scheme
        "34" + "00" * 11,  # a GIAI, which no label of a carrier says
    ],
)
def test_what_encodes_no_key_of_a_carrier_keeps_its_name(text: str) -> None:
    assert called(text) == text


def test_a_carrier_is_checked_as_it_is_named() -> None:
    assert check_carrier(SSCC) == SSCC
    assert check_carrier("33164433400D1EC00000004D") == "33164433400d1ec00000004d"
    for wrong in ("(00)095060001343520004", "(01)09506000134352", "pallet 7", "a"):
        with pytest.raises(InvalidError):
            check_carrier(wrong)
