"""Prove the whole store from its bytes: seals, chains, log, audit trail and index.

This is the judge of every test that kills or corrupts: it takes nothing on trust but the keys in
the registry and the log's own key. What it finds it names; it repairs nothing but the index.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from aggregator import audit
from aggregator.errors import AggregatorError, EvidenceError
from aggregator.store.base import Row, Store, Transaction
from aggregator.store.chains.evidence import StoredBundle, bundles
from aggregator.store.log import EntryKind, root_of
from aggregator.store.registry import list_gateways, list_keys
from aggregator.store.seals import verify_window
from aggregator.store.segments.build import leaves_digest
from protocols.wire.bundle import check_columns, open_body, split_bundle
from protocols.wire.checkpoint import NoteKey, open_checkpoint
from protocols.wire.errors import WireError
from protocols.wire.header import decode_header
from protocols.wire.seal import PublicKey, peek
from protocols.wire.tlog import Frontier, leaf_hash, node_hash

_PAGE = 500


@dataclass(slots=True, kw_only=True)
class Findings:
    """What was looked at, and every fault that was found."""

    bundles: int = 0
    readings: int = 0
    leaves: int = 0
    audit_entries: int = 0
    segments: int = 0
    signatures: int = 0
    faults: list[str] = field(default_factory=list)


async def fsck(store: Store, log_key: NoteKey) -> Findings:
    """Check all of ``store`` and return what was found; faults are sentences for a person."""
    findings = Findings()
    async with store.read() as tx:
        leaves: dict[int, bytes] = {}
        keys: dict[str, dict[bytes, PublicKey]] = {}
        for row in await list_keys(tx):
            gateway_keys = keys.setdefault(row["gateway"], {})
            gateway_keys[row["kid"]] = PublicKey.from_text(row["public_key"])
        for row in await list_gateways(tx):
            for epoch in await tx.fetch("epochs.of_gateway", gateway=row["gateway"]):
                await _check_epoch(tx, epoch, keys.get(row["gateway"], {}), leaves, findings)
                await _check_segments(tx, epoch, findings)
        await _check_log(tx, leaves, log_key, findings)
        await _check_signatures(tx, findings)
        try:
            findings.audit_entries = await audit.check(tx)
        except EvidenceError as error:
            findings.faults.append(str(error))
    return findings


async def _check_signatures(tx: Transaction, findings: Findings) -> None:
    """Hold persons' signatures against their leaves: none altered, neither without the other."""
    said = {
        row["position"]: bytes(row["data"])
        for row in await tx.fetch("log.entries")
        if row["kind"] == EntryKind.SIGNATURE.value
    }
    for row in await tx.fetch("review.every_signature"):
        findings.signatures += 1
        data = said.pop(row["position"], None)
        if data != bytes(row["data"]) or hashlib.sha256(data).hexdigest() != row["id"]:
            findings.faults.append(f"the signature {row['id'][:12]} is not as the log has it")
    findings.faults += [f"the signature of leaf {position} is gone" for position in sorted(said)]


async def _check_epoch(
    tx: Transaction,
    epoch: Row,
    keys: dict[bytes, PublicKey],
    leaves: dict[int, bytes],
    findings: Findings,
) -> None:
    name = f"{epoch['gateway']} epoch {epoch['epoch'].hex()[:8]}"
    expected, before = 0, None
    async for page in _pages(tx, epoch):
        result = await verify_window([(each.number, each.data) for each in page], keys)
        findings.faults += [f"{name} bundle {at}: {text}" for at, _, text in result.faults]
        for each in page:
            findings.bundles += 1
            leaves[each.position] = each.leaf
            findings.readings += _check_bundle(name, each, before, findings)
            expected += each.number == expected
            before = each
            if each.number == epoch["head"] and each.leaf != epoch["head_leaf"]:
                findings.faults.append(f"{name}: the head's leaf hash is not its bundle's")
    if expected != epoch["head"] + 1:
        findings.faults.append(
            f"{name}: bundles up to {epoch['head']} should be there; {expected} is missing"
        )


async def _pages(tx: Transaction, epoch: Row) -> AsyncIterator[list[StoredBundle]]:
    page: list[StoredBundle] = []
    async for each in bundles(tx, epoch["gateway"], epoch["epoch"], 0, 2**62):
        page.append(each)
        if len(page) == _PAGE:
            yield page
            page = []
    if page:
        yield page


def _check_bundle(
    name: str, stored: StoredBundle, before: StoredBundle | None, findings: Findings
) -> int:
    """Return the readings of a bundle; note where its row or its columns are not what it says.

    Beyond the head live bundles wait for their backlog: only a neighbour must be followed.
    """
    try:
        bundle = split_bundle(stored.data)
        header = decode_header(peek(bundle.sealed_header).payload)
        if leaf_hash(bundle.sealed_header) != stored.leaf or header.previous != stored.previous:
            findings.faults.append(f"{name} bundle {stored.number}: its row is another bundle's")
        neighbours = before is not None and before.number == stored.number - 1
        if before is not None and neighbours and header.previous != before.leaf:
            findings.faults.append(
                f"{name} bundle {stored.number}: it does not follow from the one stored before"
            )
        if not stored.wrong:
            check_columns(header, open_body(header, bundle.body))
    except WireError as error:
        findings.faults.append(f"{name} bundle {stored.number}: {error}")
        return 0
    return header.count


async def _check_segments(tx: Transaction, epoch: Row, findings: Findings) -> None:
    name = f"{epoch['gateway']} epoch {epoch['epoch'].hex()[:8]}"
    covered = 0
    for row in await tx.fetch("segments.of_epoch", epoch_id=epoch["epoch_id"]):
        findings.segments += 1
        stored = await tx.fetch(
            "bundles.leaves",
            epoch_id=epoch["epoch_id"],
            first=row["first_number"],
            stop=row["end_number"],
        )
        same = leaves_digest(each["leaf"] for each in stored) == row["leaves"]
        if row["first_number"] != covered or not same:
            findings.faults.append(
                f"{name}: the segment from bundle {row['first_number']} does not fit the bundles; "
                "fsck --rebuild makes the index again"
            )
        covered = row["end_number"]
    if covered != epoch["segmented"]:
        findings.faults.append(
            f"{name}: the index ends before bundle {epoch['segmented']}; "
            "fsck --rebuild makes it again"
        )


async def _check_log(
    tx: Transaction, leaves: dict[int, bytes], log_key: NoteKey, findings: Findings
) -> None:
    for row in await tx.fetch("log.entries"):
        leaves[row["position"]] = leaf_hash(row["data"])
    size = len(leaves)
    lost = next((position for position in range(size) if position not in leaves), None)
    if lost is not None:
        findings.faults.append(f"the log has no leaf {lost}")
        return
    findings.leaves = size
    level = [leaves[position] for position in range(size)]
    frontier = Frontier()
    for leaf in level:
        frontier.append(leaf)
    state = await tx.fetch_one("log.state")
    if state is None or state["log_size"] != size:
        findings.faults.append("the log's size is not the number of its leaves")
        return
    if b"".join(frontier.nodes) != state["log_frontier"]:
        findings.faults.append("the log's edge does not follow from its leaves")
    for depth in range(size.bit_length()):
        rows = await tx.fetch("log.hashes_of_level", level=depth)
        if [row["hash"] for row in rows] != level:
            findings.faults.append(f"the log's hashes of level {depth} do not follow from below")
        level = [node_hash(*pair) for pair in zip(level[::2], level[1::2], strict=False)]
    try:
        for row in await tx.fetch("log.checkpoints"):
            checkpoint = open_checkpoint(row["note"].encode(), log_key).checkpoint
            if checkpoint.root != await root_of(tx, checkpoint.size):
                findings.faults.append(f"the checkpoint at {checkpoint.size} has another root")
    except (WireError, AggregatorError) as error:
        findings.faults.append(f"the log: {error}")
