"""An agent that trusts the broker: it frees a bundle when the broker acknowledges it.

A negative control: the whole line under ``kill -9`` must find out that this agent loses readings.
Run as ``python -m tests.faults.trusting_agent run --settings ...``.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from edge_agent.__main__ import main
from edge_agent.buffer.buffer import Buffer
from edge_agent.uplink import uplink
from edge_agent.uplink.sender import Line, Sender
from protocols.wire.bundle import Bundle, peek_header, split_bundle

_FREED: Final[set[int]] = set()


class TrustingSender(Sender):
    """Sends like the agent's own, and believes PUBACK."""

    def __init__(self, *, line: Line, **parts: Any) -> None:
        self._noted = _Noted(line)
        self._frees: set[asyncio.Task[None]] = set()
        super().__init__(line=self._noted, **parts)

    def acknowledged(self, message: int) -> None:
        """Free the bundle that the message carried."""
        super().acknowledged(message)
        number = self._noted.numbers.pop(message, None)
        if number is not None:
            task = asyncio.create_task(self._free(number))
            self._frees.add(task)
            task.add_done_callback(self._frees.discard)

    async def _bundle(self, number: int) -> Bundle | None:
        """Return a bundle; None where this agent freed it, which it takes for delivered."""
        return None if number in _FREED else await super()._bundle(number)

    async def _free(self, number: int) -> None:
        _FREED.add(number)

        def delete(buffer: Buffer) -> None:
            buffer._connection.execute(
                "DELETE FROM bundle WHERE number = ? AND number < (SELECT head FROM epoch)",
                (number,),
            )

        await self._storage.run(delete)


class _Noted:
    """A line that remembers which message carried which bundle."""

    def __init__(self, line: Line) -> None:
        self.numbers: dict[int, int] = {}
        self._line = line

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int:
        """Hand a message over and note its bundle."""
        message = self._line.publish(topic, payload, retain=retain)
        _, header = peek_header(split_bundle(payload).sealed_header)
        self.numbers[message] = header.number
        return message


if __name__ == "__main__":
    setattr(uplink, "Sender", TrustingSender)  # noqa: B010 # the class is not its to export
    main()
