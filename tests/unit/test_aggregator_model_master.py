"""Rules over master data: who was installed, calibrated, qualified and in force at a time."""

from __future__ import annotations

import itertools

import pytest

from aggregator.errors import InvalidError
from aggregator.model.master.classification import Classification
from aggregator.model.master.equipment import EquipmentPath
from aggregator.model.master.lot import check_gtin, check_unit_id
from aggregator.model.master.person import PersonId, Qualification, qualified
from aggregator.model.master.physical_asset import (
    Calibration,
    CalibrationState,
    CertificateId,
    Installation,
    Outcome,
    PhysicalAssetId,
    calibration_state,
    calibrations_at,
    check_physical_asset_id,
    doubted,
    installed_at,
)
from aggregator.model.master.recipe import (
    Operation,
    OperationName,
    Phase,
    PhaseName,
    Recipe,
    UnitProcedure,
    recipe_at,
)
from aggregator.model.master.validity import ALWAYS, Validity
from aggregator.model.series import SignalKey
from protocols.wire.header import GatewayId
from protocols.wire.reading import SignalName

GTIN = check_gtin("09506000134352")
SIGNAL = SignalKey(GatewayId("gw-1"), SignalName("press-1/temperature"))
OLD, NEW = PhysicalAssetId("TT-17"), PhysicalAssetId("TT-18")


def installed(sensor: PhysicalAssetId, start: int, end: int | None = None) -> Installation:
    return Installation(physical_asset=sensor, role=SIGNAL, validity=Validity(start=start, end=end))


def calibration(
    subject: PhysicalAssetId | SignalKey,
    performed: int,
    *,
    found: Outcome = Outcome.PASSED,
    left: Outcome = Outcome.PASSED,
    due: int | None = None,
) -> Calibration:
    return Calibration(
        certificate=CertificateId(f"C-{performed}"),
        subject=subject,
        performed=performed,
        as_found=found,
        as_left=left,
        validity=Validity(start=performed, end=due),
    )


@pytest.mark.parametrize(("time", "holds"), [(9, False), (10, True), (19, True), (20, False)])
def test_what_holds_is_half_open(time: int, holds: bool) -> None:
    assert Validity(start=10, end=20).holds(time) is holds


def test_intervals_that_touch_do_not_overlap() -> None:
    first, second = Validity(start=10, end=20), Validity(start=20)
    assert not first.overlaps(second)
    assert not second.overlaps(first)
    assert ALWAYS.overlaps(first)
    assert first.overlaps(Validity(start=19))


@pytest.mark.parametrize(("start", "end"), [(5, 5), (6, 5), (-1, None)])
def test_an_interval_of_no_time_is_refused(start: int, end: int | None) -> None:
    with pytest.raises(InvalidError, match="ends after it starts"):
        Validity(start=start, end=end)


def test_a_sensor_is_looked_up_at_the_time_of_the_reading() -> None:
    swaps = [installed(OLD, 0, 100), installed(NEW, 100)]
    for time, sensor in ((0, OLD), (99, OLD), (100, NEW), (10_000, NEW)):
        found = installed_at(swaps, SIGNAL, time)
        assert found is not None
        assert found.physical_asset == sensor
    assert installed_at(swaps, EquipmentPath("a/b"), 0) is None


def test_a_calibration_goes_with_the_sensor_that_was_there() -> None:
    swaps = [installed(OLD, 0, 100), installed(NEW, 100)]
    of_old, of_new, of_loop = (calibration(each, 10) for each in (OLD, NEW, SIGNAL))
    all_of_them = [of_old, of_new, of_loop]
    assert calibrations_at(all_of_them, swaps, SIGNAL, 50) == [of_old, of_loop]
    assert calibrations_at(all_of_them, swaps, SIGNAL, 150) == [of_new, of_loop]
    assert calibrations_at(all_of_them, [], SIGNAL, 50) == [of_loop]


def test_the_last_calibration_before_a_reading_says_how_it_stood() -> None:
    history = [
        calibration(OLD, 10, due=100),
        calibration(OLD, 200, left=Outcome.FAILED, due=300),
        calibration(OLD, 210, due=None),
    ]
    expected = {
        5: CalibrationState.NONE,
        10: CalibrationState.CALIBRATED,
        99: CalibrationState.CALIBRATED,
        100: CalibrationState.OVERDUE,
        205: CalibrationState.FAILED,
        10_000: CalibrationState.CALIBRATED,
    }
    for order in itertools.permutations(history):
        assert {time: calibration_state(order, time)[0] for time in expected} == expected


def test_a_failure_as_found_doubts_all_since_the_last_good_one() -> None:
    history = [
        calibration(OLD, 10),
        calibration(OLD, 50, left=Outcome.FAILED),
        calibration(OLD, 90, found=Outcome.FAILED),
        calibration(OLD, 120),
    ]
    for order in itertools.permutations(history):
        ((interval, failed),) = doubted(order)
        assert interval == Validity(start=10, end=90)
        assert failed.performed == 90
    assert list(doubted([calibration(OLD, 10), calibration(OLD, 20)])) == []
    ((since_ever, _),) = doubted([calibration(OLD, 30, found=Outcome.FAILED)])
    assert since_ever == Validity(start=0, end=30)


def test_a_calibration_holds_from_when_it_was_done() -> None:
    with pytest.raises(InvalidError, match="not before"):
        Calibration(
            certificate=CertificateId("C"),
            subject=OLD,
            performed=10,
            as_found=Outcome.PASSED,
            as_left=Outcome.PASSED,
            validity=Validity(start=9),
        )


def test_a_person_is_qualified_for_a_step_at_a_place_for_a_time() -> None:
    li, seal, line = PersonId("li.wei"), OperationName("seal"), EquipmentPath("acme/line-1")
    held = [
        Qualification(
            person=li, operation=seal, equipment=line, validity=Validity(start=10, end=20)
        )
    ]
    press = EquipmentPath("acme/line-1/press-1")
    assert qualified(held, li, seal, press, 10)
    assert not qualified(held, li, seal, press, 20)
    assert not qualified(held, li, seal, EquipmentPath("acme/line-10/press-1"), 10)
    assert not qualified(held, li, OperationName("pack"), press, 10)
    assert not qualified(held, PersonId("wang.fang"), seal, press, 10)
    any_step = [Qualification(person=li, operation=None, equipment=line, validity=ALWAYS)]
    assert qualified(any_step, li, OperationName("pack"), press, 10)


def recipe(revision: str, start: int, end: int | None = None, *names: str) -> Recipe:
    phases = tuple(Phase(name=PhaseName(name)) for name in names)
    steps = Operation(name=OperationName("seal"), phases=phases)
    return Recipe(
        gtin=GTIN,
        revision=revision,
        procedure=(UnitProcedure(name="sealing", operations=(steps,)),),
        validity=Validity(start=start, end=end),
    )


def test_a_lot_is_made_by_the_revision_that_came_into_force_last() -> None:
    revisions = [recipe("A", 0), recipe("B", 100, 200), recipe("C", 150)]
    for order in itertools.permutations(revisions):
        found = [recipe_at(order, GTIN, time) for time in (0, 99, 100, 149, 150, 250)]
        assert [each.revision for each in found if each] == ["A", "A", "B", "B", "C", "C"]
    assert recipe_at(revisions, check_gtin("04012345123456"), 0) is None


def test_a_step_has_a_name_of_its_own() -> None:
    found = recipe("A", 0, None, "heat up", "hold")
    assert [phase.name for phase in found.phases()] == ["heat up", "hold"]
    assert [operation.name for operation in found.operations()] == ["seal"]
    with pytest.raises(InvalidError, match="more than one phase hold"):
        recipe("A", 0, None, "hold", "hold")


@pytest.mark.parametrize(
    ("text", "right"),
    [
        (f"(01){GTIN}(21)S-1", True),
        ("(00)106141412345678908", True),
        ("(8003)009506000134352S1", False),
        ("(01)09506000134353(21)S-1", False),
        ("(00)106141412345678907", False),
        ("S-1", False),
        (f"(01){GTIN}(10)L-1", False),
    ],
)
def test_a_unit_is_an_sgtin_an_sscc_or_a_grai(text: str, right: bool) -> None:
    if right:
        assert check_unit_id(text) == text
    else:
        with pytest.raises(InvalidError):
            check_unit_id(text)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("TT-0017", True),
        ("(8004)0950600013A/1", True),
        ("(8004)x", False),
        ("", False),
        ("TT 17", False),
        ("TT@17", False),
        ("T" * 61, False),
    ],
)
def test_a_physical_asset_is_a_giai_or_a_serial_number(text: str, right: bool) -> None:
    if right:
        assert check_physical_asset_id(text) == text
    else:
        with pytest.raises(InvalidError):
            check_physical_asset_id(text)


def test_classes_have_an_order() -> None:
    assert sorted(Classification, key=lambda each: each.rank) == list(Classification)
    assert Classification.PUBLIC.rank < Classification.CRITICAL.rank
