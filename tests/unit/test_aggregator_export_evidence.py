"""Series as a dossier carries them: what they hold is what the bundles give, bundle by bundle."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from aggregator.export.evidence import Source, inside, series_of
from aggregator.model.series import SignalKey
from aggregator.store.seals import verify_window
from aggregator.store.segments.assemble import EpochPart
from aggregator.store.segments.assemble import series_of as indexed
from aggregator.store.segments.build import PartKey, open_bundles
from protocols.wire.bundle import (
    Body,
    check_columns,
    inflate_body,
    open_body,
    peek_header,
    split_bundle,
)
from protocols.wire.dossier.series import Interval, decode_series, read_runs, select
from protocols.wire.header import Header
from protocols.wire.reading import SECOND, Kind, Reading, SignalName, Status
from tests.sealed import START, SealedGateway

NAME = SignalName("press-1/signal-001")
ALL = [Interval(0, 2**62)]


def body_of(data: bytes) -> tuple[Header, Body]:
    """Return a bundle's header and body."""
    bundle = split_bundle(data)
    header = peek_header(bundle.sealed_header)[1]
    return header, open_body(header, bundle.body)


def readings_of(data: bytes) -> list[Reading]:
    """Return a bundle's readings of the signal by the strict decoder."""
    columns = check_columns(*body_of(data))
    return [each for column in columns for each in column.readings() if each.signal == NAME]


async def taken(
    gateway: SealedGateway, bundles: dict[int, bytes], intervals: Sequence[Interval]
) -> bytes:
    """Return the series as a record takes it: from what verifies, by what the index says."""
    found = await verify_window(
        list(bundles.items()), {gateway.key.public.kid: gateway.key.public}, take=[NAME]
    )
    assert found.holds
    numbers = np.array(list(bundles), np.int64)
    counts = np.zeros(len(numbers), np.int64)
    for (signal, _), part in open_bundles(bundles.items()).parts.items():
        if signal == NAME:
            series = indexed(
                SignalKey(gateway.name, NAME), [EpochPart(epoch=gateway.epoch, part=part)]
            )
            counts += inside(series, gateway.epoch, intervals, numbers)
    source = Source(
        gateway=gateway.name,
        epoch=gateway.epoch,
        numbers=numbers,
        taken=found.taken[NAME],
        inside=counts,
    )
    return series_of(NAME, intervals, [source])


@pytest.mark.parametrize(("signals", "each"), [(3, 2), (30, 1), (300, 40)])
async def test_a_series_is_what_the_strict_decoder_selects(signals: int, each: int) -> None:
    gateway = SealedGateway()
    bundles = {number: gateway.seal(gateway.readings(signals, each)) for number in range(4)}
    end = gateway.time
    intervals = [Interval(START + 2 * SECOND, end - SECOND), Interval(end, end + 1)]
    series = decode_series(await taken(gateway, bundles, intervals))
    found = {run.number: run.readings for run in read_runs(series)}
    for number, data in bundles.items():
        assert found.get(number, ()) == select(readings_of(data), intervals)


async def test_what_no_interval_cuts_is_copied_as_it_was_sealed() -> None:
    gateway = SealedGateway()
    bundles = {number: gateway.seal(gateway.readings(5, 3)) for number in range(3)}
    (part,) = decode_series(await taken(gateway, bundles, ALL)).parts
    assert part.counts == (1, 1, 1)
    assert list(part.columns) == [body_of(data)[1].columns[1] for data in bundles.values()]


async def test_bundles_of_other_layouts_are_walked_anew() -> None:
    """The same length, and another signal where the wanted one stood."""
    gateway = SealedGateway()
    one, two, three, *_ = gateway.readings(3)
    orders = ([one, two, three], [one, two, three], [two, three, one], [three, one, two])
    bundles = {number: gateway.seal(order) for number, order in enumerate(orders)}
    assert len({len(inflate_body(split_bundle(data).body)) for data in bundles.values()}) == 1
    series = decode_series(await taken(gateway, bundles, ALL))
    assert [run.readings for run in read_runs(series)] == [
        tuple(readings_of(data)) for data in bundles.values()
    ]


async def test_doubts_and_raw_forms_stay() -> None:
    gateway = SealedGateway()
    good, *_ = gateway.readings(2)
    doubtful = good._replace(
        signal=NAME, value=None, status=Status.BAD, code=-1, raw=b"\x7f\xf8" + bytes(6)
    )
    series = decode_series(await taken(gateway, {0: gateway.seal([good, doubtful])}, ALL))
    assert [run.readings for run in read_runs(series)] == [(doubtful,)]


async def test_a_bundle_without_readings_keeps_its_place() -> None:
    gateway = SealedGateway()
    bundles = {
        number: gateway.seal(gateway.readings(2) if number % 2 else ()) for number in range(5)
    }
    (part,) = decode_series(await taken(gateway, bundles, ALL)).parts
    assert (part.first, part.counts) == (1, (1, 0, 1))
    del bundles[2]  # nor does one that is missing move the others
    (part,) = decode_series(await taken(gateway, bundles, ALL)).parts
    assert (part.first, part.counts) == (1, (1, 0, 1))


def test_a_signal_that_never_came_has_an_empty_series() -> None:
    assert decode_series(series_of(NAME, [], [])).parts == ()


def test_the_index_names_the_bundles_of_each_reading() -> None:
    gateway = SealedGateway()
    bundles = [(number, gateway.seal(gateway.readings(2, 4))) for number in range(3)]
    part = open_bundles(bundles).parts[PartKey(NAME, Kind.FLOAT64)]
    series = indexed(SignalKey(gateway.name, NAME), [EpochPart(epoch=gateway.epoch, part=part)])
    times = series.times.tolist()
    intervals = [Interval(times[1], times[3]), Interval(times[6], times[11])]
    counts = inside(series, gateway.epoch, intervals, np.array([0, 2, 7]))
    assert counts.tolist() == [2, 3, 0]
    assert inside(series, bytes(16), intervals, np.array([0, 1, 2])).tolist() == [0, 0, 0]
