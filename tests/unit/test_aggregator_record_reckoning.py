"""Completeness, exceptions and figures, held against a reckoning by another library."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from aggregator.model.completeness import Flaw, check_completeness, proven
from aggregator.model.record.assemble import Inputs, assemble
from aggregator.model.record.batch_record import (
    BatchRecord,
    Earlier,
    RecordState,
    RefusedSeal,
    SealResult,
)
from aggregator.model.record.document import encode_record
from protocols.wire.reading import SECOND, Status
from tests.cases.record_case import EPOCH, GATEWAY, GTIN, Arrived, at, chain_of, inputs_of
from tests.data import third_party

SIGNAL = "press-1/plate-temperature"
CASE: dict[str, Any] = {
    "lot": [GTIN, "L-1"],
    "signals": [{"signal": SIGNAL, "unit": "Cel"}],
    "parameters": [
        {
            "parameter": "plate temperature",
            "signal": SIGNAL,
            "unit": "Cel",
            "gap_max_s": 3,
            "limits": {"alert_high": 125},
        }
    ],
    "facts": [{"lot": [GTIN, "L-1"], "start": 0, "end": 10}],
}
STEADY = [Arrived(signal=SIGNAL, time=at(t), value=120.0, position=t) for t in range(10)]


def record(case: dict[str, Any], readings: list[Arrived], **changes: Any) -> BatchRecord:
    return assemble(replace(inputs_of({**CASE, **case}, readings), **changes))


def kinds(found: BatchRecord) -> list[str]:
    return [item.kind.value for item in found.exceptions]


@pytest.mark.parametrize(
    ("chain", "flaw"),
    [
        ({"missing": [[4, 6]]}, Flaw.MISSING),
        ({"forked": True}, Flaw.FORKED),
        ({"sealed_from": 5}, Flaw.LATE_START),
        ({"sealed_through": 10}, Flaw.NOT_YET),
        ({"sealed_through": 10.5, "uncertainty_s": 0.5}, Flaw.NOT_YET),
        ({"after": None}, Flaw.NOT_YET),
    ],
)
def test_a_flawed_chain_is_never_complete(chain: dict[str, Any], flaw: Flaw) -> None:
    findings = check_completeness([chain_of(chain)], GATEWAY, at(0), at(10))
    assert [finding.flaw for finding in findings] == [flaw]
    found = record({"chain": chain}, STEADY)
    assert found.state is RecordState.OPEN
    assert "chain" in kinds(found)


def test_silence_is_proved_past_the_end_and_the_clocks_doubt() -> None:
    chain = {"sealed_through": 10.6, "uncertainty_s": 0.5}
    assert not check_completeness([chain_of(chain)], GATEWAY, at(0), at(10))


def test_two_epochs_leave_a_hole_between_them() -> None:
    spans = [
        chain_of({"sealed_through": 4, "after": None}),
        replace(chain_of({"sealed_from": 6}), epoch=type(EPOCH)(bytes(16))),
    ]
    (finding,) = check_completeness(spans, GATEWAY, at(0), at(10))
    assert (finding.flaw, finding.start, finding.end) == (Flaw.BETWEEN, at(4), at(6))
    assert len(proven(spans, GATEWAY)) == 2


def test_no_chain_at_all_proves_nothing() -> None:
    (finding,) = check_completeness([], GATEWAY, at(0), at(10))
    assert finding.flaw is Flaw.NOTHING


@pytest.mark.parametrize(
    ("case", "kind"),
    [
        ({"chain": {"approved": False}}, "epoch_unapproved"),
        ({"chain": {"clock": "FREE_RUNNING"}}, "clock_in_doubt"),
        ({"chain": {"settings": [[-100, "00"], [5, "01"]]}}, "settings_changed"),
        ({"signals": [{"signal": SIGNAL, "unit": "bar"}]}, "unit_mismatch"),
        ({"chain": {"gaps": [["press-1", 4, 5, "SUBSCRIPTION_LOST"]]}}, "gap"),
        ({"facts": [{"lot": [GTIN, "L-1"], "start": 0, "end": None}]}, "open_window"),
        ({"facts": []}, "open_window"),
    ],
)
def test_what_is_not_provably_fine_is_told(case: dict[str, Any], kind: str) -> None:
    assert kind in kinds(record(case, STEADY))


def test_a_clean_lot_has_nothing_to_judge_and_counts_its_checks() -> None:
    found = record({"chain": {"settings": [[-100, "00"], [-50, "01"]]}}, STEADY)
    assert kinds(found) == []
    assert sum(found.passed.values()) >= 15


def test_a_required_parameter_that_never_came_is_missing() -> None:
    found = record({}, [])
    assert {"missing_parameter", "gap"} == set(kinds(found))


def test_a_refused_seal_is_named() -> None:
    refused = RefusedSeal(gateway=GATEWAY, epoch=EPOCH, number=7, reason="seal")
    found = record({}, STEADY, seals=SealResult(verified=9, refused=(refused,)))
    (item,) = found.exceptions
    assert item.details == {"epoch": EPOCH.hex(), "number": 7, "reason": "seal"}


def test_late_data_are_told_once_and_for_all() -> None:
    earlier = Earlier(content_hash="aa", readings=9)
    (item,) = record({}, STEADY, earlier=earlier).exceptions
    assert (item.kind.value, item.details["readings"]) == ("late_data", 1)
    same = replace(earlier, readings=10)
    assert encode_record(record({}, STEADY, earlier=same)) == encode_record(record({}, STEADY))


def test_an_excursion_lasts_until_the_next_valid_reading_inside() -> None:
    values = [120, 126, 127, None, 126, 120, 120, 120, 126, 126]
    readings = [
        Arrived(
            signal=SIGNAL,
            time=at(t),
            value=value,
            status=Status.BAD if value is None else Status.GOOD,
            position=t,
        )
        for t, value in enumerate(values)
    ]
    (parameter,) = record({}, readings).parameters
    first, last = parameter.excursions
    assert (first.start, first.end, first.readings) == (at(1), at(5), 3)
    assert (first.extreme, first.extreme_time) == (127, at(2))
    assert (last.start, last.end, last.duration) == (at(8), None, 2 * SECOND)


def test_two_readings_of_one_instant_lie_in_one_excursion() -> None:
    pairs = [(0, 120), (1, 126), (1, 120), (1, 127), (2, 120)]
    readings = [
        Arrived(signal=SIGNAL, time=at(t), value=value, position=place)
        for place, (t, value) in enumerate(pairs)
    ]
    (excursion,) = record({}, readings).parameters[0].excursions
    assert (excursion.start, excursion.end, excursion.readings) == (at(1), at(2), 2)


def nylon() -> list[pd.DataFrame]:
    frame = pd.read_csv(third_party("process/nylon.csv.gz"))
    return [run for _, run in frame.groupby("batch_id")]


def test_figures_are_those_of_pandas_on_recorded_batches() -> None:
    for run in nylon()[:20]:
        values = run["Tag01"].to_numpy(dtype=np.float64)
        high, low = np.quantile(values, [0.9, 0.1])
        lengths = 20 + (np.arange(len(values)) * 7) % 40  # uneven, so that time must be weighed
        seconds = np.concatenate(([0], np.cumsum(lengths)[:-1]))
        end = int(lengths.sum())
        case = {
            "parameters": [
                {
                    "parameter": "plate temperature",
                    "signal": SIGNAL,
                    "unit": "Cel",
                    "gap_max_s": 100,
                    "limits": {"alert_high": float(high), "alert_low": float(low)},
                }
            ],
            "facts": [{"lot": [GTIN, "L-1"], "start": 0, "end": end}],
        }
        readings = [
            Arrived(signal=SIGNAL, time=at(int(second)), value=float(value), position=place)
            for place, (second, value) in enumerate(zip(seconds, values, strict=True))
        ]
        (parameter,) = record(case, readings).parameters
        index = pd.to_timedelta(np.append(seconds, end), unit="s")
        held = pd.Series(np.append(values, values[-1]), index=index).resample("1s").ffill()[:-1]
        figures = parameter.figures
        assert figures.mean == pytest.approx(held.mean(), rel=1e-12)
        assert (figures.min, figures.max) == (held.min(), held.max())
        assert (figures.first, figures.last) == (values[0], values[-1])
        for name, outside in (("alert-high", held > high), ("alert-low", held < low)):
            own = [each for each in parameter.excursions if each.limit == name]
            runs = int((outside & ~outside.shift(fill_value=False)).sum())
            assert len(own) == runs
            assert sum(each.duration for each in own) == int(outside.sum()) * SECOND


def test_the_document_says_all_that_the_record_knows() -> None:
    found: dict[str, Any] = json.loads(encode_record(record({}, STEADY)))
    assert found["format"] == "lotproof-record-v1"
    assert found["lot"] == {
        "gtin": GTIN,
        "lot": "L-1",
        "material": "Sealed pouch",
        "quantity": "",
        "udi": f"(01){GTIN}(10)L-1",
        "units": [],
        "manufactured": None,
        "expires": None,
    }
    assert found["rule_settings"]["edge_tolerance_ns"] == 30 * SECOND
    assert found["window"] == {
        "start": "2026-11-18T11:06:40.000000000Z",
        "end": "2026-11-18T11:06:50.000000000Z",
    }


def test_inputs_are_enough_to_replay() -> None:
    inputs = inputs_of(CASE, STEADY)
    assert isinstance(inputs, Inputs)
    assert encode_record(assemble(inputs)) == encode_record(assemble(inputs))
