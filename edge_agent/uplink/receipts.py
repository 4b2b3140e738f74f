"""What a receipt means for our chain, judged before anything is freed.

1. It opens under the aggregator's key.      5. Its leaf is ours of that number.
2. It names this gateway.                    6. The epoch is not closed.
3. It names this epoch.                      7. Its checkpoint is signed by the log.
4. Its number is not beyond our head.        8. The checkpoint contradicts none seen before.

The numbers are those of docs/specs/delivery.md.
"""

from __future__ import annotations

from enum import Enum

from edge_agent.buffer.buffer import StoredCheckpoint
from edge_agent.errors import ReceiptRefusedError
from protocols.wire.checkpoint import NoteKey, open_checkpoint
from protocols.wire.errors import WireError
from protocols.wire.header import FIRST_PREVIOUS, Epoch, GatewayId
from protocols.wire.receipt import EpochState, Receipt


class Outcome(Enum):
    """What becomes of a receipt."""

    ADVANCE = "advance"  # more is stored than we knew: it may be freed
    REPEAT = "repeat"  # says what we knew, or an older word that came late
    RESTORED = "restored"  # a newer word that knows less: the aggregator was restored; refill it
    OTHER_EPOCH = "other_epoch"  # of an epoch before this one
    AHEAD = "ahead"  # knows bundles that this disk does not: rollback
    FORK = "fork"  # has another bundle of that number: rollback or clone
    CLOSED = "closed"  # the aggregator takes nothing more of this epoch


def judge(
    receipt: Receipt,
    *,
    gateway: GatewayId,
    epoch: Epoch,
    head: int,
    own_leaf: bytes | None,
    known: Receipt | None,
) -> Outcome:
    """Return what an opened receipt means; ReceiptRefusedError where it is another gateway's.

    ``own_leaf`` is our leaf hash of the receipt's number, None where it is not stored (any more);
    ``known`` is the newest receipt of this epoch so far.
    """
    if receipt.gateway != gateway:
        raise ReceiptRefusedError(
            f"a receipt for gateway {receipt.gateway} came on our topic",
            hint="look at the broker's access list: somebody may write where he must not",
        )
    if receipt.epoch != epoch:
        return Outcome.OTHER_EPOCH
    if receipt.number > head:
        return Outcome.AHEAD
    if receipt.number < 0:
        own_leaf = FIRST_PREVIOUS
    if own_leaf is not None and own_leaf != receipt.leaf:
        return Outcome.FORK
    if receipt.state is EpochState.CLOSED:
        return Outcome.CLOSED
    if known is None or receipt.number > known.number:
        return Outcome.ADVANCE
    if receipt.number < known.number and receipt.record_time > known.record_time:
        return Outcome.RESTORED
    return Outcome.REPEAT


def went_back(known: Receipt | None, log: NoteKey, seen: StoredCheckpoint | None) -> bool:
    """Tell whether the receipt in force came after a restore, from a log shorter than it was seen.

    Such a receipt was taken as RESTORED, with an alert. Until its log has outgrown what was seen
    the aggregator is being refilled, and each further receipt names a shorter log than before.
    """
    if known is None or seen is None or known.record_time <= seen.time:
        return False
    return _size(known.checkpoint, log) < _size(seen.note, log)


def check_checkpoint(
    receipt: Receipt, log: NoteKey, seen: StoredCheckpoint | None, *, restored: bool = False
) -> StoredCheckpoint | None:
    """Return the checkpoint to remember, None where the receipt brings no newer one.

    Raises ReceiptRefusedError where it is not the log's, or contradicts the newest one seen: a
    log that shrinks, or shows two trees of one size, is not the log that it was. Where it is known
    to be ``restored``, the one that was seen is kept beside it as evidence until it has grown.
    """
    if not receipt.checkpoint or (seen is not None and seen.note == receipt.checkpoint):
        return None
    try:
        found = open_checkpoint(receipt.checkpoint.encode(), log).checkpoint
        before = open_checkpoint(seen.note.encode(), log).checkpoint if seen else None
    except WireError as error:
        raise ReceiptRefusedError(
            f"a receipt's checkpoint does not open: {error}", hint=error.hint
        ) from error
    if before is None or seen is None:
        return StoredCheckpoint(receipt.record_time, receipt.checkpoint)
    if restored and found.size <= before.size:
        return None
    if found.size == before.size and found.root != before.root:
        raise ReceiptRefusedError(
            f"the aggregator's log shows two different trees of {found.size} leaves",
            hint="keep this gateway's data and tell QA: records may have been changed",
        )
    if found.size < before.size:
        if receipt.record_time > seen.time:
            raise ReceiptRefusedError(
                f"the aggregator's log shrank from {before.size} to {found.size} leaves",
                hint="an aggregator restored from a backup must first be refilled; tell QA",
            )
        return None  # an older word that came late
    return StoredCheckpoint(receipt.record_time, receipt.checkpoint)


def _size(note: str, log: NoteKey) -> int:
    """Return how many leaves a checkpoint covers: none where there is none of the log."""
    try:
        return open_checkpoint(note.encode(), log).checkpoint.size if note else 0
    except WireError:
        return 0
