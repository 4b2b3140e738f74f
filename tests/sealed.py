"""A gateway that seals what a test tells it to: chains of real bundles, the same for one seed."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protocols.wire.bundle import SEED_BYTES, Body, Bundle, pack_body, seal_bundle
from protocols.wire.column import encode_columns
from protocols.wire.header import (
    FIRST_PREVIOUS,
    Clock,
    ClockState,
    Counters,
    Epoch,
    GatewayId,
    Header,
    Opening,
    OpeningReason,
)
from protocols.wire.life import Life, LifeKind, seal_life
from protocols.wire.reading import SECOND, Gap, Kind, Reading, SignalName
from protocols.wire.seal import SoftwareSealKey
from protocols.wire.tlog import leaf_hash

START = 1_790_000_000 * SECOND
"""Gateway time of the first reading: 2026-09-21T14:13:20Z."""


def key_named(name: str) -> SoftwareSealKey:
    """Return the Ed25519 key that this name gives; it is no secret."""
    return SoftwareSealKey(
        Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())
    )


class SealedGateway:
    """Seals bundles one after another, as an edge agent does."""

    def __init__(
        self,
        name: str = "gw-01",
        *,
        seed: int = 1,
        reason: OpeningReason = OpeningReason.NEW,
        key: SoftwareSealKey | None = None,
    ) -> None:
        self.name = GatewayId(name)
        self.key = key or key_named(name)
        chance = random.Random(f"{name} {seed}")
        self.epoch = Epoch(chance.randbytes(16))
        self.boot = chance.randbytes(16)
        self.number = 0
        self.first_reading = 0
        self.previous = FIRST_PREVIOUS
        self.time = START
        self._chance = chance
        self.opens_with = Opening(reason=reason)

    def seal(
        self, readings: Sequence[Reading] = (), *, gaps: tuple[Gap, ...] = (), **changes: object
    ) -> bytes:
        """Return the next bundle; ``changes`` replace fields of its header before it is sealed."""
        body, header = self.draft(readings, gaps=gaps)
        bundle = seal_bundle(replace(header, **changes), body, self.key)  # type: ignore[arg-type]
        return self.advance(bundle, header).encode()

    def draft(
        self, readings: Sequence[Reading] = (), *, gaps: tuple[Gap, ...] = ()
    ) -> tuple[bytes, Header]:
        """Return the packed body and the header of the next bundle, not sealed yet."""
        content = Body(self._chance.randbytes(SEED_BYTES), encode_columns(readings))
        body = pack_body(content)
        times = [reading.gateway_time for reading in readings] or [self.time]
        self.time = max(self.time, *times) if len(times) > 1 else max(self.time, times[0])
        end = self.first_reading + len(readings)
        return body, Header(
            gateway=self.name,
            epoch=self.epoch,
            number=self.number,
            previous=self.previous,
            first_reading=self.first_reading,
            count=len(readings),
            first_time=min(times),
            last_time=max(times),
            boot=self.boot,
            sealed_time=self.time,
            sealed_monotonic=self.time - START,
            clock=Clock(state=ClockState.SYNCHRONISED, uncertainty=2_000_000, floor=START),
            settings_hash=hashlib.sha256(b"settings").digest(),
            dictionary_hash=hashlib.sha256(b"dictionary").digest(),
            body_hash=hashlib.sha256(body).digest(),
            columns_root=content.root(),
            gaps=gaps,
            counters=Counters(read=end, sealed=end),
            opening=self.opens_with if self.number == 0 else None,
        )

    def advance(self, bundle: Bundle, header: Header) -> Bundle:
        """Let the chain go on after ``bundle``."""
        self.previous = leaf_hash(bundle.sealed_header)
        self.number += 1
        self.first_reading = header.end_reading
        return bundle

    def readings(self, signals: int, each: int = 1, *, period: int = SECOND) -> list[Reading]:
        """Return ``each`` readings of so many signals, one a ``period`` nanoseconds from now on."""
        start = self.time + period
        found = [
            Reading(
                signal=SignalName(f"press-1/signal-{signal:03}"),
                kind=Kind.FLOAT64,
                value=round(20 + signal + self._chance.gauss(0, 0.2), 2),
                gateway_time=start + at * period + 1_500_000,
                source_time=start + at * period,
            )
            for at in range(each)
            for signal in range(signals)
        ]
        self.time = start + (each - 1) * period
        return found

    def life(self, kind: LifeKind = LifeKind.BIRTH, *, connection: int = 1) -> bytes:
        """Return a sealed statement about the gateway."""
        life = Life(
            gateway=self.name,
            epoch=self.epoch,
            kind=kind,
            boot=self.boot,
            connection=connection,
            time=self.time,
            head=self.number - 1,
            receipted=-1,
            buffer_bytes=0,
            buffer_bytes_max=1 << 30,
            version="test",
        )
        return seal_life(life, self.key)
