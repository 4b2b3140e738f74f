"""Take what equipment publishes: each message becomes readings of the signals that it is about."""

from __future__ import annotations

from protocols.field.driver import (
    Delivery,
    DriverError,
    FieldClock,
)
from protocols.field.mqtt.line import Arrived, Line
from protocols.field.mqtt.messages import Documents, Message, Said
from protocols.field.mqtt.nodes import NAMESPACE, Nodes
from protocols.field.mqtt.settings import Format, MqttSettings
from protocols.field.mqtt.sparkplug import encode_rebirth
from protocols.wire.reading import Gap, GapReason, Nanoseconds

__all__ = ["MqttDriver"]

_MESSAGES_MAX = 500  # of one delivery


class MqttDriver:
    """One broker."""

    def __init__(self, source: str, settings: MqttSettings, clock: FieldClock) -> None:
        self._source = source
        self._settings = settings
        self._clock = clock
        sparkplug = [each for each in settings.signals if each.format is Format.SPARKPLUG]
        others = [each for each in settings.signals if each.format is not Format.SPARKPLUG]
        self._documents = Documents(others, clock)
        self._nodes = Nodes(source, sparkplug, clock)
        self._line: Line | None = None
        self._recent: dict[int, tuple[str, bytes]] = {}  # what came last, by its message id
        self._unqueued = False  # something came that no broker keeps for us
        self._down_since: Nanoseconds | None = None
        self._begun = Said()  # to deliver with the first read of a connection

    async def open(self) -> None:
        """Connect, subscribe and ask nodes for their birth; raise DriverError or SettingsError."""
        await self.close()
        line = Line(self._settings, self._settings.client_id or f"lotproof-{self._source}")
        try:
            await line.open([*self._documents.topics, *self._nodes.topics])
        except DriverError:
            self._interrupted()
            await line.close()
            raise
        self._line = line
        since, self._down_since = self._down_since, None
        if not line.kept:
            self._recent.clear()  # nothing of the old session comes again
        if since is not None and (self._unqueued or not line.kept):
            now = max(since, self._clock.gateway_time())
            gap = Gap(subject=self._source, start=since, end=now, reason=GapReason.SOURCE_DOWN)
            self._begun.gaps.append(gap)
        self._nodes.begin(self._begun)

    async def read(self) -> Delivery:
        """Wait for messages and return what they say; raise DriverError when the line is lost."""
        line = self._line
        if line is None:
            raise DriverError("the line is not open", hint="open it")
        said, self._begun = self._begun, Said()
        kept: list[Arrived] = []

        async def acknowledge() -> None:
            for each in kept:
                line.acknowledge(each)
            kept.clear()

        while not (said.readings or said.gaps):
            self._ask_for_births(line, said)
            try:
                arrived, dropped = await line.messages(_MESSAGES_MAX)
            except DriverError:
                self._interrupted()
                raise
            for each in arrived:
                self._take(each, line, kept, said)
            if dropped:
                now = self._clock.gateway_time()
                said.gaps.append(
                    Gap(
                        subject=self._source,
                        start=now,
                        end=now,
                        reason=GapReason.OVERRUN,
                        count=dropped,
                    )
                )
            if not (said.readings or said.gaps):
                await acknowledge()  # of nothing that we read: it must not fill the line
        self._ask_for_births(line, said)
        return Delivery(
            readings=tuple(said.readings),
            gaps=tuple(said.gaps),
            ack=acknowledge if kept else None,
        )

    async def close(self) -> None:
        """Let go of the connection; never raises."""
        line, self._line = self._line, None
        if line is not None:
            await line.close()

    def _take(self, arrived: Arrived, line: Line, kept: list[Arrived], said: Said) -> None:
        """Read a message, unless it was read before and only its acknowledgement was lost."""
        if arrived.qos == 0:
            self._unqueued = self._unqueued or not arrived.retained
        elif arrived.again and self._recent.get(arrived.mid) == (arrived.topic, arrived.payload):
            line.acknowledge(arrived)
            return
        else:
            self._recent.pop(arrived.mid, None)
            self._recent[arrived.mid] = (arrived.topic, arrived.payload)
            if len(self._recent) > self._settings.inflight_max:
                del self._recent[next(iter(self._recent))]
            kept.append(arrived)
        if len(arrived.payload) > self._settings.payload_bytes_max:
            self._documents.too_long(arrived.topic, arrived.payload, said)
            return
        message = Message(topic=arrived.topic, payload=arrived.payload, retained=arrived.retained)
        self._documents.read(message, said)
        self._nodes.read(message, said)

    def _ask_for_births(self, line: Line, said: Said) -> None:
        if self._settings.rebirth:
            for name in said.rebirths:
                group, node = name.split("/")
                now_ms = self._clock.gateway_time() // 1_000_000
                line.publish(f"{NAMESPACE}/{group}/NCMD/{node}", encode_rebirth(now_ms))
        said.rebirths.clear()

    def _interrupted(self) -> None:
        if self._down_since is None:
            self._down_since = self._clock.gateway_time()
