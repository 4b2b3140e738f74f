"""Figures of signals that share their arrays are those of signals that do not."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np

from aggregator.model.once import Once
from aggregator.model.record.assemble import assemble
from aggregator.model.record.document import encode_record
from protocols.wire.reading import Status
from tests.cases.record_case import GTIN, Arrived, at, inputs_of

SIGNALS = [f"press-1/signal-{number}" for number in range(3)]
CASE: dict[str, Any] = {
    "lot": [GTIN, "L-1"],
    "signals": [{"signal": signal, "unit": "Cel"} for signal in SIGNALS],
    "parameters": [
        {
            "parameter": signal,
            "signal": signal,
            "unit": "Cel",
            "gap_max_s": gap,
            "limits": {"alert_high": 125},
        }
        for signal, gap in zip(SIGNALS, (3, 3, 1), strict=True)
    ],
    "facts": [
        {"lot": [GTIN, "L-1"], "start": 1, "end": 6},
        {"lot": [GTIN, "L-1"], "start": 8, "end": 12},
    ],
}


def read_together() -> list[Arrived]:
    """Three signals at the same times, one of them BAD and one silent for a while."""
    return [
        Arrived(
            signal=signal,
            time=at(t),
            value=120.0 + number * t,
            position=3 * t + number,
            status=Status.BAD if t == 5 else Status.GOOD,
        )
        for number, signal in enumerate(SIGNALS)
        for t in (*range(3), *range(4, 12))
    ]


def test_sharing_changes_no_byte_of_a_record() -> None:
    apart = inputs_of(CASE, read_together())
    first = next(iter(apart.series.values()))
    own = {"times": first.times, "present": first.present, "statuses": first.statuses}
    for series in apart.series.values():
        assert all(np.array_equal(getattr(series, name), array) for name, array in own.items())
    together = {key: replace(series, **own) for key, series in apart.series.items()}  # type: ignore[arg-type] # they are the arrays' names
    record = encode_record(assemble(apart))
    assert encode_record(assemble(replace(apart, series=together))) == record
    gaps = [each["gaps"] for each in json.loads(record)["other_parameters"]]
    assert gaps[0] == gaps[1] != gaps[2]


def test_arrays_are_known_by_themselves_and_all_else_by_its_worth() -> None:
    asked: list[int] = []

    def total(array: np.ndarray[Any, Any], more: tuple[int, ...]) -> int:
        asked.append(1)
        return int(array.sum()) + sum(more)

    once, one = Once(), np.arange(3)
    assert [once.of(total, one, (1, 2)), once.of(total, one, (1, 2))] == [6, 6]
    assert len(asked) == 1
    assert once.of(total, one.copy(), (1, 2)) == 6
    assert once.of(total, one, (2,)) == 5
    assert len(asked) == 3
