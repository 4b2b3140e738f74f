"""Play a recorded file: wait for the time of each line, deliver it, and say what was spoilt."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, TextIO

from protocols.field.driver import (
    Delivery,
    DriverError,
    FieldClock,
    SettingsError,
)
from protocols.field.replay.recording import Cell, Line, lines_of, open_recording
from protocols.field.replay.settings import AtEnd, Form, ReplaySettings, Times
from protocols.wire.reading import (
    SECOND,
    Gap,
    GapReason,
    Nanoseconds,
    SignalName,
    TagRead,
    judge,
)

__all__ = ["ReplayDriver"]


class ReplayDriver:
    """One file that is being played."""

    def __init__(self, source: str, settings: ReplaySettings, clock: FieldClock) -> None:
        self._source = source
        self._settings = settings
        self._clock = clock
        self._file: TextIO | None = None
        self._lines: Iterator[Line] = iter(())
        self._ahead: Line | None = None  # read, but not due yet
        self._done = 0  # lines delivered since the file began
        self._first: _First | None = None

    async def open(self) -> None:
        """Open the file where it was left; raise DriverError, or SettingsError where it misfits."""
        await self.close()
        try:
            self._begin()
            for _ in range(self._done):
                next(self._lines, None)
        except _UNREADABLE as error:
            await self.close()
            raise self._unreadable(error) from error
        except SettingsError:
            await self.close()
            raise

    async def read(self) -> Delivery:
        """Wait for the next line and return all that is due, at most ``rows_max`` lines.

        Raise DriverError where the file can no longer be read.
        """
        while True:
            try:
                lines, wait = self._due()
            except _UNREADABLE as error:
                raise self._unreadable(error) from error
            await asyncio.sleep(0 if lines else wait)  # 0: a fast file does not starve the others
            if lines:
                return self._delivery(lines)

    async def close(self) -> None:
        """Let go of the file; never raises."""
        self._ahead = None
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _begin(self) -> None:
        self._file = open_recording(self._settings.file)
        self._lines = lines_of(self._file, self._settings)

    def _unreadable(self, error: Exception) -> DriverError:
        return DriverError(
            f"{self._settings.file} cannot be read: {error}",
            hint="check that the file is there, is whole, and that the agent may read it",
        )

    def _due(self) -> tuple[list[Line], float]:
        """Return the lines whose time has come, and where there are none the seconds to wait."""
        lines: list[Line] = []
        while len(lines) < self._settings.rows_max:
            line = self._ahead or next(self._lines, None)
            if line is None:
                if not self._again():
                    return lines, _FOR_EVER
                continue
            wait = self._wait(line)
            if wait > 0:
                self._ahead = line
                return lines, wait
            self._ahead = None
            self._done += 1
            lines.append(line)
        return lines, 0

    def _again(self) -> bool:
        """Begin the file again where the settings say so and it holds anything at all."""
        if self._settings.at_end is AtEnd.WAIT or not self._done or self._file is None:
            return False
        self._file.close()
        self._begin()
        self._done = 0
        self._first = None
        return True

    def _wait(self, line: Line) -> float:
        """Return the seconds until the line is due; the first with a time is due at once."""
        if line.time is None or not self._settings.speed:
            return 0.0
        first = self._anchor(line.time)
        due = first.monotonic + (line.time - first.time) / SECOND / self._settings.speed
        return due - self._clock.monotonic()

    def _anchor(self, time: Nanoseconds) -> _First:
        if self._first is None:
            self._first = _First(
                time=time,
                monotonic=self._clock.monotonic(),
                gateway_time=self._clock.gateway_time(),
            )
        return self._first

    def _delivery(self, lines: list[Line]) -> Delivery:
        now = self._clock.gateway_time()
        readings = tuple(
            judge(
                signal=SignalName(cell.signal.name),
                kind=cell.signal.kind,
                value=self._value(cell, line, now),
                gateway_time=now,
                source_time=self._source_time(cell, line, now),
                status=cell.status,
                code=cell.code,
                raw=cell.raw,
                # Recorded times are meant to be old; only what we call "now" is judged.
                skew_max=None if self._keeps_times else self._clock.skew_max(),
            )
            for line in lines
            for cell in line.cells
        )
        gaps = [self._gap(line.gap, line, now) for line in lines if line.gap is not None]
        if spoilt := sum(line.spoilt for line in lines):
            gaps.append(
                Gap(
                    subject=self._source,
                    start=now,
                    end=now,
                    reason=GapReason.REFUSED,
                    count=spoilt,
                )
            )
        return Delivery(readings=readings, gaps=tuple(gaps))

    @property
    def _keeps_times(self) -> bool:
        return self._settings.times is Times.ORIGINAL

    def _source_time(self, cell: Cell, line: Line, now: Nanoseconds) -> Nanoseconds | None:
        if self._settings.form is Form.TRACE:
            return None if cell.source_time is None else self._moved(cell.source_time, line, now)
        if line.time is None or (self._keeps_times and self._settings.row_period_s):
            return None
        return self._moved(line.time, line, now)

    def _value(self, cell: Cell, line: Line, now: Nanoseconds) -> object:
        """Return the value; the times within a tag read move with its own."""
        if not isinstance(cell.value, TagRead):
            return cell.value
        return replace(
            cell.value,
            first_seen=self._moved(cell.value.first_seen, line, now),
            last_seen=self._moved(cell.value.last_seen, line, now),
        )

    def _gap(self, gap: Gap, line: Line, now: Nanoseconds) -> Gap:
        """Return a recorded gap as one of this source, whatever the recorded one was called."""
        names = {signal.name for signal in self._settings.signals}
        return replace(
            gap,
            subject=gap.subject if gap.subject in names else self._source,
            start=self._moved(gap.start, line, now),
            end=self._moved(gap.end, line, now),
        )

    def _moved(self, time: Nanoseconds, line: Line, now: Nanoseconds) -> Nanoseconds:
        """Return a recorded time as the settings want it; ``line`` is played ``now``."""
        if self._keeps_times or line.time is None:
            return time
        if not self._settings.speed:
            return now + (time - line.time)
        first = self._anchor(line.time)
        return first.gateway_time + int((time - first.time) / self._settings.speed)


@dataclass(frozen=True, slots=True, kw_only=True)
class _First:
    """The first time of the file, and when it was played."""

    time: Nanoseconds
    monotonic: float
    gateway_time: Nanoseconds


_FOR_EVER: Final = 3600.0
"""Seconds between two looks at a file that has ended."""
_UNREADABLE: Final = (OSError, EOFError, zlib.error)
