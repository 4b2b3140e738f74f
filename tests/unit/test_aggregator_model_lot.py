"""Keys of lots, paths of equipment, contracts and limits: what is refused, and why."""

from __future__ import annotations

import pytest

from aggregator.errors import InvalidError
from aggregator.model.master.equipment import EquipmentPath, check_path, is_at
from aggregator.model.master.lot import (
    Material,
    check_digit,
    check_gtin,
    check_lot_id,
    check_lot_key,
    parse_element_string,
)
from aggregator.model.master.recipe import Limits, Sampling, SamplingContract


@pytest.mark.parametrize(
    ("given", "gtin"),
    [
        ("09506000134352", "09506000134352"),
        ("9506000134352", "09506000134352"),
        ("614141000036", "00614141000036"),
        ("96385074", "00000096385074"),
    ],
)
def test_a_gtin_is_fourteen_digits(given: str, gtin: str) -> None:
    assert check_gtin(given) == gtin


@pytest.mark.parametrize("given", ["09506000134353", "950600013435", "x", "", "０9506000134352"])
def test_a_wrong_gtin_is_refused(given: str) -> None:
    with pytest.raises(InvalidError):
        check_gtin(given)


def test_the_check_digit_is_that_of_gs1() -> None:
    assert check_digit("629104150021") == "3"  # the example of GS1's General Specifications


def test_case_and_gtin_tell_lots_apart() -> None:
    keys = {
        check_lot_key(gtin, lot)
        for gtin in ("09506000134352", "04012345123456")
        for lot in ("L-1", "l-1")
    }
    assert len(keys) == 4


@pytest.mark.parametrize("given", ["", "L 1", "批号1", "x" * 21, "L#1", "L\n"])
def test_a_lot_id_outside_set_82_is_refused(given: str) -> None:
    with pytest.raises(InvalidError):
        check_lot_id(given)


def test_an_element_string_names_its_lot() -> None:
    key = check_lot_key("09506000134352", "L-(1)/a")
    assert parse_element_string(str(key)) == key
    assert parse_element_string("L-1") is None
    assert parse_element_string("(01)09506000134353(10)L-1") is None


def test_a_path_stands_below_its_beginnings_alone() -> None:
    press = check_path("acme/line-1/press-1")
    assert is_at(press, EquipmentPath("acme/line-1"))
    assert is_at(press, press)
    assert not is_at(press, EquipmentPath("acme/line-1/press"))
    assert not is_at(EquipmentPath("acme/line-1"), press)


@pytest.mark.parametrize("given", ["", "/a", "a/", "a//b", "a/ b"])
def test_a_malformed_path_is_refused(given: str) -> None:
    with pytest.raises(InvalidError):
        check_path(given)


@pytest.mark.parametrize(
    "bounds",
    [
        {"action_low": 10.0, "alert_low": 9.0},
        {"alert_high": 10.0, "action_high": 9.0},
        {"target": 5.0, "alert_high": 4.0},
        {"action_low": 5.0, "action_high": 4.0},
        {"target": float("nan"), "action_high": 4.0},
    ],
)
def test_limits_out_of_order_are_refused(bounds: dict[str, float]) -> None:
    with pytest.raises(InvalidError, match="out of order"):
        Limits(**bounds)


@pytest.mark.parametrize(("gap_max", "period"), [(None, None), (0, None), (5, 6), (5, 0)])
def test_a_contract_that_cannot_be_kept_is_refused(gap_max: int | None, period: int | None) -> None:
    with pytest.raises(InvalidError):
        SamplingContract(sampling=Sampling.PERIODIC, gap_max=gap_max, period=period)


@pytest.mark.req(46)
@pytest.mark.clause("NMPA device GMP 2025 No. 107 article 46")
@pytest.mark.parametrize(
    ("life", "kept", "refused"),
    [
        (None, None, False),
        (None, 2, False),
        (None, 1, True),
        (5, 5, False),
        (5, 4, True),
        (0, 2, False),
        (1, 1, True),
        (5, None, False),
    ],
)
def test_records_are_kept_as_long_as_the_device_lasts_and_two_years_at_least(
    life: int | None, kept: int | None, refused: bool
) -> None:
    said = {
        "gtin": check_gtin("09506000134352"),
        "name": "Pouch",
        "life_years": life,
        "retention_years": kept,
    }
    if refused:
        with pytest.raises(InvalidError, match="go too early"):
            Material(**said)  # type: ignore[arg-type] # each is of its field's type
    else:
        assert Material(**said).retention_years == kept  # type: ignore[arg-type] # as above
