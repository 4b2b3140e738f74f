"""Follows settings on their way: what gateways say, whose turn it is, and what has failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from aggregator.model.rollout import RolloutState, Version, VersionState, due, failure, heard
from aggregator.service.context import Context
from aggregator.service.rollout import rows
from aggregator.service.rollout.offer import tell
from aggregator.service.rollout.rows import Rollout
from aggregator.store.base import Transaction
from protocols.wire.life import SettingsReport
from protocols.wire.reading import Nanoseconds


async def under_way(context: Context) -> list[Rollout]:
    """Return the documents that are not at their end."""
    async with context.store.read() as tx:
        found = await tx.fetch("settings.under_way")
        return [await rows.of_row(tx, row) for row in found]


async def follow(
    context: Context,
    rollout: str,
    said: Mapping[str, SettingsReport],
    well_since: Nanoseconds | None,
) -> Rollout:
    """Move a document on by what its gateways ``said`` last.

    ``well_since`` is since when those that went first are well under it; None where they are not.
    """
    async with context.store.write() as tx:
        before = await rows.one(tx, rollout)
        versions = tuple(
            heard(each, said[each.gateway]) if each.gateway in said else each
            for each in before.versions
        )
        after = _moved(replace(before, versions=versions))
        if after.state is RolloutState.APPROVED:
            turn = due(
                versions,
                well_since=well_since,
                hold_seconds=after.hold_seconds,
                now=context.clock.now(),
            )
            after = replace(
                after,
                versions=tuple(
                    replace(each, state=VersionState.SENT) if each in turn else each
                    for each in versions
                ),
            )
        await _write(context, tx, before, after)
    return after


async def commands(context: Context) -> dict[str, bytes]:
    """Return what each gateway's topic shall hold."""
    async with context.store.read() as tx:
        return {row["gateway"]: bytes(row["command"]) for row in await tx.fetch("settings.newest")}


def _moved(rollout: Rollout) -> Rollout:
    if why := failure(rollout.versions):
        return replace(rollout, state=RolloutState.HALTED, why=why)
    if all(each.state is VersionState.IN_FORCE for each in rollout.versions):
        return replace(rollout, state=RolloutState.DONE)
    return rollout


async def _write(context: Context, tx: Transaction, before: Rollout, after: Rollout) -> None:
    changed: list[Version] = [
        each for each, was in zip(after.versions, before.versions, strict=True) if each != was
    ]
    for version in changed:
        await rows.put_version(tx, after, version, context.keys.seal, context.clock.now())
    if after.state is not before.state:
        await rows.put(tx, after)
    if changed or after.state is not before.state:
        why = after.why or "; ".join(f"{each.gateway}: {each.state.value}" for each in changed)
        await tell(context, tx, "aggregator", "settings go on", after, why=why)
