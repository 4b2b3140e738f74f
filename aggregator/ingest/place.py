"""Place verified bundles in their chains: the checks that need what is stored.

All of a group is placed in one transaction. A bundle is either in it whole (bytes, row, leaf of the
log) or refused with its check; the chains are read in the transaction, so two workers on one store
cannot both extend one head.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from aggregator.errors import EvidenceError
from aggregator.ingest.verify import Check, Refused, Verified
from aggregator.store.base import Param, Row, Transaction
from aggregator.store.log import EntryKind, Sequencer
from aggregator.store.registry import entry_data
from protocols.wire.chain import Chain, Link, Verdict, step
from protocols.wire.header import FIRST_PREVIOUS, Header, OpeningReason
from protocols.wire.reading import Nanoseconds
from protocols.wire.receipt import EpochState, Receipt, seal_receipt
from protocols.wire.seal import SealKey


@dataclass(slots=True, kw_only=True)
class OpenEpoch:
    """An epoch while a group is placed."""

    row: Row
    state: EpochState
    chain: Chain
    positions: dict[int, int]  # number -> position in the log, of the head and what waits
    sealed: dict[int, Nanoseconds]  # number -> sealed time, of the same
    placed: dict[int, bytes] = field(default_factory=dict)  # number -> leaf, of this group
    closed_reason: str | None = None

    @property
    def epoch_id(self) -> int:
        """The number that the epoch is stored under."""
        return int(self.row["epoch_id"])


class Placer:
    """Places the bundles of one group; ``finish`` writes them."""

    def __init__(self, tx: Transaction, sequencer: Sequencer, *, now: Nanoseconds) -> None:
        self._tx = tx
        self._sequencer = sequencer
        self._now = now
        self._bundles: list[Mapping[str, Param]] = []
        self._bytes: list[Mapping[str, Param]] = []
        self.epochs: dict[tuple[str, bytes], OpenEpoch] = {}

    async def place(self, verified: Verified) -> Verdict | Refused:
        """Return what the chain says of a bundle, or why it is refused."""
        header = verified.header
        epoch = await self._epoch(header)
        link = Link.of(header, verified.leaf)
        verdict, chain = step(epoch.chain, link, await self._stored_leaf(epoch, header.number))
        if verdict is Verdict.REPEAT:
            return verdict
        if epoch.state is EpochState.CLOSED:
            return _refused(verified, Check.EPOCH, "epoch_closed", "the epoch is closed")
        if verdict is Verdict.FORK:
            self._close(epoch, f"bundle {header.number} has two successors or contents")
            return _refused(
                verified,
                Check.CHAIN,
                "fork",
                f"bundle {header.number} contradicts what is stored of its epoch; "
                "the epoch is closed",
            )
        if header.opening is not None:
            await self._open(epoch, header)
        epoch.chain = chain
        self._store(epoch, verified)
        return verdict

    async def finish(self) -> None:
        """Write what was placed, and the chains as they are now."""
        await self._tx.execute_many("bundles.add", self._bundles)
        await self._tx.execute_many("bundles.add_bytes", self._bytes)
        for epoch in self.epochs.values():
            if epoch.placed:
                chain = epoch.chain
                await self._tx.execute(
                    "epochs.set_chain",
                    epoch_id=epoch.epoch_id,
                    head=chain.head,
                    head_leaf=chain.head_leaf,
                    head_position=epoch.positions.get(chain.head, -1),
                    end_reading=chain.end_reading,
                    sealed_through=epoch.sealed.get(chain.head, 0),
                    waiting=len(chain.waiting),
                )
            if epoch.closed_reason is not None:
                await self._tx.execute(
                    "epochs.close", epoch_id=epoch.epoch_id, closed_reason=epoch.closed_reason
                )

    async def receipt(self, epoch: OpenEpoch, key: SealKey) -> bytes:
        """Return the receipt of a chain: the same bytes for as long as it stands there."""
        row, chain = epoch.row, epoch.chain
        if (row["receipt_number"], row["receipt_state"]) == (chain.head, int(epoch.state)):
            kept: bytes = row["receipt"]
            return kept
        receipt = Receipt(
            gateway=row["gateway"],
            epoch=row["epoch"],
            number=chain.head,
            leaf=chain.head_leaf,
            position=epoch.positions.get(chain.head, -1),
            checkpoint=self._sequencer.state.checkpoint,
            record_time=self._now,
            state=epoch.state,
        )
        sealed = seal_receipt(receipt, key)
        await self._tx.execute(
            "epochs.add_receipt",
            epoch_id=epoch.epoch_id,
            number=receipt.number,
            state=int(receipt.state),
            record_time=self._now,
            bytes=sealed,
        )
        return sealed

    async def stored(self, gateway: str, epoch: bytes) -> OpenEpoch:
        """Return an epoch as it stands; EvidenceError where there is none."""
        row = await self._tx.fetch_one("epochs.by_key", gateway=gateway, epoch=epoch)
        if row is None:
            raise EvidenceError(f"{gateway} has no epoch {epoch.hex()}")
        return await self._load(row)

    async def _epoch(self, header: Header) -> OpenEpoch:
        key = (header.gateway, header.epoch)
        epoch = self.epochs.get(key)
        if epoch is None:
            row = await self._tx.fetch_one("epochs.by_key", gateway=key[0], epoch=key[1])
            if row is None:
                epoch = await self._add_epoch(header)
            else:
                epoch = await self._load(row)
            self.epochs[key] = epoch
        return epoch

    async def _add_epoch(self, header: Header) -> OpenEpoch:
        newest = await self._tx.fetch_one("epochs.newest", gateway=header.gateway)
        fresh = await self._tx.fetch_one("epochs.next_id")
        await self._tx.execute(
            "epochs.add",
            epoch_id=1 if fresh is None else fresh["epoch_id"],
            gateway=header.gateway,
            epoch=header.epoch,
            ordinal=0 if newest is None else newest["ordinal"] + 1,
            state=int(EpochState.UNAPPROVED),
            first_seen=self._now,
            head_leaf=FIRST_PREVIOUS,
        )
        return await self.stored(header.gateway, header.epoch)

    async def _load(self, row: Row) -> OpenEpoch:
        waiting: dict[int, Link] = {}
        positions = {row["head"]: row["head_position"]}
        sealed = {row["head"]: row["sealed_through"]}
        if row["waiting"]:
            for each in await self._tx.fetch(
                "bundles.waiting", epoch_id=row["epoch_id"], head=row["head"]
            ):
                number, first = each["number"], each["first_reading"]
                waiting[number] = Link(
                    number, each["previous"], each["leaf"], first, first + each["readings"]
                )
                positions[number] = each["position"]
                sealed[number] = each["sealed_time"]
        chain = Chain(
            head=row["head"],
            head_leaf=row["head_leaf"],
            end_reading=row["end_reading"],
            waiting=waiting,
        )
        state = EpochState(row["state"])
        return OpenEpoch(row=row, state=state, chain=chain, positions=positions, sealed=sealed)

    async def _stored_leaf(self, epoch: OpenEpoch, number: int) -> bytes | None:
        placed = epoch.placed.get(number)
        if placed is not None:
            return placed
        if number > epoch.chain.head:
            waiting = epoch.chain.waiting.get(number)
            return None if waiting is None else waiting.leaf
        row = await self._tx.fetch_one("bundles.leaf", epoch_id=epoch.epoch_id, number=number)
        return None if row is None else row["leaf"]

    async def _open(self, epoch: OpenEpoch, header: Header) -> None:
        """Take in an opening statement: a gateway's first epoch is trusted, others wait."""
        opening = header.opening
        if opening is None:
            return
        first = epoch.row["ordinal"] == 0 and opening.reason is OpeningReason.NEW
        if first or epoch.row["approved_by"] is not None:
            epoch.state = EpochState.TRUSTED
        await self._tx.execute(
            "epochs.set_opening",
            epoch_id=epoch.epoch_id,
            state=int(epoch.state),
            opening_reason=int(opening.reason),
            previous_epoch=opening.previous_epoch,
            previous_head=opening.previous_head,
        )
        self._tell(epoch, "opened", reason=opening.reason.name.lower())

    def _close(self, epoch: OpenEpoch, reason: str) -> None:
        epoch.state = EpochState.CLOSED
        epoch.closed_reason = reason
        self._tell(epoch, "closed", reason=reason)

    def _tell(self, epoch: OpenEpoch, event: str, *, reason: str) -> None:
        data = entry_data(
            event=event,
            gateway=epoch.row["gateway"],
            epoch=epoch.row["epoch"].hex(),
            ordinal=epoch.row["ordinal"],
            state=epoch.state.name.lower(),
            reason=reason,
            time=self._now,
        )
        self._sequencer.append_entry(EntryKind.EPOCH, data)

    def _store(self, epoch: OpenEpoch, verified: Verified) -> None:
        header = verified.header
        position = self._sequencer.append_bundle(verified.leaf)
        epoch.placed[header.number] = verified.leaf
        epoch.positions[header.number] = position
        epoch.sealed[header.number] = header.sealed_time
        self._bundles.append(
            {
                "epoch_id": epoch.epoch_id,
                "number": header.number,
                "leaf": verified.leaf,
                "previous": header.previous,
                "position": position,
                "kid": verified.kid,
                "first_reading": header.first_reading,
                "readings": header.count,
                "first_time": header.first_time,
                "last_time": header.last_time,
                "sealed_time": header.sealed_time,
                "record_time": self._now,
                "clock_state": int(header.clock.state),
                "clock_uncertainty": header.clock.uncertainty,
                "clock_floor": header.clock.floor,
                "boot": header.boot,
                "sealed_monotonic": header.sealed_monotonic,
                "settings_hash": header.settings_hash,
                "gaps": len(header.gaps),
            }
        )
        self._bytes.append({"position": position, "bytes": verified.message.payload})


def _refused(verified: Verified, check: Check, reason: str, text: str) -> Refused:
    return Refused(message=verified.message, check=check, reason=reason, text=text)
