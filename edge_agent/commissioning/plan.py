"""``lotproof-agent plan``: what the sources will be asked, and what that costs their lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from edge_agent.sources import Source

if TYPE_CHECKING:  # the driver is imported only where a source has it
    from protocols.field.modbus.forecast import Forecast, Request, Round
    from protocols.field.modbus.settings import ModbusSettings


def is_polled(source: Source) -> bool:
    """Whether the source is asked in requests of our choice; others send by themselves."""
    return source.spec.name == "modbus"


def is_too_much(source: Source) -> bool:
    """Whether a serial line cannot carry what is asked of it."""
    load = _forecast(source).load if is_polled(source) else None
    return load is not None and load >= 1


def plan_lines(sources: Sequence[Source]) -> Iterator[str]:
    """Yield the plan of each source: its polls, a line a request, and a sum."""
    for source in sources:
        if not is_polled(source):
            yield f"{source.name}: {source.spec.name} is not polled"
            continue
        found = _forecast(source)
        yield f"{source.name}: {len(source.signals())} signals"
        for each in found.rounds:
            count = sum(request.requests for request in each.requests)
            yield f"  {_when(each)}: {count} request{'' if count == 1 else 's'}"
            yield from _table([_row(request) for request in each.requests])
        yield f"  {_sum(found, source)}"


def plan_json(sources: Sequence[Source]) -> list[dict[str, Any]]:
    """Return the plan of each polled source, for programs."""
    return [_plain(source.name, _forecast(source)) for source in sources if is_polled(source)]


def _forecast(source: Source) -> Forecast:
    from protocols.field.modbus.forecast import forecast

    return forecast(_settings(source))


def _settings(source: Source) -> ModbusSettings:
    return cast("ModbusSettings", source.settings)


def _when(each: Round) -> str:
    last, *others = reversed([f"{period:g} s" for period in each.periods])
    more = f", together with {' and '.join(reversed(others))}" if others else ""
    return f"every {last}{more}"


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Yield the rows with their columns one below the other, those without a word left out."""
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True) if width]
        yield f"    {'  '.join(cells)}".rstrip()


def _row(request: Request) -> tuple[str, ...]:
    block = request.block
    kind = "bit" if block.table.of_bits else "register"
    names = [slot.name for slot in block.slots]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    guarded = ", ".join(str(each.address) for each in request.counters)
    return (
        f"unit {block.unit}",
        str(block.table),
        f"{block.address} to {block.address + block.count - 1}",
        f"{block.count} {kind}{'' if block.count == 1 else 's'}",
        f"{block.unused} unused" if block.unused else "",
        f"counter {guarded} before and after" if guarded else "",
        ", ".join(names[:_SHOWN]) + more,
    )


def _sum(found: Forecast, source: Source) -> str:
    most = "" if found.exact else "at most "
    text = (
        f"{most}{found.requests_per_s:.4g} requests/s, {found.read_per_s:.4g} registers and bits/s"
        f", {found.unused_per_s:.4g} of them for nothing"
    )
    if found.load is not None:
        baud_rate = _settings(source).baud_rate
        text += f"; the line is busy {found.load:.0%} of the time at {baud_rate} bit/s"
        text += ": more than it can carry" if found.load >= 1 else ""
    return text


def _plain(name: str, found: Forecast) -> dict[str, Any]:
    return {
        "source": name,
        "polls": [
            {
                "periods_s": list(each.periods),
                "per_s": each.per_s,
                "requests": [_plain_request(request) for request in each.requests],
            }
            for each in found.rounds
        ],
        "requests_per_s": found.requests_per_s,
        "read_per_s": found.read_per_s,
        "unused_per_s": found.unused_per_s,
        "line_load": found.load,
        "exact": found.exact,
    }


def _plain_request(request: Request) -> dict[str, Any]:
    block = request.block
    return {
        "unit": block.unit,
        "table": str(block.table),
        "address": block.address,
        "count": block.count,
        "unused": block.unused,
        "counters": [each.address for each in request.counters],
        "signals": [slot.name for slot in block.slots],
    }


_SHOWN: Final = 4
