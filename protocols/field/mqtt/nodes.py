"""Sparkplug's nodes: what was born, what is dead, and whether a message of theirs is missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from protocols.field.driver import FieldClock
from protocols.field.mqtt.messages import Message, MessageCode, Said, bad, reading
from protocols.field.mqtt.settings import MqttSignal
from protocols.field.mqtt.sparkplug import (
    Metric,
    Payload,
    SparkplugError,
    decode_payload,
    typed,
)
from protocols.wire.reading import Gap, GapReason, Nanoseconds, Reading, Status, Value

__all__ = ["NAMESPACE", "Nodes"]

NAMESPACE: Final = "spBv1.0"


class Nodes:
    """Reads the messages of the configured nodes."""

    def __init__(self, source: str, signals: Iterable[MqttSignal], clock: FieldClock) -> None:
        self._source = source
        self._clock = clock
        self._nodes: dict[str, _Node] = {}
        for signal in signals:
            group, name, *device = signal.topic.split("/")
            node = self._nodes.setdefault(f"{group}/{name}", _Node())
            node.signals[device[0] if device else "", signal.path] = signal

    @property
    def topics(self) -> Sequence[str]:
        """What is to be subscribed to: all that the nodes say."""
        return tuple(
            f"{NAMESPACE}/{group}/+/{name}/#"
            for group, name in (node.split("/") for node in self._nodes)
        )

    def begin(self, said: Said) -> None:
        """Forget what was born, and ask again: nobody retains a birth."""
        for name, node in self._nodes.items():
            node.forget()
            node.asked = True
            said.rebirths.append(name)

    def read(self, message: Message, said: Said) -> None:
        """Add what a message says; one that cannot be read is a declared gap."""
        parts = message.topic.split("/")
        if len(parts) not in (4, 5) or parts[0] != NAMESPACE:
            return
        name, kind = f"{parts[1]}/{parts[3]}", parts[2]
        device = parts[4] if len(parts) == 5 else ""
        node = self._nodes.get(name)
        if node is None or kind not in _KINDS:
            return
        try:
            payload = decode_payload(message.payload)
        except SparkplugError:
            said.gaps.append(self._gap(node, GapReason.REFUSED, 1))
            self._ask(name, node, said)
            return
        if kind == "NDEATH":
            # A will of an earlier connection may come late: it is about that one alone.
            if node.birth is None or _birth_number(payload) in (None, node.birth):
                self._die(node, None, said)
                node.forget()
            return
        self._follow(name, node, payload, said, born=kind == "NBIRTH")
        if kind == "NBIRTH":
            node.birth = _birth_number(payload)
        if kind in ("NBIRTH", "DBIRTH"):
            for metric in payload.metrics:
                if metric.alias is not None:
                    node.names[metric.alias] = (device, metric.name)
                node.types[device, metric.name] = metric.datatype
        if kind == "DDEATH":
            self._die(node, device, said)
        else:
            self._take(name, node, device, payload, said, born=kind.endswith("BIRTH"))
        node.heard = self._clock.gateway_time()

    def _follow(self, name: str, node: _Node, payload: Payload, said: Said, *, born: bool) -> None:
        """Count the messages: after 255 comes 0, and a birth begins anew."""
        if born:
            node.forget()
            node.asked = False
        elif node.next_seq is None:
            self._ask(name, node, said)  # its birth was before our time
        elif payload.seq != node.next_seq:
            said.gaps.append(self._gap(node, GapReason.SUBSCRIPTION_LOST, None))
            self._ask(name, node, said)
        node.next_seq = None if payload.seq is None else (payload.seq + 1) % 256

    def _take(
        self,
        name: str,
        node: _Node,
        device: str,
        payload: Payload,
        said: Said,
        *,
        born: bool,
    ) -> None:
        unknown = 0
        for metric in payload.metrics:
            place = (device, metric.name)
            if not metric.name:
                if metric.alias not in node.names:
                    unknown += 1
                    continue
                place = node.names[metric.alias]
            signal = node.signals.get(place)
            if signal is None:
                continue
            datatype = metric.datatype or node.types.get(place, 0)
            found = self._reading(signal, metric, datatype, payload)
            same = (found.source_time, found.value, found.status)
            if not (born and same == node.last.get(place)):  # a birth says everything again
                said.readings.append(found)
            node.last[place] = same
        if unknown:
            said.gaps.append(self._gap(node, GapReason.REFUSED, unknown))
            self._ask(name, node, said)

    def _reading(
        self, signal: MqttSignal, metric: Metric, datatype: int, payload: Payload
    ) -> Reading:
        time_ms = metric.time_ms if metric.time_ms is not None else payload.time_ms
        value: object = None if metric.null else typed(metric.value, datatype)
        code = 0
        if metric.quality == _STALE:
            code = _STALE
        elif metric.quality not in (None, _GOOD):
            return bad(signal, self._clock, MessageCode.QUALITY, metric.raw)
        elif value is None and not metric.null:
            return bad(signal, self._clock, MessageCode.TYPE, metric.raw)
        if time_ms is not None and time_ms > _TIME_MS_MAX:
            time_ms, code = None, MessageCode.NO_TIME
        return reading(
            signal,
            value,
            self._clock,
            time=None if time_ms is None else time_ms * 1_000_000,
            code=code,
            historical=metric.historical,
        )

    def _die(self, node: _Node, device: str | None, said: Said) -> None:
        """Say of every signal of a device, or of all, that it is no more."""
        for (owner, metric), signal in node.signals.items():
            if device is None or owner == device:
                node.last.pop((owner, metric), None)
                said.readings.append(bad(signal, self._clock, MessageCode.DEAD, b""))

    def _ask(self, name: str, node: _Node, said: Said) -> None:
        if not node.asked:
            node.asked = True
            said.rebirths.append(name)

    def _gap(self, node: _Node, reason: GapReason, count: int | None) -> Gap:
        now = self._clock.gateway_time()
        start = min(node.heard or now, now)
        return Gap(subject=self._source, start=start, end=now, reason=reason, count=count)


@dataclass(slots=True)
class _Node:
    """What is known of a node."""

    signals: dict[tuple[str, str], MqttSignal] = field(default_factory=dict)
    names: dict[int, tuple[str, str]] = field(default_factory=dict)  # alias -> device, metric
    types: dict[tuple[str, str], int] = field(default_factory=dict)
    next_seq: int | None = None  # None until its birth came
    birth: int | None = None  # bdSeq
    last: dict[tuple[str, str], tuple[Nanoseconds | None, Value | None, Status]] = field(
        default_factory=dict
    )
    heard: Nanoseconds = 0
    asked: bool = False  # for its birth, which has not come yet

    def forget(self) -> None:
        """Forget what its birth said."""
        self.names.clear()
        self.types.clear()
        self.next_seq = self.birth = None


def _birth_number(payload: Payload) -> int | None:
    for metric in payload.metrics:
        if metric.name == "bdSeq" and isinstance(metric.value, int):
            return metric.value
    return None


_KINDS: Final = frozenset(("NBIRTH", "NDATA", "NDEATH", "DBIRTH", "DDATA", "DDEATH"))
_GOOD, _STALE = 192, 500
_TIME_MS_MAX: Final = (2**63 - 1) // 1_000_000
