"""A dossier is one form: what is written is read back, and nothing else is read."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace

import pytest

from protocols.wire import cbor
from protocols.wire.column import decode_column, encode_column
from protocols.wire.dossier.archive import read_archive, write_archive
from protocols.wire.dossier.file import (
    canonical_json,
    canonical_object,
    read_dossier,
    write_dossier,
)
from protocols.wire.dossier.holding import Place, decode_chain, decode_paths, encode_paths
from protocols.wire.dossier.instant import format_time, parse_time
from protocols.wire.dossier.manifest import PURPOSE, Manifest, decode_manifest, encode_manifest
from protocols.wire.dossier.series import (
    Interval,
    cut,
    decode_series,
    encode_series,
    read_runs,
    select,
)
from protocols.wire.errors import LimitError, MalformedError
from protocols.wire.seal import open_seal
from tests import dossiers

MEMBERS = {"b.cbor": b"2", "a/x.json": b"", "manifest.cbor": bytes(300)}


def test_an_archive_is_a_zip_that_every_program_reads() -> None:
    with zipfile.ZipFile(io.BytesIO(write_archive(MEMBERS))) as opened:
        assert opened.testzip() is None
        assert {name: opened.read(name) for name in opened.namelist()} == MEMBERS
        assert opened.namelist() == sorted(MEMBERS)


def test_an_object_of_encoded_members_is_the_object_encoded() -> None:
    record = {"b": [1.5, None], "a": {"y": 1, "x": "批号"}, "": "", 'q"': True, "ab": []}
    encoded = {name: canonical_json(value) for name, value in record.items()}
    assert canonical_object(encoded) == canonical_json(record)
    assert canonical_object({}) == canonical_json({})


def test_a_day_is_written_as_the_calendar_has_it() -> None:
    day, end = 86_400 * 10**9, 253_402_300_800 * 10**9
    for time, text in (
        (0, "1970-01-01T00:00:00.000000000Z"),
        (day - 1, "1970-01-01T23:59:59.999999999Z"),
        (11_016 * day, "2000-02-29T00:00:00.000000000Z"),
        (end - 1, "9999-12-31T23:59:59.999999999Z"),
    ):
        assert format_time(time) == text
        assert parse_time(text) == time
    for outside in (-1, end, 2**200):
        with pytest.raises(MalformedError):
            format_time(outside)


def test_an_archive_is_read_back() -> None:
    assert read_archive(write_archive(MEMBERS)) == MEMBERS


NAMES = ["/etc/passwd", "../up", "a//b", "A", "a\\b", "a/../b", "a/b/c/d/e", "x" * 101]


@pytest.mark.parametrize("name", [*NAMES, "", "é"])
def test_names_that_leave_the_folder_or_differ_by_case_are_not_written(name: str) -> None:
    with pytest.raises(MalformedError, match="not a name"):
        write_archive({name: b""})


@pytest.mark.parametrize("name", NAMES[:-1])
def test_names_that_leave_the_folder_or_differ_by_case_are_not_read(name: str) -> None:
    stand_in = "n" * len(name)
    forged = write_archive({stand_in: b""}).replace(stand_in.encode(), name.encode())
    with pytest.raises(MalformedError, match="not a name"):
        read_archive(forged)


def test_a_compressed_member_is_refused() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("bomb", bytes(10_000_000))
    with pytest.raises(MalformedError, match="compressed"):
        read_archive(out.getvalue())


def test_a_repeated_member_is_refused() -> None:
    once = write_archive({"a": b"1"})
    local = once[: once.index(b"PK\1\2")]
    with pytest.raises(MalformedError, match="two members"):
        read_archive(local + once)


def test_an_archive_that_ends_early_or_is_none_is_refused() -> None:
    whole = write_archive(MEMBERS)
    local = whole.index(b"PK\1\2")
    for stop in range(local):
        with pytest.raises(MalformedError):
            read_archive(whole[:stop])


def test_times_have_one_form() -> None:
    for time in (0, 1, dossiers.START, dossiers.START + 123_456_789, 253_402_300_799_999_999_999):
        assert parse_time(format_time(time)) == time
    assert format_time(dossiers.START) == "2026-11-22T08:00:00.000000000Z"
    for text in (
        "2026-11-22T08:00:00Z",
        "2026-11-22T08:00:00.000000000+00:00",
        "2026-02-30T08:00:00.000000000Z",
        "2026-11-22 08:00:00.000000000Z",
        "2026-11-22T08:00:60.000000000Z",
        "0001-11-22T08:00:00.000000000Z",
        "1969-12-31T23:59:59.999999999Z",
        "٢026-11-22T08:00:00.000000000Z",
    ):
        with pytest.raises(MalformedError):
            parse_time(text)
    for time in (-1, 2**62 * 1000):
        with pytest.raises(MalformedError):
            format_time(time)


def test_a_series_is_read_back_with_all_that_a_reading_has() -> None:
    for gateway, signal in (
        (dossiers.PRESS, dossiers.TEMPERATURE),
        (dossiers.PRESS, dossiers.FORCE),
        (dossiers.ROOM, dossiers.HUMIDITY),
    ):
        series = dossiers.series_of(gateway, signal)
        data = encode_series(series)
        assert decode_series(data) == series
        assert encode_series(decode_series(data)) == data


def test_a_series_gives_the_readings_of_each_bundle() -> None:
    series = dossiers.series_of(dossiers.PRESS, dossiers.FORCE)
    runs = list(read_runs(series))
    assert [run.number for run in runs] == [1, 2, 3, 4]
    for run in runs:
        held = dossiers.readings_of(run.gateway, run.number)
        own = [reading for reading in held if reading.signal == dossiers.FORCE]
        assert run.readings == select(own, [dossiers.WINDOW])


def test_columns_of_one_bundle_keep_their_order() -> None:
    held = dossiers.readings_of("gw-07", 2)
    own = [reading for reading in held if reading.signal == dossiers.FORCE]
    without = [reading._replace(source_time=None) for reading in own[:3]]
    columns = [encode_column(own), encode_column(without)]
    series = dossiers.remade(dossiers.PRESS, dossiers.FORCE, [0, 2, 0], columns)
    runs = list(read_runs(decode_series(encode_series(series))))
    assert [len(run.readings) for run in runs] == [0, 13, 0]
    assert runs[1].readings == (*own, *without)


def test_a_column_is_copied_but_where_an_interval_cuts_it() -> None:
    held = dossiers.readings_of("gw-07", 2)
    own = [reading for reading in held if reading.signal == dossiers.TEMPERATURE]
    times = [reading.gateway_time for reading in own]
    column = encode_column(own)
    assert cut(column, [Interval(times[0], times[-1] + 1)]) is column
    assert cut(column, [Interval(times[-1] + 1, times[-1] + 2)]) is None
    piece = cut(column, [Interval(times[0], times[2]), Interval(times[4], times[5])])
    assert piece is not None
    assert list(decode_column(piece).readings()) == [own[0], own[1], own[4]]


def test_a_series_holds_one_signal() -> None:
    data = encode_series(dossiers.series_of(dossiers.PRESS, dossiers.FORCE))
    forged = data.replace(b"press-1/force", b"press-2/force", 1)
    with pytest.raises(MalformedError, match="another signal"):
        list(read_runs(decode_series(forged)))


@pytest.mark.parametrize(
    "item",
    [
        [],
        ["s"],
        ["s", [1]],
        ["s", [["gw-1", bytes(15), 0, cbor.Tagged(70, b""), []]]],
        ["s", [["gw-1", bytes(16), -1, cbor.Tagged(70, b""), []]]],
        ["s", [["gw-1", bytes(16), 0, cbor.Tagged(70, b"\1"), []]]],
        ["s", [["gw-1", bytes(16), 0, cbor.Tagged(70, b"\1\0\0\0"), []]]],
        ["s", [["gw-1", bytes(16), 0, cbor.Tagged(70, b""), [1]]]],
        ["s", [["Not an id", bytes(16), 0, cbor.Tagged(70, b""), []]]],
    ],
)
def test_other_forms_of_a_series_are_refused(item: cbor.Item) -> None:
    with pytest.raises(MalformedError):
        decode_series(cbor.encode(item))


def test_a_window_takes_its_start_and_leaves_its_end() -> None:
    first, *_ = read_runs(dossiers.series_of(dossiers.PRESS, dossiers.TEMPERATURE))
    readings = first.readings
    times = [reading.gateway_time for reading in readings]
    chosen = select(readings, [Interval(times[1], times[3]), Interval(times[5], times[5])])
    assert [reading.gateway_time for reading in chosen] == times[1:3]


def test_a_dossier_is_read_back_and_written_again_to_the_same_bytes() -> None:
    for disclosed in (False, True):
        dossier = dossiers.dossier(disclosed=disclosed)
        data = write_dossier(dossier, dossiers.AGGREGATOR)
        read = read_dossier(data)
        assert read.dossier == dossier
        assert write_dossier(read.dossier, dossiers.AGGREGATOR) == data


def test_what_is_not_disclosed_is_not_there() -> None:
    shown = write_dossier(dossiers.dossier(disclosed=True), dossiers.AGGREGATOR)
    assert dossiers.TEMPERATURE.encode() in shown
    assert dossiers.FORCE.encode() not in shown


def test_chains_bundles_and_paths_must_go_together() -> None:
    dossier = dossiers.dossier()
    for broken in (
        replace(dossier, chains=dossier.chains[:1]),
        replace(dossier, chains=(dossier.chains[0][1:], dossier.chains[1])),
        replace(dossier, places=dossier.places[1:]),
    ):
        with pytest.raises(MalformedError):
            write_dossier(broken, dossiers.AGGREGATOR)


def test_missing_and_unknown_members_are_refused() -> None:
    members = read_archive(dossiers.packed())
    with pytest.raises(MalformedError, match=r"no manifest\.cbor"):
        read_dossier(write_archive({"record.json": b""}))
    for name in ("record.json", "log.cbor", "checkpoint.txt", "audit.json"):
        with pytest.raises(MalformedError, match="has no"):
            read_dossier(write_archive({k: v for k, v in members.items() if k != name}))
    with pytest.raises(MalformedError, match="which no dossier has"):
        read_dossier(write_archive({**members, "extra": b""}))


def test_a_manifest_is_one_form() -> None:
    data = dossiers.packed()
    sealed = read_dossier(data).sealed_manifest
    payload = open_seal(sealed, dossiers.AGGREGATOR.public, PURPOSE)
    manifest = decode_manifest(payload)
    assert encode_manifest(manifest) == payload
    chain = manifest.statement.chains[0]
    for wrong in (
        replace(chain, first=5),
        replace(chain, held_first=3),
        replace(chain, held_last=9),
        replace(chain, head=b""),
        replace(chain, count=-1),
    ):
        statement = replace(manifest.statement, chains=(wrong,))
        with pytest.raises(MalformedError):
            decode_manifest(encode_manifest(replace(manifest, statement=statement)))
    twice = replace(manifest.statement, chains=(chain, chain))
    with pytest.raises(MalformedError, match="twice"):
        decode_manifest(encode_manifest(replace(manifest, statement=twice)))
    with pytest.raises(MalformedError):
        decode_manifest(encode_manifest(Manifest(statement=manifest.statement, members={"a": b""})))
    with pytest.raises(MalformedError):
        decode_manifest(cbor.encode({1: "gtin"}))


def test_paths_share_their_hashes() -> None:
    shared = [bytes([at]) * 32 for at in range(5)]
    places = [Place(0, tuple(shared)), Place(1, tuple(reversed(shared))), Place(2, ())]
    data = encode_paths(places)
    assert decode_paths(data) == tuple(places)
    assert len(data) < 6 * 32 + 60
    wrong: list[cbor.Item] = [
        [bytes(31), []],
        [bytes(32), [[0, cbor.Tagged(70, b"\1\0\0\0")]]],
        [bytes(32), [[0, cbor.Tagged(70, b"\0\0\0")]]],
        [bytes(32), [[0, b""]]],
    ]
    for item in wrong:
        with pytest.raises(MalformedError):
            decode_paths(cbor.encode(item))


def test_other_forms_of_a_held_bundle_are_refused() -> None:
    path = [bytes(32)]
    columns: list[cbor.Item] = [[1, bytes(16), b"", path], [1, bytes(16), b"", path]]
    wrong: list[cbor.Item] = [
        1,
        [1],
        [[b"", 2, columns]],
        [[b"", 2, [[0, bytes(15), b"", path]]]],
        [[b"", 2, [[0, bytes(16), b"", [bytes(31)]]]]],
        [[b"", -1, []]],
    ]
    for item in wrong:
        with pytest.raises(MalformedError):
            decode_chain(cbor.encode(item))


def test_json_has_one_form() -> None:
    assert canonical_json({"b": 1.5, "a": ["é", None]}) == '{"a":["é",null],"b":1.5}'.encode()
    for value in (float("nan"), {"a": b""}, float("inf")):
        with pytest.raises(MalformedError):
            canonical_json(value)


def test_an_archive_has_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("protocols.wire.dossier.archive.MEMBERS_MAX", 2)
    with pytest.raises(LimitError):
        write_archive(MEMBERS)
    monkeypatch.setattr("protocols.wire.dossier.archive.MEMBERS_MAX", 3)
    data = write_archive(MEMBERS)
    monkeypatch.setattr("protocols.wire.dossier.archive.MEMBERS_MAX", 2)
    with pytest.raises(LimitError):
        read_archive(data)
    monkeypatch.setattr("protocols.wire.dossier.archive.ARCHIVE_BYTES_MAX", 100)
    with pytest.raises(LimitError):
        read_archive(data)
