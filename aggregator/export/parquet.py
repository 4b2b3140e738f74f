"""A lot's readings as a Parquet file: typed columns, one row a reading, one row group a chunk.

Times are nanoseconds in UTC. A value stands in the column of its kind, exactly as it was read; the
file's metadata name the record that it belongs to by its hash (docs/specs/outputs.md).
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from aggregator.export.readings import Rows, rows_of
from aggregator.model.binding.bind import Binding
from aggregator.model.master.equipment import SignalSpec
from protocols.wire.reading import Kind, TagRead

ROWS_PER_GROUP: Final = 262_144


def write_parquet(readings: Mapping[SignalSpec, Binding], about: Mapping[str, str]) -> bytes:
    """Return the file; ``about`` goes into its metadata, each name with ``lotproof.`` in front.

    The same readings are the same bytes, written by the same version of pyarrow.
    """
    names = {f"lotproof.{name}": text for name, text in sorted(about.items())}
    schema = _SCHEMA.with_metadata(names)
    file = io.BytesIO()
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for rows in rows_of(readings, ROWS_PER_GROUP):
            writer.write_table(_table(rows, schema), row_group_size=ROWS_PER_GROUP)
    return file.getvalue()


def _table(rows: Rows, schema: pa.Schema) -> pa.Table:
    spec, series = rows.spec, rows.series
    count = len(rows)
    columns: dict[str, Any] = {
        "time": pa.array(series.times, type=_TIME),
        "gateway_time": pa.array(series.gateway_times, type=_TIME),
        "gateway": _same(spec.key.gateway, count),
        "signal": _same(spec.key.signal, count),
        "equipment": _same(spec.equipment, count),
        "unit": _same(spec.unit, count),
        **{name: pa.nulls(count, _SCHEMA.field(name).type) for name in _VALUES},
        "status": pa.array(rows.statuses, type=_WORD),
        "code": pa.array(series.codes),
        "epoch": pa.array(rows.epochs, type=_WORD),
        "bundle": pa.array(series.numbers),
        "reading": pa.array(series.positions),
    }
    name = next(name for name, kinds in _VALUES.items() if series.kind in kinds)
    values = [_plain(value) for value in rows.values]
    columns[name] = pa.array(values, type=_SCHEMA.field(name).type)
    return pa.table(columns, schema=schema)


def _plain(value: object) -> object:
    return asdict(value) if isinstance(value, TagRead) else value


def _same(text: str, count: int) -> pa.Array:
    """Return a column that says the same in every row."""
    return pa.repeat(pa.scalar(text), count).cast(_WORD)


_TIME: Final = pa.timestamp("ns", tz="UTC")
_WORD: Final = pa.dictionary(pa.int32(), pa.string())
_TAG_READ: Final = pa.struct(
    [
        ("epc", pa.binary()),
        ("epc_bits", pa.int32()),
        ("antenna", pa.int32()),
        ("rssi", pa.int32()),  # hundredths of dBm
        ("first_seen", _TIME),
        ("last_seen", _TIME),
        ("count", pa.int64()),
    ]
)
_VALUES: Final[Mapping[str, frozenset[Kind]]] = {
    "value_float": frozenset({Kind.FLOAT32, Kind.FLOAT64}),
    "value_int": frozenset({Kind.INT}),
    "value_uint": frozenset({Kind.UINT}),
    "value_bool": frozenset({Kind.BOOL}),
    "value_text": frozenset({Kind.TEXT}),
    "value_bytes": frozenset({Kind.BYTES}),
    "tag_read": frozenset({Kind.TAG_READ}),
}
"""The column of each kind of values; the others are null in its rows."""

_SCHEMA: Final = pa.schema(
    [
        ("time", _TIME),  # the time that the record's intervals are cut on
        ("gateway_time", _TIME),
        ("gateway", _WORD),
        ("signal", _WORD),
        ("equipment", _WORD),
        ("unit", _WORD),  # UCUM
        ("value_float", pa.float64()),
        ("value_int", pa.int64()),
        ("value_uint", pa.uint64()),
        ("value_bool", pa.bool_()),
        ("value_text", pa.string()),
        ("value_bytes", pa.binary()),
        ("tag_read", _TAG_READ),
        ("status", _WORD),
        ("code", pa.int64()),
        ("epoch", _WORD),
        ("bundle", pa.int64()),  # number in its epoch
        ("reading", pa.int64()),  # number in its epoch
    ]
)
