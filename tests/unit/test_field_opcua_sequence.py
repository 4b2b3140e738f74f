"""Sequence numbers of notification messages."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from protocols.field.opcua.sequence import NUMBERS, Sequence

numbers = st.integers(min_value=1, max_value=NUMBERS)


def test_the_first_message_is_number_one() -> None:
    assert Sequence().ahead(1) == 0


def test_after_the_last_number_comes_one() -> None:
    sequence = Sequence()
    sequence.take(NUMBERS)
    assert sequence.expected == 1
    assert sequence.ahead(1) == 0
    assert sequence.ahead(NUMBERS) == -1
    sequence.take(NUMBERS - 1)
    assert sequence.ahead(2) == 2


@given(numbers, st.integers(min_value=-1_000_000, max_value=1_000_000))
def test_distance_is_counted_across_the_end(last: int, distance: int) -> None:
    sequence = Sequence()
    sequence.take(last)
    number = (sequence.expected - 1 + distance) % NUMBERS + 1
    assert sequence.ahead(number) == distance


@given(numbers)
def test_what_was_taken_came_already(last: int) -> None:
    sequence = Sequence()
    sequence.take(last)
    assert sequence.ahead(last) == -1
    assert 1 <= sequence.expected <= NUMBERS
