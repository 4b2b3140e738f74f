"""Series as a dossier carries them: what they hold is what the bundles give, bundle by bundle."""

from __future__ import annotations

import pytest

from aggregator.export.evidence import Chain, Numbered, series_of
from aggregator.model.series import SignalKey
from protocols.wire.bundle import check_columns, open_body, peek_header, split_bundle
from protocols.wire.dossier.series import Interval, decode_series, select
from protocols.wire.reading import SECOND, Reading, SignalName, Status
from tests.sealed import START, SealedGateway

NAME = SignalName("press-1/signal-001")


def readings_of(data: bytes) -> list[Reading]:
    """Return a bundle's readings by the strict decoder."""
    bundle = split_bundle(data)
    header = peek_header(bundle.sealed_header)[1]
    columns = check_columns(header, open_body(header, bundle.body))
    return [reading for column in columns for reading in column.readings()]


@pytest.mark.parametrize(("signals", "each"), [(3, 2), (30, 1), (300, 40)])
def test_a_series_is_what_the_strict_decoder_selects(signals: int, each: int) -> None:
    gateway = SealedGateway()
    bundles = [gateway.seal(gateway.readings(signals, each)) for _ in range(4)]
    end = gateway.time
    intervals = [Interval(START + 2 * SECOND, end - SECOND), Interval(end, end + 1)]
    chain = Chain(
        gateway=gateway.name,
        epoch=gateway.epoch,
        first=0,
        last=3,
        bundles=[Numbered(number, data) for number, data in enumerate(bundles)],
    )
    key = SignalKey(gateway.name, NAME)
    (part,) = decode_series(series_of([chain], {key: intervals})[key]).parts
    wanted = [
        select([each for each in readings_of(data) if each.signal == NAME], intervals)
        for data in bundles
    ]
    found = dict(enumerate(part.readings, part.first))
    assert [found.get(number, ()) for number in range(4)] == wanted


def test_doubts_and_raw_forms_stay() -> None:
    gateway = SealedGateway()
    good, *_ = gateway.readings(2)
    doubtful = good._replace(
        signal=NAME, value=None, status=Status.BAD, code=-1, raw=b"\x7f\xf8" + bytes(6)
    )
    chain = Chain(
        gateway=gateway.name,
        epoch=gateway.epoch,
        first=0,
        last=0,
        bundles=[Numbered(0, gateway.seal([good, doubtful]))],
    )
    key = SignalKey(gateway.name, NAME)
    series = decode_series(series_of([chain], {key: [Interval(0, 2**62)]})[key])
    assert series.parts[0].readings == ((doubtful,),)


def test_a_bundle_without_readings_keeps_its_place() -> None:
    gateway = SealedGateway()
    bundles = [
        gateway.seal(gateway.readings(2)),
        gateway.seal(),
        gateway.seal(gateway.readings(2)),
    ]
    chain = Chain(
        gateway=gateway.name,
        epoch=gateway.epoch,
        first=0,
        last=2,
        bundles=[Numbered(number, data) for number, data in enumerate(bundles)],
    )
    key = SignalKey(gateway.name, NAME)
    (part,) = decode_series(series_of([chain], {key: [Interval(0, 2**62)]})[key]).parts
    assert (part.first, [len(run) for run in part.readings]) == (0, [1, 0, 1])


def test_a_signal_that_never_came_has_an_empty_series() -> None:
    key = SignalKey(SealedGateway().name, NAME)
    assert decode_series(series_of([], {key: []})[key]).parts == ()
