"""Rules that are wrong and common, in a line or two: a case's data must tell them from ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np

from protocols.wire.reading import SECOND, Status, TagRead
from tests.cases.record_case import Arrived, at

Rule = Callable[[Mapping[str, Any], Sequence[Arrived]], object]


def _windows(case: Mapping[str, Any]) -> list[tuple[int, int]]:
    own = [fact for fact in case.get("facts", []) if fact.get("lot") == case["lot"]]
    return [(at(fact["start"]), at(fact["end"])) for fact in own]


def _inside(case: Mapping[str, Any], readings: Sequence[Arrived]) -> list[Arrived]:
    signal = case["parameters"][0]["signal"]
    return [
        each
        for each in readings
        if each.signal == signal and any(low <= each.time < high for low, high in _windows(case))
    ]


def _numbers(readings: Sequence[Arrived]) -> list[Any]:
    return [each.value for each in readings if each.value is not None]


def between(case: Mapping[str, Any], readings: Sequence[Arrived]) -> object:
    """Count with SQL's BETWEEN: both edges belong to the window."""
    signal = case["parameters"][0]["signal"]
    return sum(
        each.signal == signal and low <= each.time <= high
        for each in readings
        for low, high in _windows(case)
    )


def arrival(case: Mapping[str, Any], readings: Sequence[Arrived]) -> object:
    """Bind what arrives to the lot that is open: late readings go to the next one."""
    (low, high), *_ = _windows(case)
    signal = case["parameters"][0]["signal"]
    latest, bound = 0, 0
    for each in readings:
        latest = max(latest, each.time)
        bound += each.signal == signal and low <= latest < high
    return bound


def ignore_status(case: Mapping[str, Any], readings: Sequence[Arrived]) -> object:
    """Take the greatest value, whatever its source thought of it."""
    return max(_numbers(_inside(case, readings)))


def bound_rows_only(case: Mapping[str, Any], readings: Sequence[Arrived]) -> object:
    """Look for gaps between the readings that are there."""
    times = [each.time for each in _inside(case, readings)]
    limit = case["parameters"][0]["gap_max_s"] * SECOND
    return int((np.diff(times) > limit).sum())


def lot_id_alone(case: Mapping[str, Any], readings: Sequence[Arrived]) -> object:
    """Key lots by their id: what the equipment says is found, of whatever GTIN."""
    named = [each for each in readings if each.value == case["lot"][1]]
    return len({each.time for each in named})


def average_of_averages(case: Mapping[str, Any], readings: Sequence[Arrived]) -> object:
    """Take the mean of each window's mean."""
    inside = _inside(case, readings)
    means = [
        np.mean(_numbers([each for each in inside if low <= each.time < high]))
        for low, high in _windows(case)
    ]
    return float(np.mean(means))


def row_mean(case: Mapping[str, Any], readings: Sequence[Arrived]) -> object:
    """Take the mean of the rows, however long each value held."""
    return float(np.mean(_numbers(_inside(case, readings))))


def last_minus_first(case: Mapping[str, Any], readings: Sequence[Arrived]) -> object:
    """Take a counter's rise as its last value less its first."""
    values = _numbers(_inside(case, readings))
    return values[-1] - values[0]


def last_writer(case: Mapping[str, Any], readings: Sequence[Arrived]) -> object:
    """Let the lot that was entered last have the readings: nothing to tell."""
    return 0


def by_day(case: Mapping[str, Any], readings: Sequence[Arrived]) -> object:
    """Cut windows at midnight, UTC."""
    inside = _inside(case, readings)
    day = 86_400 * SECOND
    return sum(each.time // day == inside[0].time // day for each in inside)


def double_width(case: Mapping[str, Any], readings: Sequence[Arrived]) -> object:
    """Hold a 32-bit float against a limit of 64 bits."""
    high = case["parameters"][0]["limits"]["action_high"]
    return int(any(value > high for value in _numbers(_inside(case, readings))))


def good_rows(case: Mapping[str, Any], readings: Sequence[Arrived]) -> object:
    """Count a reading as data because a row is there."""
    return int(not _inside(case, readings))


def exact_time(case: Mapping[str, Any], readings: Sequence[Arrived]) -> object:
    """Believe clocks to the nanosecond: no reading is in doubt."""
    return 0


def gateway_wall_time(case: Mapping[str, Any], readings: Sequence[Arrived]) -> object:
    """Join on the time that the gateway's clock showed, whatever it was set to."""
    return len(_inside(case, readings))


def local_time(case: Mapping[str, Any], readings: Sequence[Arrived]) -> object:
    """Join on the time on the wall, which is an hour back when summer ends."""

    def shown(time: int) -> int:
        return time + (2 if time < _SUMMER_ENDS else 1) * 3_600 * SECOND

    return sum(
        shown(low) <= shown(each.time) < shown(high)
        for each in readings
        for low, high in _windows(case)
    )


_SUMMER_ENDS: Final = 1_792_890_000 * SECOND
"""2026-10-25T01:00:00Z, in central Europe."""


def silence_is_a_gap(case: Mapping[str, Any], readings: Sequence[Arrived]) -> object:
    """Expect a reading every few seconds of a signal that is sent when it changes."""
    times = [each.time for each in _inside(case, readings) if each.status is not Status.BAD]
    return int((np.diff(times) > 10 * SECOND).sum())


def own_key_alone(case: Mapping[str, Any], readings: Sequence[Arrived]) -> object:
    """Count what was bound under the lot's own key: what it came out of has another."""
    return len(_inside(case, readings))


def whole_parent(case: Mapping[str, Any], readings: Sequence[Arrived]) -> object:
    """Take all that a parent has ever seen for the child's history; go one level back."""
    parents = [each["parent"] for each in case["descents"] if each["child"] == case["lot"]]
    both = [_inside({**case, "lot": lot}, readings) for lot in [case["lot"], *parents]]
    return sum(map(len, both))


def one_run(case: Mapping[str, Any], readings: Sequence[Arrived]) -> object:
    """Key the runs of an operation by lot: the first one entered stays."""
    (low, high), *_ = _windows(case)
    return sum(low <= each.time < high for each in _inside(case, readings))


def _stays(
    readings: Sequence[Arrived], carrier: str, timeout_s: float
) -> list[tuple[str, list[int]]]:
    """Return where a carrier was read and when, a new stay after each silence of one length."""
    stays: list[tuple[str, list[int]]] = []
    open_: dict[str, list[int]] = {}
    for each in sorted(readings, key=lambda each: each.time):
        if not isinstance(each.value, TagRead) or each.value.epc.hex() != carrier:
            continue
        times = open_.get(each.signal)
        if times is None or each.time - times[-1] > timeout_s * SECOND:
            times = open_[each.signal] = []
            stays.append((each.signal, times))
        times.append(each.time)
    return stays


def _carrier(case: Mapping[str, Any]) -> str:
    return next(str(fact["carrier"]) for fact in case["facts"] if fact["lot"] == case["lot"])


def each_reader(case: Mapping[str, Any], readings: Sequence[Arrived]) -> object:
    """Believe every reader: where a carrier was read, it was."""
    return len(_stays(readings, _carrier(case), 1e6))


def one_time_for_all_ways(case: Mapping[str, Any], readings: Sequence[Arrived]) -> object:
    """Give every way the same time: count the moves that are too fast by it."""
    least = {
        each["signal"]: each.get("presence", {}).get("travel_min", 0) for each in case["signals"]
    }
    reads = [each for each in readings if isinstance(each.value, TagRead)]
    moves = [pair for pair in pairwise(reads) if pair[0].signal != pair[1].signal]
    return sum(after.time - before.time < least[after.signal] for before, after in moves)


def fixed_timeout(case: Mapping[str, Any], readings: Sequence[Arrived]) -> object:
    """Let every silence of five seconds end a stay, however rarely the carrier is read."""
    return len(_stays(readings, _carrier(case), 5))


def carrier_is_lot(case: Mapping[str, Any], readings: Sequence[Arrived]) -> object:
    """Take a carrier for the lot that it held first: bind all its stays."""
    stays = _stays(readings, _carrier(case), 5)
    signal = case["parameters"][0]["signal"]
    return sum(
        each.signal == signal and any(times[0] <= each.time < times[-1] for _, times in stays)
        for each in readings
    )


def time_of_leaving(case: Mapping[str, Any], readings: Sequence[Arrived]) -> object:
    """Bind what a tunnel shows to the lot that leaves it at that moment."""
    high = case["parameters"][0]["limits"]["action_high"]
    outside = [each.value > high for each in _inside(case, readings)]
    return int((np.diff([False, *outside]) & np.array(outside)).sum())


def one_lot_a_unit(case: Mapping[str, Any], readings: Sequence[Arrived]) -> object:
    """Let a unit work on one lot at a time: from when the next one is entered, on that one."""
    entered = sorted(case["facts"], key=lambda fact: fact["start"])
    bounds = [at(fact["start"]) for fact in entered] + [at(max(f["end"] for f in entered))]
    own = next(number for number, fact in enumerate(entered) if fact["lot"] == case["lot"])
    inside = _inside(case, readings)
    return sum(bounds[own] <= each.time < bounds[own + 1] for each in inside)


def each_window(case: Mapping[str, Any], readings: Sequence[Arrived]) -> object:
    """Join readings with windows: a reading counts for each window that it is in."""
    signal = case["parameters"][0]["signal"]
    return sum(
        each.signal == signal and low <= each.time < high
        for low, high in _windows(case)
        for each in readings
    )


def excursions_alone(case: Mapping[str, Any], readings: Sequence[Arrived]) -> object:
    """Hold the numbers of the whole lot against the number of the limit, and nothing else."""
    limit = case["parameters"][0]["limits"]["action_high"]
    outside = [value > limit for value in _numbers(_inside(case, readings))]
    return int(np.count_nonzero(np.diff([False, *outside]) & outside))


def newest_time(case: Mapping[str, Any], readings: Sequence[Arrived]) -> object:
    """Take of each test the result found last: a correction keeps the time of what it corrects."""
    found: dict[str, Mapping[str, Any]] = {}
    for each in case["test_results"]:
        if each["test"] not in found or each["at"] > found[each["test"]]["at"]:
            found[each["test"]] = each
    return sum(each["verdict"] == "fail" for each in found.values())


RULES: Final[Mapping[str, Rule]] = {
    rule.__name__: rule
    for rule in (
        between,
        arrival,
        ignore_status,
        bound_rows_only,
        lot_id_alone,
        average_of_averages,
        row_mean,
        last_minus_first,
        last_writer,
        by_day,
        double_width,
        good_rows,
        exact_time,
        gateway_wall_time,
        local_time,
        silence_is_a_gap,
        own_key_alone,
        whole_parent,
        one_run,
        time_of_leaving,
        one_lot_a_unit,
        each_window,
        one_time_for_all_ways,
        each_reader,
        fixed_timeout,
        carrier_is_lot,
        excursions_alone,
        newest_time,
    )
}
