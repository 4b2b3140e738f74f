"""What the buffer tells of the sources from before the agent was stopped.

Equipment that keeps a history is asked for what was missed meanwhile. To know from where on, and
what came already, the newest bundles are read backwards: nothing is written for it while the
agent runs. Where a signal's last reading lies further back than is looked, or was freed, nothing
is told of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import structlog

from edge_agent.buffer.buffer import Buffer
from edge_agent.errors import BundleUnreadableError
from protocols.field.driver import Memory
from protocols.wire.bundle import open_body, peek_header
from protocols.wire.column import Column, decode_column
from protocols.wire.errors import WireError
from protocols.wire.header import Header
from protocols.wire.reading import MENDABLE, WHOLE_GATEWAY, Doubt, Gap, Nanoseconds, Reading

_log = structlog.get_logger("look_back")


def look_back(
    buffer: Buffer,
    sources: Mapping[str, Iterable[str]],
    *,
    since: Nanoseconds,
    now: Nanoseconds,
    skew_max: Nanoseconds,
) -> dict[str, Memory]:
    """Return what is known of ``sources``: names of signals, by source.

    The agent was stopped from ``since`` to ``now``; no source time that was believed lay further
    than ``skew_max`` ahead of the gateway's.
    """
    known = {name: _Known(name, signals, since, skew_max) for name, signals in sources.items()}
    bytes_left = _BYTES_MAX
    for number in range(buffer.head.number, max(-1, buffer.head.number - _BUNDLES_MAX), -1):
        if bytes_left <= 0 or all(each.is_settled for each in known.values()):
            break
        try:
            bundle = buffer.bundle(number)
            _, header = peek_header(bundle.sealed_header)
            columns = [decode_column(data) for data in open_body(header, bundle.body).columns]
        except (BundleUnreadableError, WireError) as error:
            _log.info("not looked further back", number=number, why=str(error))
            break  # freed, or damaged
        bytes_left -= len(bundle.body)
        for each in known.values():
            each.take(header, columns)
        if number == 0:  # nothing lies before it
            for each in known.values():
                each.settle(upto=-1)
    return {
        name: Memory(since=each.since, until=now, last=each.settled) for name, each in known.items()
    }


_BUNDLES_MAX: Final = 1000
_BYTES_MAX: Final = 4 * 1024 * 1024
"""Of bodies as they are stored: some seconds on a small gateway."""


class _Known:
    """What is known of one source, bundle by bundle backwards."""

    def __init__(
        self, name: str, signals: Iterable[str], since: Nanoseconds, skew_max: Nanoseconds
    ) -> None:
        self.since = since
        self.settled: dict[str, Reading] = {}
        """By signal, the reading of the latest source time, where no bundle before has a later."""
        self._name = name
        self._skew_max = skew_max
        self._signals = frozenset(signals)
        self._open = set(self._signals)
        self._latest: dict[str, Reading] = {}
        self._is_heard = False  # a reading of the source was met
        self._missing: list[Nanoseconds] = []  # beginnings of what was declared since then

    @property
    def is_settled(self) -> bool:
        """Whether nothing more is to be found out."""
        return not self._open

    def take(self, header: Header, columns: Iterable[Column]) -> None:
        """Look at the next bundle."""
        own = [column for column in columns if column.signal in self._signals]
        if not self._is_heard:
            self._missing += [gap.start for gap in header.gaps if self._is_missing(gap)]
            if own:
                self._is_heard = True
                heard = max(max(column.gateway_times) for column in own)
                # What was missing already when the agent was stopped is asked for with the rest.
                self.since = min([self.since, *(at for at in self._missing if at >= heard)])
        for column in own:
            placed = [reading for reading in column.readings() if _is_placed(reading)]
            if column.signal in self._open and placed:
                latest = max(reversed(placed), key=_time)  # of one time, the one that came last
                held = self._latest.get(column.signal)
                if held is None or _time(held) < _time(latest):
                    self._latest[column.signal] = latest
        self.settle(upto=header.first_time + self._skew_max)

    def settle(self, *, upto: Nanoseconds) -> None:
        """Take what is later than ``upto``: nothing that came before can be later than that."""
        for name in self._open & self._latest.keys():
            if _time(self._latest[name]) > upto:
                self.settled[name] = self._latest.pop(name)
                self._open.discard(name)

    def _is_missing(self, gap: Gap) -> bool:
        return gap.subject in (self._name, WHOLE_GATEWAY) and gap.reason in MENDABLE


def _is_placed(reading: Reading) -> bool:
    return reading.source_time is not None and reading.code != Doubt.IMPOSSIBLE_TIME


def _time(reading: Reading) -> Nanoseconds:
    return reading.source_time or 0
