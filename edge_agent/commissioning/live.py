"""Ask every configured source for the first reading of every signal, once.

The drivers are those of the agent, opened as it opens them; nothing is acknowledged, sealed or
kept, so what equipment holds for the agent stays there.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from edge_agent.clock import GatewayClock
from edge_agent.sources import Source
from protocols.field.driver import Driver, FieldError
from protocols.wire.reading import SECOND, Doubt, Reading, Status, TagRead


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The first reading of one signal, or that there was none."""

    signal: str
    unit: str  # UCUM, as configured; "" where the driver finds its signals itself
    reading: Reading | None
    age_s: float | None  # of the reading when it came, by the equipment's own time
    advice: str  # what to do; "" where nothing is
    may_be_quiet: bool = False  # it speaks only when something happens

    @property
    def is_well(self) -> bool:
        """Whether the signal gave a value without a doubt, or rightly none."""
        if self.reading is None:
            return self.may_be_quiet
        return self.reading.status is Status.GOOD

    @property
    def status(self) -> str:
        """The word for how it is."""
        if self.reading is None:
            return "quiet" if self.may_be_quiet else "missing"
        return self.reading.status.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What one source gave."""

    source: str
    driver: str
    error: str  # why it could not be read; "" where it could
    advice: str
    signals: tuple[Seen, ...]

    @property
    def is_well(self) -> bool:
        """Whether it was read and all of its signals are well."""
        return not self.error and all(seen.is_well for seen in self.signals)


async def look(sources: Sequence[Source], clock: GatewayClock, *, wait_s: float) -> list[Looked]:
    """Open all sources at once, and give each ``wait_s`` seconds to show all of its signals."""
    return list(await asyncio.gather(*(_look(source, clock, wait_s) for source in sources)))


def to_json(looked: Sequence[Looked]) -> list[dict[str, Any]]:
    """Return what was seen in the types of JSON."""
    return [
        {
            "source": each.source,
            "driver": each.driver,
            "well": each.is_well,
            "error": each.error,
            "advice": each.advice,
            "signals": [
                {
                    "signal": seen.signal,
                    "well": seen.is_well,
                    "status": seen.status,
                    "code": None if seen.reading is None else seen.reading.code,
                    "value": None if seen.reading is None else shown(seen.reading),
                    "unit": seen.unit,
                    "age_s": seen.age_s,
                    "advice": seen.advice,
                }
                for seen in each.signals
            ],
        }
        for each in looked
    ]


def to_lines(looked: Sequence[Looked]) -> list[str]:
    """Return what was seen for a person: a line a source and a line a signal."""
    lines: list[str] = []
    for each in looked:
        lines.append(f"{_mark(each.is_well)} {each.source} ({each.driver})")
        if each.error:
            lines += [f"    {each.error}", f"    -> {each.advice}"]
        width = max((len(seen.signal) for seen in each.signals), default=0)
        for seen in each.signals:
            value = "" if seen.reading is None else f"{shown(seen.reading)} {seen.unit}".rstrip()
            age = "" if seen.age_s is None else f"{seen.age_s:.1f} s old"
            what = f"{seen.signal:{width}}  {seen.status:9}  {value:20}  {age}"
            lines.append(f"  {_mark(seen.is_well)} {what.rstrip()}")
            if seen.advice:
                lines.append(f"      -> {seen.advice}")
    return lines


def shown(reading: Reading) -> str:
    """Return a reading's value as text; of one without, what the source sent."""
    value = reading.value
    if isinstance(value, TagRead):
        return f"{value.epc.hex().upper()} at antenna {value.antenna}, {value.rssi / 100:g} dBm"
    if value is None:
        return f"0x{reading.raw.hex().upper()}"[:60] if reading.raw else ""
    return f"{value:g}" if isinstance(value, float) else str(value)[:60]


async def _look(source: Source, clock: GatewayClock, wait_s: float) -> Looked:
    wanted = {str(getattr(signal, "name", "")): signal for signal in source.signals()}
    found: dict[str, tuple[Reading, float]] = {}
    error = advice = ""
    opened = False
    driver = source.spec.connect(source.name, source.settings, clock)
    try:
        async with asyncio.timeout(wait_s):
            await driver.open()
            opened = True
            await _collect(driver, clock, found, wanted=frozenset(wanted))
    except TimeoutError:
        if not opened:
            error = f"it did not open within {wait_s:g} s"
            advice = "look at the equipment and the network, or wait longer with --wait"
    except FieldError as failure:
        error, advice = str(failure), failure.hint
    finally:
        with contextlib.suppress(Exception):  # what was seen is what counts
            async with asyncio.timeout(_CLOSE_S):
                await driver.close()
    names = [] if error else list(wanted) or sorted(found)
    return Looked(
        source=source.name,
        driver=source.spec.name,
        error=error,
        advice=advice,
        signals=tuple(_seen(name, wanted.get(name), found, source) for name in names),
    )


async def _collect(
    driver: Driver,
    clock: GatewayClock,
    found: dict[str, tuple[Reading, float]],
    *,
    wanted: frozenset[str],
) -> None:
    """Read until every wanted signal was seen; where none is named, until one was."""
    while not found or wanted - found.keys():
        for reading in (await driver.read()).readings:
            if reading.signal not in found:
                since = reading.gateway_time if reading.source_time is None else reading.source_time
                found[reading.signal] = (reading, (clock.gateway_time() - since) / SECOND)


def _seen(name: str, signal: Any, found: dict[str, tuple[Reading, float]], source: Source) -> Seen:
    unit = "" if signal is None or signal.unit == "1" else str(signal.unit)
    reading, age = found.get(name, (None, None))
    return Seen(
        signal=name,
        unit=unit,
        reading=reading,
        age_s=age,
        advice=_advice(reading, source),
        may_be_quiet=source.spec.quiet,
    )


def _advice(reading: Reading | None, source: Source) -> str:
    if reading is None:
        return _QUIET if source.spec.quiet else _MISSING
    if reading.status is Status.GOOD:
        return ""
    if reading.code in _DOUBTS:
        return _DOUBTS[Doubt(reading.code)]
    return f"the equipment says {source.spec.code_name(reading.code)}"


def _mark(well: bool) -> str:  # the whole of what it says
    return "✓" if well else "✗"


_CLOSE_S: Final = 5.0
_MISSING: Final = "it did not come in time: does it change, and is it read? wait longer with --wait"
_QUIET: Final = "nothing happened meanwhile; hold a tag before the antenna to see it"
_DOUBTS: Final = {
    Doubt.NOT_FINITE: "it is not a number: the sensor or its register is not in use",
    Doubt.WRONG_TYPE: "the equipment sends another type: correct `kind` or `type`",
    Doubt.OUT_OF_RANGE: "the value does not fit its kind: correct `kind`, or `type` and `order`",
    Doubt.IMPOSSIBLE_TIME: "its time is far from this gateway's: set the clock that is wrong",
    Doubt.NO_VALUE: "the equipment answers without a value: look at it there",
    Doubt.NO_ANSWER: "no answer: check unit, address and timeout",
    Doubt.REFUSED: "the equipment refuses it: check address, type and rights",
    Doubt.TORN: "it changes faster than it can be read: check `guard`, or read it less often",
}
