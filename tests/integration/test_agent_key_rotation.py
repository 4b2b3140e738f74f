"""A seal key is changed with overlap: one chain, two keys, and the former one ends."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from edge_agent.errors import KeyFileError
from edge_agent.keys import (
    former,
    hand_over,
    handover_path,
    load,
    load_or_create,
    prepare_next,
    use_next,
)
from plant.process import ask, our_command
from plant.site import GATEWAY, Site
from protocols.wire.control.handover import Handover, open_handover
from protocols.wire.header import GatewayId
from protocols.wire.seal import PublicKey
from tests.integration.agent_peer import replay_source


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with Site(tmp_path) as found:
        await found.set_up(replay_source(tmp_path, rows=100_000, period_ms=20))
        await found.aggregator.start()
        await found.agent.start()
        yield found


async def stored(site: Site, more: int) -> dict[str, Any]:
    """Return the gateway's epoch once ``more`` bundles were stored since."""
    settings = ("--settings", str(site.aggregator_settings))

    async def look() -> dict[str, Any]:
        (row,) = json.loads(
            await ask(our_command("aggregator", "gateway", "ls", "--json", *settings))
        )
        return dict(row)

    wanted = ((await look())["head"] or 0) + more
    for _ in range(60):  # each look takes its time
        row = await look()
        if (row["head"] or 0) >= wanted:
            return row
    pytest.fail(f"{wanted} bundles were not stored: {row}")


async def handed_over(site: Site) -> list[dict[str, Any]]:
    """Return what the gateway's keys said of the next ones, once there is anything."""
    listed = ("gateway", "handovers", GATEWAY, "--json")
    settings = ("--settings", str(site.aggregator_settings))
    for _ in range(60):  # each look takes its time
        found = json.loads(await ask(our_command("aggregator", *listed, *settings)))
        if found:
            return list(found)
    pytest.fail("no hand-over came")


async def test_a_new_key_seals_on_in_the_same_chain_and_the_former_is_revoked(site: Site) -> None:
    before = await stored(site, 2)
    agent = ("--settings", str(site.agent_settings))
    aggregator = ("--settings", str(site.aggregator_settings))
    old = load(site.buffer / "seal.key").public
    new = PublicKey.from_text(await ask(our_command("edge_agent", "rotate-key", *agent)))
    assert new != old
    (handed,) = await handed_over(site)
    assert (handed["key"], handed["former_kid"]) == (new.to_text(), old.kid.hex())
    assert not handed["trusted"], "a hand-over alone lets no key be trusted"
    add = ("gateway", "add", GATEWAY, "--further", "--key", new.to_text())
    await ask(our_command("aggregator", *add, *aggregator))
    await ask(our_command("edge_agent", "rotate-key", "--use", *agent))
    await site.agent.stop()
    await site.agent.start()
    after = await stored(site, 3)
    assert after["epoch"] == before["epoch"], "the chain goes on"
    printed = await ask(our_command("edge_agent", "fsck", "--json", *agent))
    assert json.loads(printed)["problems"] == []
    revoke = ("gateway", "revoke", GATEWAY, "--kid", old.kid.hex(), "--why", "rotated")
    await ask(our_command("aggregator", *revoke, *aggregator))
    assert (await stored(site, 2))["waiting"] == 0
    quarantined = await ask(our_command("aggregator", "quarantine", "--json", *aggregator))
    assert json.loads(quarantined) == []
    (handed,) = await handed_over(site)
    assert (handed["trusted"], handed["former_revoked"]) == (True, True)
    await site.agent.stop()


def test_of_the_former_key_only_its_public_half_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "seal.key"
    first = load_or_create(path).public
    with pytest.raises(KeyFileError, match="no next key"):
        use_next(path)
    second = prepare_next(path).public
    assert prepare_next(path).public == second, "made once"
    assert load(path).public == first, "until it is used"
    assert use_next(path).public == load(path).public == second
    assert former(path) == (first,)
    third = prepare_next(path).public
    use_next(path)
    assert set(former(path)) == {first, second}
    assert load(path).public == third
    assert not [
        each for each in tmp_path.iterdir() if each != path and b"PRIVATE" in each.read_bytes()
    ]
    with pytest.raises(KeyFileError, match="cannot be read"):
        hand_over(path, GatewayId(GATEWAY), 7)  # there is no next key
    fourth = prepare_next(path).public
    statement = hand_over(path, GatewayId(GATEWAY), 7)
    assert open_handover(statement, third) == Handover(GatewayId(GATEWAY), third, fourth, 7)
    assert hand_over(path, GatewayId(GATEWAY), 8) == statement, "made once"
    use_next(path)
    assert handover_path(path).read_bytes() == statement, "it is sent after the change, too"
    (tmp_path / "seal.key.before-00").write_text("nothing")
    with pytest.raises(KeyFileError, match="cannot be read"):
        former(path)
