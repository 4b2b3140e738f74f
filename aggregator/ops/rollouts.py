"""Carries settings to gateways: tells each its newest command, and follows what they say.

A command stands retained on the gateway's topic, so one that is away finds it when it is back.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

import structlog

from aggregator.errors import StoreError
from aggregator.model.rollout import RolloutState, VersionState
from aggregator.ops.gateways import GatewayState, every
from aggregator.service.context import Context
from aggregator.service.rollout import progress
from aggregator.service.rollout.rows import Rollout
from protocols.wire.reading import Nanoseconds
from protocols.wire.topics import Channel, topic

_log: Final = structlog.get_logger(__name__)
_LOOK_S: Final = 1.0


class Line(Protocol):
    """Who retains messages with the broker."""

    @property
    def connections(self) -> int:
        """How often the broker was connected so far; 0: never."""

    def retain(self, name: str, data: bytes) -> bool:
        """Give a message to the broker to keep; False without a connection."""


class Rollouts:
    """Looks again and again; all it knows besides is how long those that go first are well."""

    def __init__(self, context: Context, line: Line) -> None:
        self._context = context
        self._line = line
        self._told: dict[str, tuple[int, bytes]] = {}
        self._well_since: dict[str, Nanoseconds] = {}

    async def run(self) -> None:
        """Carry settings until cancelled."""
        failing = False
        while True:
            try:
                await self.look()
            except StoreError as error:
                if not failing:
                    _log.error("settings are not carried", error=str(error), hint=error.hint)
                failing = True
            else:
                failing = False
            await asyncio.sleep(_LOOK_S)

    async def look(self) -> None:
        """Follow what is under way, then tell gateways what is new to them."""
        under_way = await progress.under_way(self._context)
        if under_way:
            found = await every(self._context)
            said = {each.gateway: each.settings for each in found if each.settings is not None}
            well = {each.gateway for each in found if each.state is GatewayState.RUNNING}
            for rollout in under_way:
                since = self._since(rollout, well)
                await progress.follow(self._context, rollout.id, said, since)
        self._well_since = {
            each.id: self._well_since[each.id] for each in under_way if each.id in self._well_since
        }
        for gateway, command in (await progress.commands(self._context)).items():
            told = self._line.connections, command
            if self._told.get(gateway) != told and self._line.retain(
                topic(gateway, Channel.COMMAND), command
            ):
                self._told[gateway] = told

    def _since(self, rollout: Rollout, well: set[str]) -> Nanoseconds | None:
        """Return since when those that went first are well under the document."""
        first = [each for each in rollout.versions if each.is_canary]
        held = rollout.state is RolloutState.APPROVED and all(
            each.state is VersionState.IN_FORCE and each.gateway in well for each in first
        )
        if not held:
            self._well_since.pop(rollout.id, None)
            return None
        return self._well_since.setdefault(rollout.id, self._context.clock.now())
