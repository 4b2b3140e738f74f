"""What is left of declared gaps once a part of them came after all (docs/specs/bundle.md)."""

from __future__ import annotations

import pytest

from aggregator.model.gaps import narrowed
from protocols.wire.reading import MENDABLE, Gap, GapReason


def gap(start: int, end: int, reason: GapReason, count: int | None = None) -> Gap:
    return Gap(subject="press-1", start=start, end=end, reason=reason, count=count)


def came(start: int, end: int) -> Gap:
    return gap(start, end, GapReason.BACKFILLED, 5)


@pytest.mark.parametrize(
    ("stretches", "left"),
    [
        ([], [(10, 20)]),
        ([(0, 10), (20, 30)], [(10, 20)]),
        ([(10, 20)], []),
        ([(5, 25)], []),
        ([(10, 14)], [(14, 20)]),
        ([(16, 20)], [(10, 16)]),
        ([(12, 14), (16, 18)], [(10, 12), (14, 16), (18, 20)]),
        ([(12, 15), (15, 18)], [(10, 12), (18, 20)]),
    ],
)
@pytest.mark.parametrize("reason", sorted(MENDABLE))
def test_what_came_is_taken_out_whichever_was_said_first(
    stretches: list[tuple[int, int]], left: list[tuple[int, int]], reason: GapReason
) -> None:
    lost = gap(10, 20, reason)
    said = [came(*each) for each in stretches]
    for order in ([lost, *said], [*said, lost]):
        assert narrowed(order) == [gap(*each, reason) for each in left]


@pytest.mark.parametrize("reason", sorted(set(GapReason) - MENDABLE - {GapReason.BACKFILLED}))
def test_what_equipment_cannot_keep_for_us_stays_missing(reason: GapReason) -> None:
    lost = gap(10, 20, reason, 3)
    assert narrowed([lost, came(0, 30)]) == [lost]


def test_a_part_of_a_gap_has_no_known_count() -> None:
    lost = gap(10, 20, GapReason.OVERRUN, 7)
    assert narrowed([lost, came(30, 40)]) == [lost]
    assert narrowed([lost, came(10, 12)]) == [gap(12, 20, GapReason.OVERRUN)]


def test_a_gap_without_length_is_told_unless_it_came() -> None:
    lost = gap(10, 10, GapReason.SUBSCRIPTION_LOST)
    assert narrowed([lost, came(11, 12)]) == [lost]
    assert narrowed([lost, came(5, 12)]) == []
