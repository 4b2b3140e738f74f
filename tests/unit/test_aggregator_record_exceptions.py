"""What a lot rested on besides its readings: each thing that is not provably fine is told."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.export.words import describe
from aggregator.export.words_zh import CHINESE
from aggregator.model.genealogy.edge import Edge, EdgeKind, Part, quantity
from aggregator.model.genealogy.item import lot_item
from aggregator.model.lab_result import LabResult, ResultVerdict, ResultVersion
from aggregator.model.master.equipment import EquipmentPath
from aggregator.model.master.lot import Lot, check_gtin, check_lot_key
from aggregator.model.master.order import Job, JobId, OrderId
from aggregator.model.master.person import PersonId, Qualification
from aggregator.model.master.physical_asset import (
    Calibration,
    CertificateId,
    Installation,
    Outcome,
    PhysicalAssetId,
)
from aggregator.model.master.recipe import (
    Operation,
    OperationName,
    ParameterName,
    Personnel,
    Recipe,
    UnitProcedure,
)
from aggregator.model.master.validity import Validity
from aggregator.model.record.assemble import assemble
from aggregator.model.record.batch_record import BatchRecord
from aggregator.model.record.circumstances import Circumstances, RevokedKey, Stock, UnitChange
from aggregator.model.record.document import encode_record
from aggregator.model.record.entry import Check, Entry
from aggregator.model.record.exceptions import ExceptionItem, ExceptionKind
from aggregator.model.series import SignalKey
from protocols.wire.reading import SECOND, SignalName, Status
from tests.cases.record_case import (
    EPOCH,
    GATEWAY,
    GTIN,
    OTHER_GTIN,
    UNIT,
    Arrived,
    at,
    chain_of,
    inputs_of,
)

SIGNAL = "press-1/plate-temperature"
KEY = SignalKey(GATEWAY, SignalName(SIGNAL))
LOT = check_lot_key(GTIN, "L-1")
FILM = check_lot_key(OTHER_GTIN, "F-7")
SENSOR = PhysicalAssetId("PT100-17")


def case(*, end: float = 20, **parameter: Any) -> dict[str, Any]:
    return {
        "lot": [GTIN, "L-1"],
        "signals": [{"signal": SIGNAL, "unit": "Cel"}],
        "parameters": [
            {
                "parameter": "plate temperature",
                "signal": SIGNAL,
                "unit": "Cel",
                "gap_max_s": 3,
                "limits": {"alert_high": 125},
                **parameter,
            }
        ],
        "facts": [{"lot": [GTIN, "L-1"], "start": 0, "end": end, "source": "op.zhao"}],
    }


MOVING = [Arrived(signal=SIGNAL, time=at(t), value=120 + t % 3, position=t) for t in range(20)]


def record(
    readings: list[Arrived] = MOVING,
    said: dict[str, Any] | None = None,
    *,
    entries: tuple[Entry, ...] = (),
    jobs: tuple[Job, ...] = (),
    **circumstances: Any,
) -> BatchRecord:
    inputs = inputs_of(said or case(), readings)
    return assemble(
        replace(inputs, circumstances=Circumstances(**circumstances), entries=entries, jobs=jobs)
    )


def told(found: BatchRecord, kind: ExceptionKind) -> list[ExceptionItem]:
    items = [each for each in found.exceptions if each.kind is kind]
    for each in items:
        said = {"id": each.id, **each.to_json()}
        for sentence in (describe(said), describe(said, CHINESE)):
            assert "{" not in sentence
            assert sentence not in (kind.value, "")
    return items


def passes(found: BatchRecord, kind: ExceptionKind) -> int:
    return found.passed.get(kind, 0)


def steady(values: list[float | None]) -> list[Arrived]:
    return [
        Arrived(
            signal=SIGNAL,
            time=at(t),
            value=value,
            status=Status.BAD if value is None else Status.GOOD,
            position=t,
        )
        for t, value in enumerate(values)
    ]


def test_a_value_that_stands_still_for_longer_than_it_may_is_told() -> None:
    values: list[float | None] = [120, 121, 121, 121, 121, 121, 121, 122, 123, 124]
    found = record(steady(values), case(end=10, stuck_after_s=5))
    (item,) = told(found, ExceptionKind.STUCK)
    assert (item.start, item.end) == (at(1), at(7))
    assert item.details == {"value": 121, "readings": 6, "duration_ns": 6 * SECOND}
    assert not told(record(steady(values), case(end=10, stuck_after_s=6)), ExceptionKind.STUCK)


def test_what_may_stand_still_is_not_checked_and_not_counted() -> None:
    found = record(steady([120.0] * 20), case())
    assert not told(found, ExceptionKind.STUCK)
    assert passes(found, ExceptionKind.STUCK) == 0
    assert passes(record(said=case(stuck_after_s=5)), ExceptionKind.STUCK) == 1


def test_a_gap_is_no_proof_that_a_value_stood_still() -> None:
    readings = [each for each in steady([120.0] * 20) if not at(4) < each.time < at(15)]
    found = record(readings, case(stuck_after_s=5))
    assert not told(found, ExceptionKind.STUCK)
    assert told(found, ExceptionKind.GAP)


def test_silence_on_change_is_a_value_that_stands_still() -> None:
    readings = [
        Arrived(signal=SIGNAL, time=at(t), value=v, position=t) for t, v in ((0, 1), (2, 2))
    ]
    said = case(stuck_after_s=5, sampling="on_change", gap_max_s=None)
    (item,) = told(record(readings, said), ExceptionKind.STUCK)
    assert (item.start, item.end) == (at(2), at(20))


@given(
    st.lists(st.sampled_from([None, 1.0, 2.0]), min_size=1, max_size=40),
    st.integers(min_value=1, max_value=8),
)
def test_stretches_that_stand_still_are_those_of_a_walk_second_by_second(
    values: list[float | None], after: int
) -> None:
    end = len(values)
    found = record(steady(values), case(end=end, stuck_after_s=after, gap_max_s=2))
    (parameter,) = found.parameters
    gone = {
        second
        for gap in parameter.gaps
        for second in range((gap.start - at(0)) // SECOND, (gap.end - at(0)) // SECOND)
    }
    runs: list[list[int]] = []
    known: float | None = None
    for second, value in enumerate(values):
        if second in gone:
            known = None
        if value is not None and (value != known or second in gone):
            runs.append([second, second])
            known = value
        if known is not None and second not in gone:
            runs[-1][1] = second + 1
    expected = [(low, high) for low, high in runs if high - low > after]
    assert [
        ((each.start - at(0)) // SECOND, (each.end - at(0)) // SECOND) for each in parameter.stuck
    ] == expected


def test_limits_in_another_unit_of_the_same_kind_are_converted() -> None:
    said = case(unit="K", limits={"alert_high": 395.15, "target": 393.15})  # 122 Cel
    found = record(said=said)
    assert not told(found, ExceptionKind.UNIT_MISMATCH)
    (parameter,) = found.parameters
    same = record(said=case(limits={"alert_high": 122, "target": 120}))
    assert parameter.excursions == same.parameters[0].excursions
    assert parameter.spec.limits.alert_high == 122
    document = json.loads(encode_record(found))["other_parameters"][0]
    assert (document["unit"], document["specified"]["alert_high"]) == ("Cel", 122)
    assert (document["stated"]["unit"], document["stated"]["alert_high"]) == ("K", 395.15)


def test_a_unit_that_was_changed_while_the_lot_was_made_is_told() -> None:
    change = UnitChange(signal=KEY, time=at(9), before="Cel", after="[degF]")
    (item,) = told(record(unit_changes=(change,)), ExceptionKind.UNIT_CHANGED)
    assert (item.start, item.details) == (at(9), {"before": "Cel", "after": "[degF]"})


def test_a_key_that_was_revoked_among_the_readings_is_told() -> None:
    key = RevokedKey(gateway=GATEWAY, kid="ab" * 8, epoch=EPOCH, number=5, reason="stolen")
    (item,) = told(record(revoked=(key,)), ExceptionKind.KEY_REVOKED)
    assert item.details["number"] == 5
    assert passes(record(), ExceptionKind.KEY_REVOKED) == 1


def test_settings_that_a_new_epoch_brings_are_told() -> None:
    first = chain_of({"sealed_through": 9, "settings": [[-100, "00"]]})
    other = chain_of({"sealed_from": 9, "settings": [[9, "01"]]})
    inputs = inputs_of(case(), MOVING)
    found = assemble(replace(inputs, chains=(first, replace(other, epoch=type(EPOCH)(bytes(16))))))
    (item,) = told(found, ExceptionKind.SETTINGS)
    assert (item.start, item.details) == (at(9), {"before": "00", "after": "01"})


def calibration(
    name: str,
    performed: float,
    due: float | None = None,
    *,
    found: Outcome = Outcome.PASSED,
    left: Outcome = Outcome.PASSED,
    subject: PhysicalAssetId | SignalKey = SENSOR,
) -> Calibration:
    return Calibration(
        certificate=CertificateId(name),
        subject=subject,
        performed=at(performed),
        as_found=found,
        as_left=left,
        validity=Validity(start=at(performed), end=None if due is None else at(due)),
    )


FITTED = Installation(physical_asset=SENSOR, role=KEY, validity=Validity(start=at(-1000)))


@pytest.mark.parametrize(
    ("known", "told_of"),
    [
        ([], [(0, 20, "none", "", "")]),
        ([calibration("C-1", -100)], []),
        ([calibration("C-1", -100, due=12)], [(12, 20, "overdue", "C-1", "")]),
        ([calibration("C-1", -100, due=-5)], [(0, 20, "overdue", "C-1", "")]),
        ([calibration("C-1", -100, due=8), calibration("C-2", 8)], []),
        (
            [calibration("C-1", -100), calibration("C-2", 900, found=Outcome.FAILED)],
            [(0, 20, "failed", "C-2", "as_found")],
        ),
        (
            [
                calibration("C-1", -100),
                calibration("C-2", 8, found=Outcome.PASSED),
                calibration("C-3", 900, found=Outcome.FAILED),
            ],
            [(8, 20, "failed", "C-3", "as_found")],
        ),
        (
            [calibration("C-1", -100, left=Outcome.FAILED)],
            [(0, 20, "failed", "C-1", "as_left")],
        ),
        ([calibration("C-1", -100, subject=KEY)], []),  # the loop as a whole
        ([calibration("C-1", 5)], [(0, 5, "none", "", "")]),
    ],
)
def test_a_sensor_is_looked_up_at_the_time_of_the_readings(
    known: list[Calibration], told_of: list[tuple[float, float, str, str, str]]
) -> None:
    found = record(installations=(FITTED,), calibrations=tuple(known))
    items = told(found, ExceptionKind.CALIBRATION)
    assert [
        (each.start, each.end, *(each.details[name] for name in ("state", "certificate", "reason")))
        for each in items
    ] == [(at(start), at(end), *rest) for start, end, *rest in told_of]
    pieces = found.parameters[0].instruments
    assert passes(found, ExceptionKind.CALIBRATION) == len(pieces) - len(items)


def test_a_good_calibration_made_later_changes_nothing() -> None:
    known = (calibration("C-1", -100, due=500),)
    later = (*known, calibration("C-2", 400, due=900))
    before, after = (record(installations=(FITTED,), calibrations=each) for each in (known, later))
    assert encode_record(before) == encode_record(after)


def test_a_sensor_that_was_swapped_is_judged_by_its_own_calibration() -> None:
    other = PhysicalAssetId("PT100-18")
    installations = (
        replace(FITTED, validity=Validity(start=at(-1000), end=at(10))),
        Installation(physical_asset=other, role=KEY, validity=Validity(start=at(10))),
    )
    known = (calibration("C-1", -100), calibration("C-9", -100, due=-50, subject=other))
    found = record(installations=installations, calibrations=known)
    (item,) = told(found, ExceptionKind.CALIBRATION)
    assert (item.start, item.details["sensor"], item.details["certificate"]) == (
        at(10),
        other,
        "C-9",
    )


def test_where_nobody_says_what_the_sensor_was_its_place_is_shown_empty() -> None:
    found = record()
    (piece,) = found.parameters[0].instruments
    assert (piece.sensor, piece.state) == (None, None)
    assert passes(found, ExceptionKind.CALIBRATION) == 0


JOB = Job(
    job=JobId("J-1"),
    order=OrderId("WO-1"),
    lot=LOT,
    operation="seal",
    run=1,
    equipment=EquipmentPath(UNIT),
)


def recipe(personnel: Personnel, tolerance: Decimal | None = None) -> Recipe:
    operation = Operation(name=OperationName("seal"), personnel=personnel)
    return Recipe(
        gtin=check_gtin(GTIN),
        revision="1",
        procedure=(UnitProcedure(name="press", operations=(operation,)),),
        tolerance=tolerance,
    )


def training(person: str, *, start: float = -100, end: float | None = None) -> Qualification:
    return Qualification(
        person=PersonId(person),
        operation=OperationName("seal"),
        equipment=None,
        validity=Validity(start=at(start), end=None if end is None else at(end)),
    )


@pytest.mark.parametrize(
    ("known", "person"),
    [
        ((training("op.zhao"),), None),
        ((), "op.zhao"),
        ((training("op.qian"),), "op.zhao"),
        ((training("op.zhao", end=-50),), "op.zhao"),
    ],
)
def test_an_operation_for_qualified_persons_is_held_against_their_training(
    known: tuple[Qualification, ...], person: str | None
) -> None:
    found = record(jobs=(JOB,), recipe=recipe(Personnel.QUALIFIED), qualifications=known)
    items = told(found, ExceptionKind.QUALIFICATION)
    assert [each.details["person"] for each in items] == ([] if person is None else [person])
    assert passes(found, ExceptionKind.QUALIFICATION) == (1 if person is None else 0)


def test_that_nobody_is_known_to_have_done_it_is_told() -> None:
    said = case()
    said["facts"][0] |= {"authority": "CONTROLLER", "source": "press-1/lot-id"}
    found = record(said=said, jobs=(JOB,), recipe=recipe(Personnel.QUALIFIED))
    (item,) = told(found, ExceptionKind.QUALIFICATION)
    assert item.details == {"operation": "seal", "person": ""}
    assert not told(
        record(said=said, jobs=(JOB,), recipe=recipe(Personnel.ANYBODY)),
        ExceptionKind.QUALIFICATION,
    )


def flow(into: str = "10", out: str = "10", unit: str = "kg", tolerance: str = "0") -> Edge:
    return Edge(
        kind=EdgeKind.TRANSFORMATION,
        start=at(1),
        end=at(19),
        inputs=(Part(item=lot_item(FILM), quantity=quantity(into, "kg")),),
        outputs=(Part(item=lot_item(LOT), quantity=quantity(out, unit)),),
        source="mes",
        tolerance=Decimal(tolerance),
    )


@pytest.mark.parametrize(
    ("expires", "stopped", "kinds"),
    [
        (None, (), set()),
        (100, (), set()),
        (10, (), {"expired_material"}),
        (19, (), {"expired_material"}),
        (None, (Validity(start=at(-10), end=at(-1)),), set()),
        (None, (Validity(start=at(-10), end=at(2)),), {"held_material"}),
        (None, (Validity(start=at(19)),), {"held_material"}),
        (None, (Validity(start=at(20)),), set()),
    ],
)
def test_what_went_in_was_in_date_and_not_stopped(
    expires: float | None, stopped: tuple[Validity, ...], kinds: set[str]
) -> None:
    lot = Lot(key=FILM, material="Film", expires=None if expires is None else at(expires))
    found = record(flows=(flow(),), stock={FILM: Stock(lot=lot, stopped=stopped)})
    wanted = (ExceptionKind.EXPIRED, ExceptionKind.HELD)
    assert {kind.value for kind in wanted if told(found, kind)} == kinds
    assert sum(passes(found, kind) for kind in wanted) == 2 - len(kinds)
    (material,) = json.loads(encode_record(found))["materials"]
    assert (material["lot"]["lot"], material["quantity"]) == ("F-7", "10 kg")


@pytest.mark.parametrize(
    ("edge", "declared", "outside", "judged"),
    [
        (flow(out="9"), None, False, False),  # nobody has declared a tolerance
        (flow(out="9"), Decimal(0), True, True),
        (flow(), Decimal(0), False, True),
        (flow(out="9", tolerance="0.05"), None, True, True),
        (flow(out="9", tolerance="0.1"), None, False, True),
        (flow(out="9", tolerance="0.9"), Decimal("0.05"), True, True),  # the master data decide
        (flow(out="9.6"), Decimal("0.05"), False, True),
        (flow(out="11"), Decimal("0.05"), True, True),
        (flow(out="500", unit="1"), Decimal("0.05"), False, False),
    ],
)
def test_mass_balance_is_held_against_the_tolerance_that_was_approved(
    edge: Edge, declared: Decimal | None, outside: bool, judged: bool
) -> None:
    found = record(flows=(edge,), recipe=recipe(Personnel.ANYBODY, declared))
    assert bool(told(found, ExceptionKind.BALANCE)) is outside
    assert passes(found, ExceptionKind.BALANCE) == int(judged and not outside)
    (balance,) = json.loads(encode_record(found))["balances"]
    assert (balance["state"] in ("unknown", "undeclared")) is not judged


def entry(value: str | None = "121.5", **changes: Any) -> Entry:
    said = {
        "lot": LOT,
        "parameter": ParameterName("plate temperature"),
        "unit": "Cel",
        "time": at(5),
        "by": "op.zhao",
        "reason": "the display was read",
        "recorded": at(6),
        "check": Check("op.qian", at(7), "seen as well"),
    }
    return Entry(value=value, **{**said, **changes})


def test_a_typed_value_is_no_reading() -> None:
    without, found = record(), record(entries=(entry("9000", unit="K"),))
    assert found.readings == without.readings
    assert found.parameters[0].figures == without.parameters[0].figures
    (typed,) = json.loads(encode_record(found))["entries"]
    assert (typed["source"], typed["check"]["by"]) == ("op.zhao", "op.qian")


@pytest.mark.parametrize("check", [None, Check("op.zhao", at(7), "I am sure")])
def test_a_typed_value_that_nobody_else_has_checked_is_told(check: Check | None) -> None:
    (item,) = told(record(entries=(entry(check=check),)), ExceptionKind.ENTRY)
    assert item.details["by"] == "op.zhao"
    assert not told(record(entries=(entry(),)), ExceptionKind.ENTRY)


def test_a_typed_value_outside_of_a_limit_is_told() -> None:
    (item,) = told(record(entries=(entry("400", unit="K"),)), ExceptionKind.EXCURSION)
    assert item.details["limit"] == "alert-high"
    assert item.details["extreme"] == pytest.approx(126.85)
    assert item.details["readings"] == 0
    assert told(record(entries=(entry("4", unit="bar"),)), ExceptionKind.UNIT_MISMATCH)
    assert not record(entries=(entry("clean", unit=""),)).exceptions


def result(verdict: str, *, of: str = "LIMS-77", version: int = 1) -> ResultVersion:
    return ResultVersion(
        result=LabResult(
            lot=LOT,
            result=of,
            test="sterility",
            value="no growth",
            verdict=ResultVerdict(verdict),
            time=at(60),
        ),
        version=version,
        recorded_time=at(90 + version),
        recorded_by="lims",
    )


@pytest.mark.parametrize(
    ("verdicts", "failed", "passed"),
    [
        ((), 0, 0),
        (("pass",), 0, 1),
        (("fail",), 1, 0),
        (("not_judged",), 0, 0),
        (("fail", "pass"), 0, 1),
        (("pass", "fail"), 1, 0),
        (("fail", "not_judged"), 0, 0),
    ],
)
def test_the_result_in_force_decides_and_every_version_stays(
    verdicts: tuple[str, ...], failed: int, passed: int
) -> None:
    recorded = tuple(result(each, version=number) for number, each in enumerate(verdicts, start=1))
    inputs = replace(inputs_of(case(), MOVING), test_results=recorded)
    found = assemble(inputs)
    data = encode_record(found)
    assert encode_record(assemble(replace(inputs, test_results=recorded[::-1]))) == data
    items = told(found, ExceptionKind.FAILED_TEST)
    assert (len(items), passes(found, ExceptionKind.FAILED_TEST)) == (failed, passed)
    assert all(item.details["version"] == len(verdicts) for item in items)
    shown = json.loads(data)["test_results"]
    assert [each["verdict"] for each in shown] == list(verdicts)
    assert [each["superseded"] for each in shown] == [True] * (len(verdicts) - 1) + [False] * bool(
        verdicts
    )


def test_results_are_corrected_one_by_one() -> None:
    recorded = (result("fail"), result("pass", version=2), result("fail", of="LIMS-78"))
    found = assemble(replace(inputs_of(case(), MOVING), test_results=recorded))
    (item,) = told(found, ExceptionKind.FAILED_TEST)
    assert (item.subject, item.details["result"], item.start) == ("sterility", "LIMS-78", at(60))
    assert describe({"id": item.id, **item.to_json()}) == (
        "found no growth; specified: – (result LIMS-78, version 1)"
    )


def test_a_corrected_entry_stays_and_is_not_judged() -> None:
    wrong = entry("400", unit="K")
    right = entry("122", supersedes=wrong.id, reason="read wrongly")
    found = record(entries=(right, wrong))
    assert not found.exceptions
    assert len(found.entries) == 2
    gone = entry(None, supersedes=wrong.id, check=None, reason="of another lot")
    (item,) = record(entries=(wrong, gone)).exceptions
    assert item.kind is ExceptionKind.ENTRY, "that it is taken back is checked as well"


def test_settings_of_two_gateways_are_not_held_against_each_other() -> None:
    inputs = inputs_of(case(), MOVING)
    other = replace(chain_of({"settings": [[-50, "01"]]}), gateway=type(GATEWAY)("gw-02"))
    found = assemble(replace(inputs, chains=(*inputs.chains, other)))
    assert not told(found, ExceptionKind.SETTINGS)
    assert passes(found, ExceptionKind.SETTINGS) == 2


@given(st.randoms(use_true_random=False))
def test_in_whatever_order_it_was_told_the_record_is_the_same(chance: random.Random) -> None:
    told_of: dict[str, Any] = {
        "installations": [FITTED, replace(FITTED, validity=Validity(start=at(7)))],
        "calibrations": [calibration("C-1", -100, due=5), calibration("C-2", 4)],
        "qualifications": [training("op.zhao"), training("op.qian")],
        "flows": [flow(out="9", tolerance="0.05"), flow(out="8", tolerance="0.05")],
        "revoked": [
            RevokedKey(gateway=GATEWAY, kid=kid * 8, epoch=EPOCH, number=5, reason="stolen")
            for kid in ("ab", "cd")
        ],
    }
    typed = [entry("121"), entry("122", check=None), entry("140")]
    before = record(
        entries=tuple(typed), recipe=recipe(Personnel.QUALIFIED), jobs=(JOB,), **told_of
    )
    for each in (*told_of.values(), typed):
        chance.shuffle(each)
    after = record(entries=tuple(typed), recipe=recipe(Personnel.QUALIFIED), jobs=(JOB,), **told_of)
    assert encode_record(after) == encode_record(before)
