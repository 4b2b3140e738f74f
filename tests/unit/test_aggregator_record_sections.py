"""Sections of a record by operation and phase, their figures held against pandas."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from aggregator.model.binding.fact import Authority, Fact, FactKind
from aggregator.model.master.equipment import EquipmentPath
from aggregator.model.master.lot import check_lot_key
from aggregator.model.master.order import Job, JobId, OrderId
from aggregator.model.record.assemble import assemble
from aggregator.model.record.batch_record import BatchRecord, Section
from aggregator.model.record.document import encode_record
from aggregator.model.record.exceptions import ExceptionKind
from protocols.wire.reading import SECOND, Status
from tests.cases.record_case import GTIN, UNIT, Arrived, at, inputs_of

SIGNAL = "press-1/plate-temperature"
COUNTER = "press-1/cycles"
LOT = check_lot_key(GTIN, "L-1")
OVEN = "acme/suzhou/cleanroom-1/line-1/oven-1"
RNG = np.random.default_rng(20261122)
# Uneven times, BAD readings, a step between the operations: what an average of averages gets wrong.
SECONDS = np.cumsum(RNG.integers(1, 4, size=400))
VALUES = np.round(
    120 + np.sin(SECONDS / 40) + np.where(SECONDS > 500, 15, 0) + RNG.normal(0, 0.3, 400), 3
)
BAD = RNG.random(400) < 0.1
READINGS = [
    Arrived(
        signal=SIGNAL,
        time=at(int(second)),
        value=float(value),
        status=Status.BAD if bad else Status.GOOD,
        position=place,
    )
    for place, (second, value, bad) in enumerate(zip(SECONDS, VALUES, BAD, strict=True))
]
RUNS = {"J-1": (20, 410), "J-2": (500, 760)}


def case(**parameter: Any) -> dict[str, Any]:
    return {
        "lot": [GTIN, "L-1"],
        "signals": [{"signal": SIGNAL, "unit": "Cel"}],
        "parameters": [
            {
                "parameter": "plate temperature",
                "signal": SIGNAL,
                "unit": "Cel",
                "gap_max_s": 60,
                "limits": {"action_high": 130},
                **parameter,
            }
        ],
        "facts": [
            {"lot": [GTIN, "L-1"], "start": start, "end": end} for start, end in RUNS.values()
        ],
    }


JOBS = tuple(
    Job(
        job=JobId(name),
        order=OrderId("WO-1"),
        lot=LOT,
        operation="seal",
        run=run,
        equipment=EquipmentPath(UNIT),
    )
    for run, name in enumerate(RUNS, start=1)
)


def phase(name: str, start: float, end: float | None, **changes: Any) -> Fact:
    said = {
        "kind": FactKind.PHASE,
        "authority": Authority.OPERATOR,
        "source": "mes",
        "equipment": EquipmentPath(UNIT),
        "text": name,
        "recorded": at(0),
    }
    return Fact(start=at(start), end=None if end is None else at(end), **{**said, **changes})


def record(said: dict[str, Any] | None = None, phases: tuple[Fact, ...] = ()) -> BatchRecord:
    inputs = inputs_of(said or case(), READINGS)
    occupied = (
        replace(fact, job=JobId(name)) for fact, name in zip(inputs.facts, RUNS, strict=True)
    )
    return assemble(replace(inputs, jobs=JOBS, facts=(*occupied, *phases)))


def held() -> pd.Series:
    """Return the value known in every second: each holds until the next valid one."""
    valid = pd.Series(VALUES[~BAD], index=SECONDS[~BAD])
    return valid.reindex(np.arange(0, 900)).ffill()


def expected(start: int, end: int) -> dict[str, float]:
    inside = (start <= SECONDS) & (end > SECONDS) & ~BAD
    return {
        "mean": held().iloc[start:end].mean(),
        "min": VALUES[inside].min(),
        "max": VALUES[inside].max(),
        "readings": int(((start <= SECONDS) & (end > SECONDS)).sum()),
    }


def check(section: Section, start: int, end: int) -> None:
    (found,) = section.parameters
    want = expected(start, end)
    assert found.figures.mean == pytest.approx(want["mean"], rel=1e-12)
    assert (found.figures.min, found.figures.max) == (want["min"], want["max"])
    assert found.figures.readings == want["readings"]
    assert found.result == found.figures.mean


@pytest.mark.req(9)
def test_each_run_has_figures_of_its_own_and_the_whole_is_no_mean_of_means() -> None:
    found = record()
    assert [each.job.run for each in found.sections if each.job] == [1, 2]
    for section, (start, end) in zip(found.sections, RUNS.values(), strict=True):
        check(section, start, end)
    known = held()
    whole = pd.concat([known.iloc[start:end] for start, end in RUNS.values()]).mean()
    assert found.parameters[0].figures.mean == pytest.approx(whole, rel=1e-12)
    means = [section.parameters[0].figures.mean or 0.0 for section in found.sections]
    assert found.parameters[0].figures.mean != pytest.approx(float(np.mean(means)), rel=1e-3)


def test_a_phase_is_a_section_within_its_run() -> None:
    found = record(phases=(phase("heat up", 20, 100), phase("dwell", 100, 300)))
    named = [(each.job.run if each.job else 0, each.phase) for each in found.sections]
    assert named == [(1, None), (1, "heat up"), (1, "dwell"), (2, None)]
    document = json.loads(encode_record(found))
    assert document["sections"][1]["intervals"] == [
        [document["sections"][1]["intervals"][0][0], document["sections"][2]["intervals"][0][0]]
    ]
    assert {fact["text"] for fact in document["facts"]} == {"", "heat up", "dwell"}


def test_a_parameter_of_a_phase_is_judged_over_the_phase_alone() -> None:
    hot = phase("cool down", 500, 760)
    found = record(case(phase="dwell"), (phase("dwell", 100, 300), hot))
    (parameter,) = found.parameters
    assert not parameter.excursions, "the hot run is of another phase"
    assert parameter.figures.window == 200 * SECOND
    whole, dwell, *later = found.sections
    assert whole.parameters == ()
    check(dwell, 100, 300)
    assert [each.parameters for each in later] == [(), ()]


def test_a_phase_that_nobody_has_told_of_hides_nothing() -> None:
    (parameter,) = record(case(phase="dwell"), (phase("heat up", 20, 100),)).parameters
    assert parameter.excursions
    assert parameter.figures.window == sum(end - start for start, end in RUNS.values()) * SECOND


def test_a_reading_that_clocks_do_not_put_into_a_phase_is_told() -> None:
    said = {**case(phase="dwell"), "chain": {"uncertainty_s": 2}}
    found = record(said, (phase("dwell", 100, 300),))
    near = [each for each in found.exceptions if each.kind is ExceptionKind.BOUNDARY]
    assert {at(100), at(300)} <= {each.start for each in near}
    assert {each.subject for each in near} == {UNIT}


def test_a_phase_runs_no_longer_than_its_job() -> None:
    found = record(case(phase="dwell"), (phase("dwell", 0, 1000, job=JobId("J-1")),))
    check(found.sections[1], *RUNS["J-1"])
    elsewhere = phase("dwell", 0, 1000, equipment=EquipmentPath(OVEN))
    other = phase("dwell", 0, 1000, lot=check_lot_key(GTIN, "L-2"))
    assert len(record(case(), (elsewhere, other)).sections) == 2


@pytest.mark.parametrize(
    ("rule", "want"),
    [
        ("mean", lambda values: values.mean()),
        ("max", lambda values: values.max()),
        ("min", lambda values: values.min()),
        ("last", lambda values: values.iloc[-1]),
        ("total", lambda values: values.sum()),
    ],
)
def test_the_one_figure_is_the_one_that_was_specified(rule: str, want: Any) -> None:
    found = record(case(aggregation=rule))
    inside = np.zeros(len(SECONDS), dtype=bool)
    for start, end in RUNS.values():
        inside |= (start <= SECONDS) & (end > SECONDS)
    values = pd.Series(VALUES[inside & ~BAD])
    assert found.parameters[0].result == pytest.approx(want(values), rel=1e-12)


def test_the_total_of_a_counter_is_by_how_much_it_rose() -> None:
    said = case()
    said["signals"] = [{"signal": COUNTER, "kind": "INT", "role": "counter"}]
    said["parameters"] = [
        {"parameter": "cycles", "signal": COUNTER, "gap_max_s": 60, "aggregation": "total"}
    ]
    values = [*range(200), *range(600)]  # it was reset
    readings = [
        Arrived(signal=COUNTER, time=at(t), value=value, position=t)
        for t, value in enumerate(values)
    ]
    inputs = inputs_of(said, readings)
    (parameter,) = assemble(inputs).parameters
    inside = np.array(values)[np.r_[20:410]], np.array(values)[np.r_[500:760]]
    rises = sum(int(np.where(np.diff(run) < 0, run[1:], np.diff(run)).sum()) for run in inside)
    assert parameter.result == rises
