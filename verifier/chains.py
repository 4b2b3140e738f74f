"""Checks 9 to 12: the chains, what stands on either side of the lot, the gaps, the log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from protocols.wire.checkpoint import Checkpoint
from protocols.wire.dossier.series import Interval
from protocols.wire.errors import WireError
from protocols.wire.tlog import verify_inclusion
from verifier.bundles import Chains, OpenedBundle
from verifier.report import Check, conclude


def check_chains(
    chains: Chains, window: Interval, checkpoint: Checkpoint | None
) -> Iterator[Check]:
    """Yield the checks 9 to 12; ``checkpoint`` is None where its signature did not hold."""
    yield conclude(
        9,
        f"{len(chains)} chains, {sum(chain[0].chain.count for chain in chains)} readings",
        failed=[problem for chain in chains for problem in _chain_problems(chain)],
        undecided=[] if chains else ["no bundle is held, so nothing is proved"],
    )
    yield _check_brackets(chains, window)
    yield _check_gaps(chains)
    yield _check_log([bundle for chain in chains for bundle in chain], checkpoint)


def _chain_problems(chain: Sequence[OpenedBundle]) -> Iterator[str]:
    stated = chain[0].chain
    for bundle in chain:
        if bundle.header is None:
            yield f"{bundle}: its header cannot be read"
        elif bundle.header.number != bundle.number:
            yield f"{bundle}: number {bundle.header.number} stands in its place"
    for before, after in pairwise(_run(chain)):
        if after.header is None or before.header is None:
            continue
        if after.header.previous != before.leaf:
            yield f"{after} was sealed after another bundle than the one held before it"
        if after.header.first_reading != before.header.end_reading:
            yield f"{after} starts at another reading number than {before} ends at"
    within = [bundle for bundle in chain if bundle.within]
    if within[-1].leaf != stated.head:
        yield f"{within[-1]} is not the head that the manifest states"
    count = sum(bundle.header.count for bundle in within if bundle.header is not None)
    if count != stated.count:
        yield f"{stated.gateway}: {count} readings are held, the manifest states {stated.count}"


def _run(chain: Sequence[OpenedBundle]) -> Sequence[OpenedBundle]:
    """Return the bundles that follow each other: all but those held for their clock alone."""
    return [bundle for bundle in chain if not bundle.anchor]


def _check_brackets(chains: Chains, window: Interval) -> Check:
    """Hold what stands outside the window against it: nothing of the lot may be out there."""
    failed, undecided = [], []
    openings = {
        (bundle.chain.gateway, opening.previous_epoch, opening.previous_head)
        for chain in chains
        for bundle in chain
        if bundle.header is not None and (opening := bundle.header.opening) is not None
    }
    for chain in chains:
        run = _run(chain)
        stated, first, last = chain[0].chain, run[0].header, run[-1].header
        if stated.held_first < stated.first:
            if first is None or run[0].time(first.last_time) >= window.start:
                failed.append(f"{run[0]} reaches into the lot's window, but is not counted to it")
        elif stated.first > 0:
            undecided.append(f"{stated.gateway}: nothing shows what bundle {stated.first - 1} held")
        if stated.held_last > stated.last:
            if last is None or run[-1].time(last.first_time) < window.end:
                failed.append(f"{run[-1]} starts in the lot's window, but is not counted to it")
        elif (stated.gateway, stated.epoch, stated.head) not in openings:
            undecided.append(f"{stated.gateway}: nothing shows what bundle {stated.last + 1} held")
    held = sum(not bundle.within for chain in chains for bundle in _run(chain))
    return conclude(10, f"{held} bracketing bundles", failed=failed, undecided=undecided)


def _check_gaps(chains: Chains) -> Check:
    failed, count = [], 0
    for chain in chains:
        headers = [bundle.header for bundle in chain if bundle.within]
        declared = tuple(gap for header in headers if header is not None for gap in header.gaps)
        count += len(declared)
        if declared != chain[0].chain.gaps:
            failed.append(
                f"{chain[0].chain.gateway}: the headers declare {len(declared)} gaps, "
                f"the manifest states {len(chain[0].chain.gaps)}, and they are not the same"
            )
    return conclude(11, f"{count} gaps", failed=failed)


def _check_log(bundles: Sequence[OpenedBundle], checkpoint: Checkpoint | None) -> Check:
    if checkpoint is None:
        return conclude(12, "", undecided=["it takes a checkpoint that the log signed (check 4)"])
    failed = []
    for bundle in bundles:
        place = bundle.place
        try:
            verify_inclusion(bundle.leaf, place.leaf, checkpoint.size, place.path, checkpoint.root)
        except WireError as error:
            failed.append(f"{bundle}: {error}")
    return conclude(12, f"{len(bundles)} leaves of {checkpoint.size}", failed=failed)
