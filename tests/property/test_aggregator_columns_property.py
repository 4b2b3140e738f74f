"""Columns found without decoding are those that the strict decoder finds, whatever the layout."""

from __future__ import annotations

from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from aggregator.store.columns import ColumnFinder
from protocols.wire import cbor
from protocols.wire.bundle import SEED_BYTES
from protocols.wire.column import decode_column, encode_column
from protocols.wire.dossier.series import unpacked
from protocols.wire.reading import SECOND, Kind, Reading, SignalName

NAMES = [SignalName(name) for name in ("a", "ab", "press-1/temperature", "n" * 200, "Druck \u00b5")]
columns = st.tuples(
    st.sampled_from(NAMES), st.sampled_from([Kind.INT, Kind.FLOAT64]), st.integers(1, 300)
)


def column(signal: SignalName, kind: Kind, count: int) -> bytes:
    """Give a column of so many readings."""
    return encode_column(
        [
            Reading(
                signal=signal,
                kind=kind,
                value=at if kind is Kind.INT else at / 8,
                gateway_time=at * SECOND,
                source_time=at * SECOND,
            )
            for at in range(count)
        ]
    )


def body(given: list[tuple[SignalName, Kind, int]]) -> bytes:
    """Give an inflated body."""
    return cbor.encode([bytes(SEED_BYTES), [column(*each) for each in given]])


def columns_of(data: bytes) -> list[bytes]:
    """Take an inflated body apart."""
    match cbor.decode(data):
        case [bytes(), list(found)]:
            return found
    raise AssertionError(data)


@given(
    layouts=st.lists(
        st.tuples(st.lists(columns, max_size=8), st.integers(1, 12)), min_size=1, max_size=4
    ),
    wanted=st.sets(st.sampled_from(NAMES)),
    order=st.randoms(use_true_random=False),
)
def test_what_is_found_is_what_the_strict_decoder_finds(
    layouts: list[tuple[list[tuple[SignalName, Kind, int]], int]],
    wanted: set[SignalName],
    order: Random,
) -> None:
    """Bodies of a few layouts, each often enough to be walked over together, in any order."""
    signals = sorted(wanted)
    bodies = [body(layout) for layout, times in layouts for _ in range(times)]
    order.shuffle(bodies)
    taken, wrong = ColumnFinder(signals).find(bodies)
    assert not wrong
    assert len(taken) == len(signals)
    for signal, found in zip(signals, taken, strict=True):
        stops = found.sizes.cumsum().tolist()
        for at, each in enumerate(bodies):
            strict = [data for data in columns_of(each) if decode_column(data).signal == signal]
            start = stops[at] - int(found.sizes[at])
            assert list(unpacked(found.data[start : stops[at]])) == strict
            assert found.counts[at] == len(strict)
            assert found.readings[at] == sum(len(decode_column(data)) for data in strict)


@given(data=st.data(), given_=st.lists(columns, min_size=1, max_size=5))
def test_lengths_that_lie_are_malformed_and_nothing_else(
    data: st.DataObject, given_: list[tuple[SignalName, Kind, int]]
) -> None:
    """Alone and among others, which are found all the same."""
    whole = body(given_)
    cut = data.draw(st.integers(0, len(whole) - 1))
    for broken in (whole[:cut], whole + b"\0"):
        for others in (0, 12):
            place = data.draw(st.integers(0, others))
            bodies = [whole] * others
            bodies.insert(place, broken)
            taken, wrong = ColumnFinder(NAMES).find(bodies)
            assert list(wrong) == [place]
            readings = np.sum([each.readings for each in taken], axis=0)
            held = sum(len(decode_column(column)) for column in columns_of(whole))
            assert np.delete(readings, place).tolist() == [held] * others
            assert readings[place] == 0
