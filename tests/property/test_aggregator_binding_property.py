"""Whatever the order, the repeats and the bundles, the same readings give the same record."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.model.binding.bind import in_order, take
from aggregator.model.record.assemble import Inputs, assemble
from aggregator.model.record.document import encode_record
from aggregator.model.series import Series
from protocols.wire.reading import Status, TagRead
from tests.cases.record_case import GTIN, Arrived, at, inputs_of

SIGNAL = "press-1/plate-temperature"
CASE: dict[str, Any] = {
    "lot": [GTIN, "L-1"],
    "lots": [[GTIN, "L-1"], [GTIN, "L-2"]],
    "signals": [
        {"signal": SIGNAL, "unit": "Cel"},
        {"signal": "press-1/lot-id", "kind": "TEXT", "role": "lot_id"},
        *(
            {"signal": f"portal-{number}", "kind": "TAG_READ", "role": "tag_reads"}
            | {"equipment": f"acme/suzhou/cleanroom-1/line-1/press-{number}"}
            for number in (1, 2)
        ),
    ],
    "parameters": [
        {
            "parameter": "plate temperature",
            "signal": SIGNAL,
            "unit": "Cel",
            "gap_max_s": 3,
            "limits": {"alert_low": 116, "alert_high": 124, "action_high": 128},
            "criticality": "critical",
        }
    ],
    "facts": [
        {"lot": [GTIN, "L-1"], "start": 5, "end": 25, "recorded": 1},
        {"lot": [GTIN, "L-2"], "start": 20, "end": 30, "recorded": 2},
        {"kind": "association", "carrier": "aa", "lot": [GTIN, "L-1"], "start": -5, "end": 40},
        {"kind": "association", "carrier": "bb", "lot": [GTIN, "L-2"], "start": 0, "end": 30},
    ],
    "descents": [{"child": [GTIN, "L-1"], "parent": [GTIN, "L-2"], "until": 12}],
    "chain": {"uncertainty_s": 0.2},
}

temperatures = st.lists(
    st.tuples(
        st.integers(-20, 340).map(lambda tenths: tenths / 10),
        st.floats(100, 140, width=32),
        st.sampled_from(list(Status)),
    ),
    max_size=60,
)
lot_ids = st.lists(
    st.tuples(st.integers(-5, 35), st.sampled_from(["L-1", "L-2", "", "L-3"])),
    max_size=6,
)


tag_reads = st.lists(
    st.tuples(
        st.integers(-5, 60),
        st.sampled_from(["portal-1", "portal-2"]),
        st.sampled_from([b"\xaa", b"\xbb"]),
        st.sampled_from([-4000, -5000, -6000]),
    ),
    max_size=16,
)


def readings_of(
    values: list[tuple[float, float, Status]],
    ids: list[tuple[int, str]],
    reads: list[tuple[int, str, bytes, int]],
) -> list[Arrived]:
    rows = [
        Arrived(signal=SIGNAL, time=at(time), value=value, status=status)
        for time, value, status in values
    ] + [Arrived(signal="press-1/lot-id", time=at(time), value=text) for time, text in ids]
    rows += [
        Arrived(
            signal=portal,
            time=at(time),
            value=TagRead(
                epc=epc,
                epc_bits=8,
                antenna=1,
                rssi=rssi,
                first_seen=at(time),
                last_seen=at(time),
                count=1,
            ),
        )
        for time, portal, epc, rssi in reads
    ]
    return [replace(row, position=number) for number, row in enumerate(rows)]


def disturbed(inputs: Inputs, chance: Any) -> Inputs:
    """Return the inputs with rows in any order, some of them twice, and facts in any order."""
    facts = list(inputs.facts) * 2
    chance.shuffle(facts)
    series = {}
    for key, found in inputs.series.items():
        rows = list(range(len(found)))
        rows += chance.choices(rows, k=len(rows) // 2) if rows else []
        chance.shuffle(rows)
        series[key] = take(found, np.array(rows, dtype=np.int64))
    return replace(inputs, facts=tuple(facts), series=series)


@given(temperatures, lot_ids, tag_reads, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_order_and_repeats_change_nothing(
    values: list[tuple[float, float, Status]],
    ids: list[tuple[int, str]],
    reads: list[tuple[int, str, bytes, int]],
    chance: Any,
) -> None:
    inputs = inputs_of(CASE, readings_of(values, ids, reads))
    assert encode_record(assemble(disturbed(inputs, chance))) == encode_record(assemble(inputs))


@given(temperatures, lot_ids, tag_reads, st.integers(1, 50))
@settings(max_examples=60, deadline=None)
def test_another_bundling_gives_the_same_findings(
    values: list[tuple[float, float, Status]],
    ids: list[tuple[int, str]],
    reads: list[tuple[int, str, bytes, int]],
    size: int,
) -> None:
    inputs = inputs_of(CASE, readings_of(values, ids, reads))
    (chain,) = inputs.chains
    other = replace(
        inputs,
        series={
            key: replace(found, numbers=found.positions // size)
            for key, found in inputs.series.items()
        },
        chains=(replace(chain, last=99, after=100, bundles=99, last_leaf=bytes([1]) * 32),),
    )
    one, two = (json.loads(encode_record(assemble(each))) for each in (inputs, other))
    assert one["findings_hash"] == two["findings_hash"]
    assert one["chains"] != two["chains"]


@given(temperatures)
@settings(max_examples=60, deadline=None)
def test_every_reading_outside_lies_in_one_excursion_of_its_limit(
    values: list[tuple[float, float, Status]],
) -> None:
    inputs = inputs_of(
        {**CASE, "facts": CASE["facts"][:1], "descents": []}, readings_of(values, [], [])
    )
    record = assemble(inputs)
    (parameter,) = record.parameters
    found = series_within(inputs, at(5), at(25))
    for limit in parameter.limits:
        outside = [
            (time, value)
            for time, value in found
            if (value > limit.value if limit.side == "high" else value < limit.value)
        ]
        own = [each for each in parameter.excursions if each.limit == limit.id]
        covering = [
            [each for each in own if each.start <= time and (each.end is None or time < each.end)]
            for time, _ in outside
        ]
        assert all(len(each) == 1 for each in covering)
        assert sum(each.readings for each in own) == len(outside)


@given(temperatures)
@settings(max_examples=60, deadline=None)
def test_time_is_either_covered_or_in_a_gap(
    values: list[tuple[float, float, Status]],
) -> None:
    inputs = inputs_of(
        {**CASE, "facts": CASE["facts"][:1], "descents": []}, readings_of(values, [], [])
    )
    (parameter,) = assemble(inputs).parameters
    missing = sum(gap.end - gap.start for gap in parameter.gaps)
    unknown = parameter.figures.window - parameter.figures.covered - missing
    # What is neither is the time before a first reading that came within gap_max of the start.
    assert 0 <= unknown <= parameter.spec.sampling.gap_max  # type: ignore[operator]


def series_within(inputs: Inputs, start: int, end: int) -> list[tuple[int, float]]:
    (found,) = (in_order(each) for key, each in inputs.series.items() if key.signal == SIGNAL)
    return [
        (time, value)
        for time, value, status, present in zip(
            found.times, numbers(found), found.statuses, found.present, strict=True
        )
        if start <= time < end and present and status != Status.BAD
    ]


def numbers(found: Series) -> list[float]:
    return [float(value) for value in found.values]
