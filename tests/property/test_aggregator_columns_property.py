"""Columns found without decoding are those that the strict decoder finds, whatever the layout."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aggregator.store.columns import ColumnFinder
from protocols.wire import cbor
from protocols.wire.bundle import SEED_BYTES
from protocols.wire.column import decode_column, encode_column
from protocols.wire.errors import MalformedError
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


@given(
    bodies=st.lists(st.lists(columns, max_size=12), max_size=6),
    wanted=st.sets(st.sampled_from(NAMES)),
)
def test_what_is_found_is_what_the_strict_decoder_finds(
    bodies: list[list[tuple[SignalName, Kind, int]]], wanted: set[SignalName]
) -> None:
    signals = sorted(wanted)
    finder = ColumnFinder(signals)
    for each in bodies:  # one finder for all: what it remembers of one body must not mislead it
        found = finder.find(body(each))
        strict = [column(*one) for one in each if one[0] in wanted]
        assert [own.data for own in found] == strict
        assert [signals[own.signal] for own in found] == [decode_column(d).signal for d in strict]
        assert [own.readings for own in found] == [len(decode_column(data)) for data in strict]


@given(data=st.data(), given_=st.lists(columns, min_size=1, max_size=5))
def test_lengths_that_lie_are_malformed_and_nothing_else(
    data: st.DataObject, given_: list[tuple[SignalName, Kind, int]]
) -> None:
    whole = body(given_)
    finder = ColumnFinder(NAMES)
    finder.find(whole)
    cut = data.draw(st.integers(0, len(whole) - 1))
    for broken in (whole[:cut], whole + b"\0"):
        try:
            finder.find(broken)
        except MalformedError:
            continue
        raise AssertionError(cut)
