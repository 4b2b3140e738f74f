"""Messages in, evidence stored, receipts out: one transaction a group.

A group is what waits, up to a bound. Each of its messages is verified; all that is verified is
committed together with what was refused; then the receipts are sealed by what was committed. A
message is acknowledged after that alone, so whatever fails before leaves it with the broker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from aggregator import metrics
from aggregator.clock import Clock
from aggregator.errors import StoreError, StoreUnavailableError
from aggregator.ingest.place import Placer
from aggregator.ingest.quarantine import Quarantine, report
from aggregator.ingest.trust import Trust, load_trust
from aggregator.ingest.verify import (
    Check,
    Message,
    Refused,
    Verdict,
    Verified,
    VerifiedLife,
    verify_all,
)
from aggregator.settings import IntakeSettings
from aggregator.store.base import Row, Store, Transaction
from aggregator.store.keys import Keys
from aggregator.store.log import Sequencer
from protocols.wire import chain
from protocols.wire.header import FIRST_PREVIOUS
from protocols.wire.life import Life, LifeKind
from protocols.wire.receipt import EpochState, Receipt, seal_receipt

_log: Final = structlog.get_logger(__name__)
_TRUST_TRIES: Final = 5
_IN_PLACE_MAX: Final = 4  # so few messages are verified sooner than a thread is woken


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingReceipt:
    """A sealed receipt and whose it is."""

    gateway: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What became of a group, after its commit."""

    outcomes: tuple[chain.Verdict | Refused | None, ...]  # one a message; None: a life statement
    receipts: tuple[OutgoingReceipt, ...]  # one an epoch that the group touched, newest last


class Intake:
    """Takes groups of messages into the store."""

    def __init__(
        self, store: Store, keys: Keys, clock: Clock, settings: IntakeSettings | None = None
    ) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock
        self._settings = settings or IntakeSettings()
        self._quarantine = Quarantine(self._settings.quarantine_bytes_max)
        self._trust: Trust | None = None

    async def accept(self, messages: Sequence[Message]) -> Accepted:
        """Store what holds, quarantine what does not, durably, and return the receipts.

        Raises StoreError where the store failed; nothing of the group is stored then.
        """
        started = self._clock.monotonic()
        for _ in range(_TRUST_TRIES):
            trust = self._trust or await self._load_trust()
            verdicts = await _verify(messages, trust)
            accepted = await self._commit(verdicts, trust)
            if accepted is not None:
                metrics.GROUPS.observe(len(messages))
                metrics.GROUP_SECONDS.observe((self._clock.monotonic() - started) / 1e9)
                return accepted
            self._trust = None  # a key was added or revoked since: look again with what holds now
        raise StoreUnavailableError("keys and approvals change faster than messages are verified")

    async def accept_all(self, messages: Sequence[Message]) -> Accepted:
        """Like ``accept``, and never give up while the store may take the messages later.

        Where the store refuses a group for what is in it, its messages are taken one by one, and
        the one that it refuses is quarantined.
        """
        failing = False
        while True:
            try:
                accepted = await self.accept(messages)
            except StoreUnavailableError as error:
                metrics.STORE_FAILURES.inc()
                if not failing:
                    _log.error("the store takes nothing", error=str(error), hint=error.hint)
                failing = True
                await asyncio.sleep(self._settings.retry_seconds)
            except StoreError as error:
                metrics.STORE_FAILURES.inc()
                return await self._one_by_one(messages, error)
            else:
                if failing:
                    _log.info("the store takes messages again")
                return accepted

    async def receipts(self) -> list[OutgoingReceipt]:
        """Return the newest receipt of every gateway, for a broker that may have lost them."""
        async with self._store.read() as tx:
            rows = await tx.fetch("epochs.newest_receipts")
        return [OutgoingReceipt(gateway=row["gateway"], data=row["bytes"]) for row in rows]

    async def decided(self) -> list[OutgoingReceipt]:
        """Seal the receipts of epochs whose state was decided since their last one."""
        if not await self._store.look("epochs.told_otherwise"):
            return []
        async with self._store.write() as tx:
            placer = Placer(tx, await Sequencer.take(tx), now=self._clock.now())
            return [
                OutgoingReceipt(
                    gateway=row["gateway"],
                    data=await placer.receipt(
                        await placer.stored(row["gateway"], row["epoch"]), self._keys.seal
                    ),
                )
                for row in await tx.fetch("epochs.told_otherwise")
            ]

    async def _load_trust(self) -> Trust:
        async with self._store.read() as tx:
            self._trust = await load_trust(tx)
        return self._trust

    async def _commit(self, verdicts: Sequence[Verdict], trust: Trust) -> Accepted | None:
        """Write a group; None where what it was verified with has changed since."""
        now = self._clock.now()
        outcomes: list[chain.Verdict | Refused | None] = []
        async with self._store.write() as tx:
            sequencer = await Sequencer.take(tx)
            if sequencer.state.trust_version != trust.version:
                return None
            placer = Placer(tx, sequencer, now=now)
            lives = []
            for verdict in verdicts:
                if isinstance(verdict, Verified):
                    outcomes.append(await placer.place(verdict))
                elif isinstance(verdict, VerifiedLife):
                    lives.append(verdict)
                    outcomes.append(None)
                else:
                    outcomes.append(verdict)
            await placer.finish()
            refused = [outcome for outcome in outcomes if isinstance(outcome, Refused)]
            fresh = await self._quarantine.keep(tx, refused, now=now)
            receipts = [
                OutgoingReceipt(
                    gateway=epoch.row["gateway"], data=await placer.receipt(epoch, self._keys.seal)
                )
                for epoch in sorted(placer.epochs.values(), key=lambda each: each.row["ordinal"])
            ]
            receipts += await self._live(tx, lives, sequencer)
            await sequencer.finish()
        _count(verdicts, outcomes)
        report(refused, fresh)
        return Accepted(outcomes=tuple(outcomes), receipts=tuple(receipts))

    async def _live(
        self, tx: Transaction, lives: Sequence[VerifiedLife], sequencer: Sequencer
    ) -> list[OutgoingReceipt]:
        """Keep what gateways say of themselves; a birth is answered by what is stored of it."""
        receipts = []
        for verified in lives:
            life = verified.life
            metrics.LIVES.labels(kind=life.kind.name.lower()).inc()
            if _stale(life, await tx.fetch_one("gateways.life", gateway=life.gateway)):
                continue
            await tx.execute(
                "gateways.set_life",
                gateway=life.gateway,
                kind=int(life.kind),
                boot=life.boot,
                connection=life.connection,
                gateway_time=life.time,
                record_time=self._clock.now(),
                bytes=verified.message.payload,
            )
            if life.kind is LifeKind.BIRTH:
                row = await tx.fetch_one("epochs.by_key", gateway=life.gateway, epoch=life.epoch)
                kept = None if row is None else row["receipt"]
                data = kept or self._nothing_stored(life, sequencer.state.checkpoint)
                receipts.append(OutgoingReceipt(gateway=life.gateway, data=data))
        return receipts

    def _nothing_stored(self, life: Life, checkpoint: str) -> bytes:
        receipt = Receipt(
            gateway=life.gateway,
            epoch=life.epoch,
            number=-1,
            leaf=FIRST_PREVIOUS,
            position=-1,
            checkpoint=checkpoint,
            record_time=self._clock.now(),
            state=EpochState.UNAPPROVED,
        )
        return seal_receipt(receipt, self._keys.seal)

    async def _one_by_one(self, messages: Sequence[Message], error: StoreError) -> Accepted:
        if len(messages) > 1:
            parts = [await self.accept_all([message]) for message in messages]
            return Accepted(
                outcomes=tuple(outcome for part in parts for outcome in part.outcomes),
                receipts=tuple(receipt for part in parts for receipt in part.receipts),
            )
        refused = Refused(message=messages[0], check=Check.STORE, reason="store", text=str(error))
        async with self._store.write() as tx:
            fresh = await self._quarantine.keep(tx, [refused], now=self._clock.now())
        report([refused], fresh)
        return Accepted(outcomes=(refused,), receipts=())


async def _verify(messages: Sequence[Message], trust: Trust) -> list[Verdict]:
    if len(messages) <= _IN_PLACE_MAX:
        return verify_all(messages, trust)
    return await asyncio.to_thread(verify_all, messages, trust)


def _stale(life: Life, row: Row | None) -> bool:
    """Tell whether a statement is older than what is known: a will of a connection before."""
    if row is None:
        return False
    if row["boot"] == life.boot:
        known = (row["connection"], row["gateway_time"])
        same = life.connection == row["connection"]
        if life.kind is LifeKind.DEATH and same:
            return False  # it was sealed at the connection's beginning and holds from now
        return (life.connection, life.time) < known
    return life.kind is not LifeKind.BIRTH


def _count(verdicts: Sequence[Verdict], outcomes: Sequence[chain.Verdict | Refused | None]) -> None:
    for verdict, outcome in zip(verdicts, outcomes, strict=True):
        if isinstance(verdict, Verified) and isinstance(outcome, chain.Verdict):
            metrics.BUNDLES.labels(verdict=outcome.value).inc()
            if outcome is not chain.Verdict.REPEAT:
                metrics.READINGS.inc(verdict.header.count)
                metrics.BUNDLE_BYTES.inc(len(verdict.message.payload))
