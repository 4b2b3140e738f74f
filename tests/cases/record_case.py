"""A case of the batch record as a folder of data: what came, what is known, what must come out.

``case.json`` holds master data and facts, ``readings.csv`` the readings in the order in which they
arrived, times in seconds after ``T0``. A case may name a naive rule and what it would say. Where it
lists ``bundles``, times are those of the gateway's clock, and the headers place them.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from aggregator.model.binding.descent import Descent, Portion
from aggregator.model.binding.fact import Authority, Fact, FactKind
from aggregator.model.binding.locate import Plant
from aggregator.model.clock_doubt import clock_steps
from aggregator.model.completeness import ChainSpan, SettingsChange
from aggregator.model.lab_result import LabResult, ResultVerdict, ResultVersion
from aggregator.model.master.equipment import (
    Equipment,
    EquipmentPath,
    Occupancy,
    Residence,
    SignalRole,
    SignalSpec,
)
from aggregator.model.master.lot import Lot, LotKey, check_lot_key
from aggregator.model.master.read_point import PresenceRule, Travel
from aggregator.model.master.recipe import (
    Aggregation,
    Criticality,
    Limits,
    ParameterName,
    ParameterSpec,
    PhaseName,
    Sampling,
    SamplingContract,
)
from aggregator.model.placing import Moves, doubted
from aggregator.model.record.assemble import Inputs
from aggregator.model.record.circumstances import Circumstances, UnitChange
from aggregator.model.record.entry import Check, Entry
from aggregator.model.series import Given, Series, SignalKey
from protocols.wire.dossier.placement import Stamp, placements
from protocols.wire.header import Clock, ClockState, Epoch, GatewayId
from protocols.wire.reading import SECOND, Gap, GapReason, Kind, SignalName, Status, TagRead

T0: Final = 1_795_000_000 * SECOND
GATEWAY: Final = GatewayId("gw-01")
GTIN: Final = "09506000134352"
OTHER_GTIN: Final = "04012345123456"
UNIT: Final = "acme/suzhou/cleanroom-1/line-1/press-1"
EPOCH: Final = Epoch(bytes(range(16)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """One row of readings.csv."""

    signal: str
    time: int
    value: object
    status: Status = Status.GOOD
    position: int = 0


def ns(seconds: float | None) -> int | None:
    return None if seconds is None else T0 + round(seconds * SECOND)


def at(seconds: float) -> int:
    return T0 + round(seconds * SECOND)


def load_case(folder: Path) -> tuple[dict[str, Any], list[Arrived], Inputs]:
    """Return the case as written, its readings and the inputs that they make."""
    case = json.loads((folder / "case.json").read_text())
    kinds = {spec["signal"]: Kind[spec.get("kind", "FLOAT64")] for spec in case["signals"]}
    with (folder / "readings.csv").open() as file:
        readings = [_arrived(row, kinds) for row in csv.DictReader(file)]
    return case, readings, inputs_of(case, readings)


def inputs_of(case: Mapping[str, Any], readings: Sequence[Arrived]) -> Inputs:
    signals = tuple(_signal(spec) for spec in case["signals"])
    stamps = [_stamp(spec) for spec in case.get("bundles", [])]
    lots = tuple(_lot(each) for each in case.get("lots", [case["lot"]]))
    return Inputs(
        lot=Lot(key=_lot(case["lot"]), material="Sealed pouch"),
        plant=Plant(
            equipment=tuple(
                Equipment(
                    path=EquipmentPath(path),
                    occupancy=Occupancy(mode),
                    residence=_residence(case) if mode == "continuous" else None,
                )
                for path, mode in case.get("equipment", {}).items()
            ),
            signals=signals,
            lots=lots,
        ),
        parameters=tuple(_parameter(spec) for spec in case["parameters"]),
        facts=tuple(_fact(each) for each in case.get("facts", [])),
        descents=tuple(_descent(each) for each in case.get("descents", [])),
        series={spec.key: _placed(series_of(spec, readings), stamps) for spec in signals},
        chains=(
            replace(
                chain_of(case.get("chain", {})),
                placements=tuple(placements(stamps).values()),
                steps=clock_steps(stamps),
            ),
        ),
        entries=tuple(_entry(each, case) for each in case.get("entries", [])),
        test_results=tuple(_result(each, case) for each in case.get("test_results", [])),
        circumstances=Circumstances(
            unit_changes=tuple(_unit_change(each) for each in case.get("unit_changes", []))
        ),
    )


def series_of(spec: SignalSpec, readings: Iterable[Arrived]) -> Series:
    """Return a signal's readings in order of time, as an index gives them."""
    own = sorted(
        (each for each in readings if each.signal == spec.key.signal),
        key=lambda each: (each.time, each.position),
    )
    times = np.array([each.time for each in own], dtype=np.int64)
    numeric = spec.kind in (Kind.FLOAT32, Kind.FLOAT64, Kind.INT, Kind.UINT)
    dtype: Any = np.float64 if spec.kind in (Kind.FLOAT32, Kind.FLOAT64) else np.int64
    values: Any = [0 if each.value is None and numeric else each.value for each in own]
    array = np.array(values, dtype=dtype) if numeric else np.empty(len(own), dtype=object)
    if not numeric:
        array[:] = values
    positions = np.array([each.position for each in own], dtype=np.int64)
    return Series(
        key=spec.key,
        kind=spec.kind,
        times=times,
        gateway_times=times,
        present=np.array([each.value is not None for each in own], dtype=np.bool_),
        statuses=np.array([each.status for each in own], dtype=np.int8),
        codes=np.zeros(len(own), dtype=np.int64),
        epochs=np.zeros(len(own), dtype=np.int16),
        epoch_ids=(EPOCH,),
        numbers=positions // 100,
        content=Given(array, positions),
    )


def chain_of(spec: Mapping[str, Any]) -> ChainSpan:
    """Return a whole chain around every case, but for what ``spec`` says."""
    settings = spec.get("settings", [[-100, "00"]])
    return ChainSpan(
        gateway=GATEWAY,
        epoch=EPOCH,
        approved=spec.get("approved", True),
        first=1,
        last=9,
        before=0,
        after=spec.get("after", 10),
        first_leaf=bytes(32),
        last_leaf=bytes(32),
        missing=tuple(range(low, high) for low, high in spec.get("missing", [])),
        forked=spec.get("forked", False),
        head=10,
        sealed_from=at(spec.get("sealed_from", -100)),
        sealed_through=at(spec.get("sealed_through", 1e6)),
        uncertainty=round(spec.get("uncertainty_s", 0) * SECOND),
        clock=ClockState[spec.get("clock", "SYNCHRONISED")],
        settings=tuple(SettingsChange(at(when), bytes.fromhex(text)) for when, text in settings),
        gaps=tuple(
            Gap(subject=subject, start=at(low), end=at(high), reason=GapReason[reason])
            for subject, low, high, reason in spec.get("gaps", [])
        ),
        readings=900,
        bundles=9,
    )


def _placed(series: Series, stamps: Sequence[Stamp]) -> Series:
    found = tuple(placements(stamps).values())
    if not found:
        return series
    moves = Moves.of(found)
    times = moves.times(series.times, series.gateway_times, series.numbers)
    return doubted(replace(series, times=times), {EPOCH: moves})


def _stamp(spec: Mapping[str, Any]) -> Stamp:
    """Return what a header says: by its own clock, ``monotonic`` seconds after its boot."""
    sealed = at(spec["sealed"])
    return Stamp(
        number=spec["number"],
        boot=bytes([spec.get("boot", 1)]) * 16,
        first_time=at(spec.get("first", spec["sealed"])),
        last_time=sealed,
        sealed_time=sealed,
        sealed_monotonic=round(spec["monotonic"] * SECOND),
        clock=Clock(
            state=ClockState[spec.get("clock", "SYNCHRONISED")],
            uncertainty=round(spec.get("uncertainty_s", 0.001) * SECOND),
            floor=at(spec.get("floor", -1e6)),
        ),
    )


def look_up(document: object, path: str) -> Any:
    """Return what stands at ``parameters.0.figures.mean``; ``#`` counts a list."""
    for step in path.split("."):
        if step == "#":
            document = len(document)  # type: ignore[arg-type]
        elif isinstance(document, list):
            document = document[int(step)]
        else:
            document = document[step]  # type: ignore[index]
    return document


def _arrived(row: Mapping[str, str], kinds: Mapping[str, Kind]) -> Arrived:
    kind = kinds[row["signal"]]
    text = row["value"]
    value: object
    if kind is Kind.TAG_READ:
        time = at(float(row["time"]))
        value = TagRead(
            epc=bytes.fromhex(text),
            epc_bits=96,
            antenna=1,
            rssi=int(row.get("rssi") or -5000),
            first_seen=time,
            last_seen=time,
            count=int(row.get("count") or 1),
        )
    elif kind is Kind.TEXT:
        value = text
    elif text == "":
        value = None
    else:
        value = int(text) if kind in (Kind.INT, Kind.UINT) else float(text)
        if kind is Kind.FLOAT32:
            value = float(np.float32(text))
    return Arrived(
        signal=row["signal"],
        time=at(float(row["time"])),
        value=value,
        status=Status[row.get("status") or "GOOD"],
        position=int(row["position"]),
    )


def _lot(names: Sequence[str]) -> LotKey:
    return check_lot_key(*names)


def _residence(case: Mapping[str, Any]) -> Residence:
    offset, spread = case["residence_s"]
    return Residence(offset=round(offset * SECOND), spread=round(spread * SECOND))


def _signal(spec: Mapping[str, Any]) -> SignalSpec:
    return SignalSpec(
        key=SignalKey(GATEWAY, SignalName(spec["signal"])),
        equipment=EquipmentPath(spec.get("equipment", UNIT)),
        kind=Kind[spec.get("kind", "FLOAT64")],
        unit=spec.get("unit", ""),
        role=SignalRole(spec.get("role", "variable")),
        presence=_presence(spec["presence"]) if "presence" in spec else None,
    )


def _presence(spec: Mapping[str, Any]) -> PresenceRule:
    travels = tuple(Travel(*each) for each in spec.get("travels", ()))
    return PresenceRule(**{**spec, "travels": travels})


def _parameter(spec: Mapping[str, Any]) -> ParameterSpec:
    gap_max = spec.get("gap_max_s")
    return ParameterSpec(
        parameter=ParameterName(spec["parameter"]),
        signal=SignalKey(GATEWAY, SignalName(spec["signal"])),
        unit=spec.get("unit", ""),
        limits=Limits(**spec.get("limits", {})),
        sampling=SamplingContract(
            sampling=Sampling(spec.get("sampling", "periodic")),
            gap_max=None if gap_max is None else round(gap_max * SECOND),
        ),
        criticality=Criticality(spec.get("criticality", "key")),
        phase=PhaseName(spec["phase"]) if "phase" in spec else None,
        aggregation=Aggregation(spec.get("aggregation", "time_weighted_mean")),
        stuck_after=round(spec["stuck_after_s"] * SECOND) if "stuck_after_s" in spec else None,
    )


def _descent(spec: Mapping[str, Any]) -> Descent:
    child, parent = (
        Portion(_lot(names[:2]), *names[2:]) for names in (spec["child"], spec["parent"])
    )
    return Descent(child=child, parent=parent, until=at(spec["until"]), edge=spec.get("edge", ""))


def _unit_change(spec: Mapping[str, Any]) -> UnitChange:
    return UnitChange(
        signal=SignalKey(GATEWAY, SignalName(spec["signal"])),
        time=at(spec["at"]),
        before=spec["before"],
        after=spec["after"],
    )


def _entry(spec: Mapping[str, Any], case: Mapping[str, Any]) -> Entry:
    return Entry(
        lot=_lot(case["lot"]),
        parameter=ParameterName(spec["parameter"]),
        value=spec["value"],
        unit=spec.get("unit", ""),
        time=at(spec["at"]),
        by=spec["by"],
        reason=spec["reason"],
        recorded=at(spec["at"]),
        supersedes=spec.get("supersedes"),
        check=Check(spec["checked_by"], at(spec["at"]), "seen") if "checked_by" in spec else None,
    )


def _result(spec: Mapping[str, Any], case: Mapping[str, Any]) -> ResultVersion:
    return ResultVersion(
        result=LabResult(
            lot=_lot(case["lot"]),
            result=spec["result"],
            test=spec["test"],
            value=spec["value"],
            unit=spec.get("unit", ""),
            verdict=ResultVerdict(spec.get("verdict", "not_judged")),
            specification=spec.get("specification", ""),
            instrument=spec.get("instrument", ""),
            analyst=spec.get("analyst", ""),
            time=at(spec.get("at", 0)),
        ),
        version=spec.get("version", 1),
        recorded_time=at(spec.get("recorded", 0)),
        recorded_by=spec.get("source", "lims"),
    )


def _fact(spec: Mapping[str, Any]) -> Fact:
    return Fact(
        kind=FactKind(spec.get("kind", "occupancy")),
        start=at(spec["start"]),
        end=ns(spec["end"]),
        authority=Authority[spec.get("authority", "OPERATOR")],
        source=spec.get("source", "mes"),
        equipment=EquipmentPath(spec.get("equipment", UNIT)),
        lot=_lot(spec["lot"]) if spec.get("lot") else None,
        part=spec.get("part", ""),
        job=spec.get("job"),
        carrier=spec.get("carrier"),
        text=spec.get("text", ""),
        recorded=at(spec.get("recorded", 0)),
    )
