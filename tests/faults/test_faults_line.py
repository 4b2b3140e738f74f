"""``kill -9`` of agent, broker and aggregator while the line runs loses no reading."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.faults.line_ledger import committed, missing
from tests.faults.line_rig import PATIENCE_S, Victim, running

_ROUNDS: Final = 200
_ROUNDS_BRIEF: Final = 8
_BUNDLES_MEANWHILE: Final = 20
_KEY: Final = "LOTPROOF_AGENT_"

Figures = Callable[[str, object], None]


@pytest.fixture(autouse=True)
def _hard_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the agent seal often and free at once, so that a kill finds it at every kind of work."""
    monkeypatch.setenv(f"{_KEY}SEAL__AGE_MAX_S", "0.05")
    monkeypatch.setenv(f"{_KEY}BUFFER__RETENTION_DAYS", "0")


@pytest.mark.timeout(7200)
async def test_killing_any_part_loses_no_committed_reading(
    tmp_path: Path, chance: random.Random, full: bool, record_property: Figures
) -> None:
    victims = plan(_ROUNDS if full else _ROUNDS_BRIEF, chance)
    async with running(tmp_path, chance) as rig:
        for victim in victims:
            await rig.round(victim)
        verdict = await rig.verdict()
    record_property(
        "figures",
        f"{len(victims)} rounds, {rig.kills} kills {dict(Counter(v.name for v in victims))}, "
        f"{verdict.bundles} bundles, {verdict.readings} readings committed, {verdict.lost} lost, "
        f"{verdict.twice} stored twice, {len(verdict.problems)} problems",
    )
    assert verdict.problems == ()
    assert (verdict.lost, verdict.twice) == (0, 0)
    assert verdict.readings > 10 * len(victims)


async def test_an_agent_whose_disk_fails_ends_and_goes_on_when_started_again(
    tmp_path: Path, chance: random.Random
) -> None:
    async with running(tmp_path, chance) as rig:
        await rig.moves_on()
        async with rig.failing(rig.site.agent, rig.buffer, "fdatasync:error=EIO"):
            code = await asyncio.wait_for(rig.site.agent.wait(), PATIENCE_S)
        words = rig.site.agent.tail()
        await rig.site.agent.start()
        await rig.moves_on()
        verdict = await rig.verdict()
    assert code == 1
    assert "nothing was acknowledged after this" in words
    assert verdict.problems == ()
    assert (verdict.lost, verdict.twice) == (0, 0)


async def test_an_aggregator_whose_disk_fails_for_a_while_loses_nothing(
    tmp_path: Path, chance: random.Random
) -> None:
    async with running(tmp_path, chance) as rig:
        for fault in ("fdatasync:error=EIO", "pwrite64:error=ENOSPC"):
            await rig.moves_on()
            async with rig.failing(rig.site.aggregator, rig.store, fault):
                await rig.seals(_BUNDLES_MEANWHILE)
                assert missing(rig.store, committed(rig.buffer))
        await rig.moves_on()
        verdict = await rig.verdict()
    assert verdict.problems == ()
    assert (verdict.lost, verdict.twice) == (0, 0)


async def test_control_freeing_on_the_brokers_word_is_caught(
    tmp_path: Path, chance: random.Random
) -> None:
    async with running(tmp_path, chance, agent="tests.faults.trusting_agent") as rig:
        for _ in range(4):  # on a busy machine nothing may have been freed yet in one of them
            await rig.round(Victim.AGGREGATOR_THEN_BROKER)
        verdict = await rig.verdict(patience_s=5)
    assert verdict.lost > 0
    assert any("missing" in problem for problem in verdict.problems)


def plan(rounds: int, chance: random.Random) -> list[Victim]:
    """Return who dies in each round: everybody equally often, in any order."""
    every = list(Victim)
    victims = (every * (rounds // len(every) + 1))[:rounds]
    chance.shuffle(victims)
    return victims
