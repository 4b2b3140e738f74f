"""A lot's readings as CSV and Parquet: nothing lost, nothing computed by a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from aggregator.export.csv import Mark, cell, exceptions_table, readings_table, values_table
from aggregator.export.parquet import write_parquet
from aggregator.model.binding.bind import Binding
from aggregator.model.master.equipment import SignalSpec
from aggregator.model.record.assemble import Inputs, assemble, bound
from aggregator.model.record.document import encode_record
from protocols.wire.reading import Status, TagRead
from tests.cases.record_case import EPOCH, GATEWAY, GTIN, Arrived, at, inputs_of

CASE: dict[str, Any] = {
    "lot": [GTIN, "L-1"],
    "signals": [
        {"signal": "press-1/temperature", "unit": "Cel"},
        {"signal": "press-1/cycles", "unit": "1", "kind": "INT"},
        {"signal": "press-1/message", "kind": "TEXT"},
        {"signal": "press-1/door", "kind": "BOOL"},
        {"signal": "portal/reads", "kind": "TAG_READ"},
    ],
    "parameters": [
        {
            "parameter": "=cmd|'/c calc'!A0",
            "signal": "press-1/temperature",
            "unit": "Cel",
            "gap_max_s": 3,
            "limits": {"action_high": 130},
        }
    ],
    "facts": [
        {"lot": [GTIN, "L-1"], "start": 0, "end": 10},
        {"lot": [GTIN, "L-1"], "start": 20, "end": 30},
    ],
}


def plant() -> Inputs:
    times = [second / 2 for second in range(-10, 80)]
    readings = [
        Arrived(signal="press-1/temperature", time=at(t), value=-1.5 - t / 3, position=place)
        for place, t in enumerate(times)
    ]
    readings += [
        Arrived(signal="press-1/temperature", time=at(5.25), value=None, status=Status.BAD),
        Arrived(signal="press-1/temperature", time=at(6.25), value=140.0, position=900),
        Arrived(signal="press-1/cycles", time=at(3), value=-(2**53) - 1, position=91),
        Arrived(signal="press-1/message", time=at(4), value='=1+"1",x\r\ny', position=92),
        Arrived(signal="press-1/door", time=at(4), value=1, position=93),
    ]
    return inputs_of(CASE, readings)


def table(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


def of_readings(bindings: dict[SignalSpec, Binding], **options: Any) -> bytes:
    return b"".join(readings_table(bindings, **options))


def test_each_reading_of_the_intervals_is_a_row() -> None:
    inputs = plant()
    record, rows = assemble(inputs), table(of_readings(bound(inputs)))
    assert len(rows) == record.readings == 45
    found = rows[0]
    assert found == {
        "time": "2026-11-18T11:06:40.000000000Z",
        "signal": "press-1/cycles",
        "value": "-9007199254740993",
        "unit": "1",
        "status": "GOOD",
        "code": "0",
        "gateway": GATEWAY,
        "epoch": EPOCH.hex(),
        "bundle": "0",
        "reading": "91",
    } | {"time": found["time"]}
    (none,) = [row for row in rows if row["status"] == "BAD"]
    assert none["value"] == ""


def test_small_chunks_are_the_same_table() -> None:
    bindings = bound(plant())
    assert of_readings(bindings, chunk_rows=3) == of_readings(bindings)
    assert len(list(readings_table(bindings, chunk_rows=3))) > 10


def test_a_byte_order_mark_is_put_in_front_on_demand() -> None:
    plain, marked = (of_readings(bound(plant()), mark=mark) for mark in Mark)
    assert marked == b"\xef\xbb\xbf" + plain


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1", "'=1", "'"]
)
def test_no_spreadsheet_computes_a_text(text: str) -> None:
    assert cell(text) == f"'{text}"
    assert cell(text)[1:] == text, "whoever takes the apostrophe off has what was read"


@pytest.mark.parametrize("text", ["", "press-1/plate-temperature", "灭菌袋", "1-2", "a=b"])
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert cell(text) == text


def test_what_equipment_says_is_never_a_formula_and_stays_whole() -> None:
    rows = {row["signal"]: row for row in table(of_readings(bound(plant())))}
    assert rows["press-1/message"]["value"] == '\'=1+"1",x\r\ny'
    assert rows["press-1/door"]["value"] == "true"


def test_findings_are_rows_with_their_sentence() -> None:
    document = json.loads(encode_record(assemble(plant())))
    rows = table(b"".join(exceptions_table(document)))
    assert [row["id"] for row in rows] == [each["id"] for each in document["exceptions"]]
    excursion = next(row for row in rows if row["kind"] == "excursion")
    assert excursion["subject"] == "'=cmd|'/c calc'!A0"
    assert excursion["what"].startswith("high action limit 130: 140 at worst")
    assert json.loads(excursion["details"])["extreme"] == 140.0


def test_values_that_are_no_readings_are_rows() -> None:
    wrong = {"parameter": "=1+1", "value": "-5", "at": 3, "by": "op.zhao", "reason": "seen"}
    first = inputs_of({**CASE, "entries": [wrong]}, []).entries[0]
    gone = wrong | {"value": None, "supersedes": first.id, "reason": "no"}
    result = {"result": "77", "test": "sterility", "value": "none", "verdict": "pass"}
    case = {**CASE, "entries": [wrong, gone], "test_results": [result]}
    document = json.loads(encode_record(assemble(inputs_of(case, []))))
    rows = table(b"".join(values_table(document)))
    by_id = {row["id"]: row for row in rows}
    assert list(by_id) == [*(each["id"] for each in document["entries"]), "77"]
    typed = by_id[first.id]
    assert (typed["kind"], typed["name"], typed["value"]) == ("entry", "'=1+1", "'-5")
    assert (typed["superseded"], typed["checked_by"]) == ("true", "")
    (withdrawn,) = (row for row in rows if row["reason"] == "no")
    assert (withdrawn["value"], withdrawn["superseded"]) == ("", "false")
    found = by_id["77"]
    assert (found["kind"], found["name"], found["version"]) == ("test_result", "sterility", "1")
    assert (found["verdict"], found["reason"], found["source"]) == ("pass", "", "lims")
    del document["entries"], document["test_results"]
    assert table(b"".join(values_table(document))) == [], "of a version that has none"


def test_parquet_has_the_rows_of_the_csv_with_their_types() -> None:
    bindings = bound(plant())
    data = write_parquet(bindings, {"record": "00"})
    assert write_parquet(bindings, {"record": "00"}) == data
    found = pq.read_table(io.BytesIO(data))
    rows = table(of_readings(bindings))
    assert found.num_rows == len(rows)
    assert found.schema.metadata[b"lotproof.record"] == b"00"
    for name in ("signal", "status", "epoch", "gateway"):
        assert found[name].to_pylist() == [row[name] for row in rows]
    for name in ("bundle", "reading", "code"):
        assert found[name].to_pylist() == [int(row[name]) for row in rows]
    times = np.array([row["time"].removesuffix("Z") for row in rows], dtype="datetime64[ns]")
    assert (found["time"].to_numpy() == times).all()
    signals = found["signal"].to_pylist()
    shown = dict(zip(signals, found.to_pylist(), strict=True))
    assert shown["press-1/cycles"]["value_int"] == -(2**53) - 1
    assert shown["press-1/message"]["value_text"] == '=1+"1",x\r\ny'
    assert shown["press-1/door"]["value_bool"] is True
    floats = [row["value_float"] for row in found.to_pylist() if "temperature" in row["signal"]]
    texts = [row["value"] for row in rows if "temperature" in row["signal"]]
    assert floats == [float(text) if text else None for text in texts]


def test_a_tag_read_is_a_struct() -> None:
    read = TagRead(
        epc=bytes.fromhex("30340000000000000000000a"),
        epc_bits=96,
        antenna=2,
        rssi=-4_200,
        first_seen=at(1),
        last_seen=at(2),
        count=3,
    )
    bindings = bound(inputs_of(CASE, [Arrived(signal="portal/reads", time=at(1), value=read)]))
    (row,) = table(of_readings(bindings))
    assert row["value"] == read.epc.hex()
    (found,) = pq.read_table(io.BytesIO(write_parquet(bindings, {})))["tag_read"].to_pylist()
    assert (found["epc"], found["antenna"], found["rssi"]) == (read.epc, 2, -4_200)
    assert found["last_seen"].value == at(2)


def test_a_lot_without_readings_is_a_table_without_rows() -> None:
    bindings = bound(inputs_of(CASE, []))
    assert of_readings(bindings).count(b"\r\n") == 1
    assert pq.read_table(io.BytesIO(write_parquet(bindings, {}))).num_rows == 0
