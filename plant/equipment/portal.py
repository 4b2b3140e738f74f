"""A portal of RFID antennas that sees carriers arrive and leave.

What it sees is drawn from one seed: reads missed, RSSI that wavers, and now and then a read
through the neighbouring antenna, weaker than at the right one.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from dataclasses import dataclass
from typing import Final

from plant.equipment.llrp_reader import LlrpReader
from plant.equipment.sighting import ReaderClock, Sighting
from plant.running import Running

__all__ = ["Portal", "Present"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """A tag in front of an antenna."""

    epc: bytes  # left-aligned
    epc_bits: int
    antenna: int
    rssi: float  # dBm at the antenna, on the average


class Portal(Running):
    """An LLRP reader on 127.0.0.1 with tags in front of its antennas.

    Every ``round_s`` seconds each tag present is read, unless that read is missed
    (``missed``: probability of it) and, with probability ``crossed``, read by the next antenna
    too, ``crossed_loss`` dB weaker. ``rssi_noise`` is the standard deviation in dB.
    ``reader`` is the LLRP server beneath: its antennas, refusals and faults.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        antennas: int = 4,
        seed: int = 1,
        round_s: float = 0.1,
        missed: float = 0.1,
        crossed: float = 0.0,
        crossed_loss: float = 18.0,
        rssi_noise: float = 2.0,
        clock: ReaderClock = ReaderClock.UTC,
        sent_again_max: int = 50,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.reader = LlrpReader(
            port=port, antennas=antennas, clock=clock, sent_again_max=sent_again_max, tls=tls
        )
        self._antennas: Final = antennas
        self._chance = random.Random(seed)
        self._round_s = round_s
        self._missed = missed
        self._crossed = crossed
        self._crossed_loss = crossed_loss
        self._rssi_noise = rssi_noise
        self._present: dict[bytes, Present] = {}
        self._task: asyncio.Task[None] | None = None

    @property
    def host(self) -> str:
        """Address that it listens on."""
        return self.reader.host

    @property
    def port(self) -> int:
        """Port that it listens on."""
        return self.reader.port

    @property
    def present(self) -> tuple[Present, ...]:
        """Tags in front of the antennas now."""
        return tuple(self._present.values())

    async def _begin(self) -> None:
        await self.start()

    async def _end(self) -> None:
        await self.stop()

    async def start(self) -> None:
        """Switch the reader on; tags present stay."""
        await self.reader.start()
        if self._task is None:
            self._task = asyncio.create_task(self._read_on(), name="portal")

    async def stop(self) -> None:
        """Switch the reader off; it forgets ROSpecs and held reports; may be called twice."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await self.reader.stop()

    def arrive(
        self, epc: bytes, antenna: int, *, rssi: float = -48.0, epc_bits: int | None = None
    ) -> None:
        """Put a tag in front of an antenna (1 and up); one that is elsewhere moves there."""
        if not 1 <= antenna <= self._antennas:
            raise ValueError(f"antenna {antenna} is not one of 1 to {self._antennas}")
        bits = len(epc) * 8 if epc_bits is None else epc_bits
        self._present[epc] = Present(epc=epc, epc_bits=bits, antenna=antenna, rssi=rssi)

    def leave(self, epc: bytes) -> None:
        """Take a tag away; does nothing where it is not."""
        self._present.pop(epc, None)

    def observe(
        self, epc: bytes, antenna: int, *, rssi: int = -48, epc_bits: int | None = None
    ) -> Sighting:
        """Read a tag exactly once, now, whatever chance says; return what was reported."""
        now = self.reader.now_us()
        bits = len(epc) * 8 if epc_bits is None else epc_bits
        seen = Sighting(
            epc=epc, epc_bits=bits, antenna=antenna, rssi=rssi, first_us=now, last_us=now
        )
        self.reader.report([seen])
        return seen

    async def _read_on(self) -> None:
        while True:
            await asyncio.sleep(self._round_s)
            for tag in self.present:
                self._read(tag, tag.antenna, tag.rssi, 1 - self._missed)
                next_antenna = tag.antenna % self._antennas + 1
                self._read(tag, next_antenna, tag.rssi - self._crossed_loss, self._crossed)

    def _read(self, tag: Present, antenna: int, rssi: float, probability: float) -> None:
        """Read a tag through an antenna with a probability, where the ROSpec uses that antenna."""
        happens = self._chance.random() < probability
        wavering = self._chance.gauss(0, self._rssi_noise)
        if happens and antenna in self.reader.reading:
            level = max(-127, min(0, round(rssi + wavering)))
            self.observe(tag.epc, antenna, rssi=level, epc_bits=tag.epc_bits)
