"""Settings from the aggregator: proved, newer, checked, tried, taken back where they fail."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from plant.process import ask, our_command
from protocols.wire.control.command import CommandKind
from protocols.wire.header import Header
from protocols.wire.life import SettingsReport, SettingsState
from tests.integration.agent_peer import Plant, replay_source, until
from tests.sealed import key_named


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[Plant]:
    found = Plant(tmp_path)
    async with found:
        found.write_settings(replay_source(tmp_path, rows=100_000, period_ms=5))
        await found.make_key()
        await found.agent.start()
        await until(lambda: found.giver.readings and found.giver.lives, "nothing came")
        yield found
        await found.agent.stop()


def source(*signals: str, **changes: Any) -> dict[str, Any]:
    given = {"name": "recorded", "driver": "replay", "time_unit": "ms"}
    return {**given, "signals": [{"name": name, "kind": "int"} for name in signals], **changes}


def said(plant: Plant) -> SettingsReport:
    report = plant.giver.lives[-1].settings
    assert report is not None
    return report


def newest(plant: Plant) -> Header:
    (epoch,) = plant.giver.chains
    return plant.giver.headers[epoch, plant.giver.head()]


async def until_said(plant: Plant, state: SettingsState, version: int) -> SettingsReport:
    def is_said() -> bool:
        return (said(plant).state, said(plant).offered) == (state, version)

    try:
        await until(is_said, "")
    except pytest.fail.Exception:
        pytest.fail(f"{state.name} of {version} was not said, but {said(plant)}")
    return said(plant)


async def test_settings_are_checked_then_tried_then_in_force_and_survive_a_restart(
    plant: Plant,
) -> None:
    document = {"source": [source("signal-0", "signal-1")], "seal": {"age_max_s": 0.3}}
    own = said(plant)
    plant.giver.command(1, document, kind=CommandKind.CHECK, persons=())
    checked = await until_said(plant, SettingsState.CHECKED, 1)
    assert (checked.version, checked.hash) == (0, own.hash), "a check changes nothing"
    plant.giver.command(1, document)
    taken = await until_said(plant, SettingsState.IN_FORCE, 1)
    assert taken.version == 1
    assert taken.hash != own.hash
    await until(lambda: newest(plant).settings_hash == taken.hash, "no bundle carries the hash")
    dictionary_hash = newest(plant).dictionary_hash

    await plant.agent.kill()
    await plant.agent.start()
    count = len(plant.giver.lives)
    await until(lambda: len(plant.giver.lives) > count, "it did not come back")
    await until(lambda: said(plant).version == 1, "it forgot its settings")
    assert said(plant).hash == taken.hash
    assert newest(plant).dictionary_hash == dictionary_hash
    command = our_command("edge_agent", "check", "--settings", str(plant.agent.settings))
    assert "2 signals" in await ask(command), "check looks at what is in force"


async def test_settings_that_stop_a_source_are_taken_back_by_themselves(plant: Plant) -> None:
    good = {"source": [source("signal-0", "signal-1", "signal-2")], "uplink": {"life_s": 0.5}}
    plant.giver.command(1, good)
    before = await until_said(plant, SettingsState.IN_FORCE, 1)
    plant.giver.command(2, {"source": [source("signal-0", "not-there")]}, trial_seconds=2)
    report = await until_said(plant, SettingsState.ROLLED_BACK, 2)
    assert (report.version, report.hash) == (1, before.hash)
    assert "recorded did not come up" in report.why
    count = len(plant.giver.readings)
    await until(lambda: len(plant.giver.readings) > count + 30, "it does not go on as before")

    plant.giver.command(2, good)
    await plant.agent.stop()
    await plant.agent.start()
    await until_said(plant, SettingsState.ROLLED_BACK, 2)
    plant.giver.command(3, good)
    assert (await until_said(plant, SettingsState.IN_FORCE, 3)).version == 3


async def test_what_is_old_forged_or_another_s_is_not_taken(plant: Plant) -> None:
    document = {"source": [source("signal-0", "signal-1")]}
    plant.giver.command(5, document)
    await until_said(plant, SettingsState.IN_FORCE, 5)
    giver = plant.giver
    giver.command(4, {"source": []})
    await until(lambda: "older settings ignored" in plant.agent.text(), "it is silent")
    giver.command(6, {"source": []}, gateway="gw-02")
    await until(lambda: "settings for gateway gw-02" in plant.agent.text(), "it is silent")
    giver.command(6, {"source": []}, persons=("li.wei", "li.wei"))
    await until(lambda: "has not exactly its fields" in plant.agent.text(), "it is silent")
    giver.key, own = key_named("somebody else"), giver.key
    giver.command(6, {"source": []})
    await until(lambda: "sealed by another key" in plant.agent.text(), "it is silent")
    giver.key = own
    assert said(plant).version == 5
    count = len(giver.readings)
    await until(lambda: len(giver.readings) > count + 30, "it stopped collecting")


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ({"source": [source("a", file="/etc/passwd")]}, "file: keys, paths and passwords"),
        ({"source": [source("a", driver="repaly")]}, "there is no driver 'repaly'"),
        ({"seal": {"age_max_s": 0}}, "seal.age_max_s"),
        ({"seal": {"key": "/tmp/other.key"}}, "seal.key: Extra inputs"),
        ({"gateway": {"id": "gw-02"}}, "gateway: Extra inputs"),
        ({"source": [source("a"), source("a")]}, "stands there twice"),
        ({"source": [source("a", signals=[{"name": "a", "kind": "intt"}])]}, "kind"),
    ],
)
async def test_a_document_that_cannot_work_is_refused_and_named(
    plant: Plant, document: dict[str, Any], named: str
) -> None:
    plant.giver.command(1, document, kind=CommandKind.CHECK, persons=())
    report = await until_said(plant, SettingsState.REFUSED, 1)
    assert named in report.why
    assert report.version == 0
