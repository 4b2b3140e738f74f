"""New settings for an agent that runs: taken whole or not at all, and nothing lost by it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from plant.process import ask, our_command
from protocols.wire.chain import Verdict
from protocols.wire.header import Header
from protocols.wire.life import SettingsState
from protocols.wire.reading import GapReason
from tests.integration.agent_peer import Plant, replay_source, until


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[Plant]:
    found = Plant(tmp_path)
    async with found:
        yield found


async def reload(plant: Plant, *, codes: tuple[int, ...] = (0,)) -> str:
    command = our_command("edge_agent", "reload", "--settings", str(plant.agent.settings))
    return await ask(command, codes=codes)


async def status(plant: Plant) -> dict[str, object]:
    command = our_command("edge_agent", "status", "--json", "--settings", str(plant.agent.settings))
    found: dict[str, object] = json.loads(await ask(command, codes=(0, 1)))
    return found


def headers(plant: Plant) -> list[Header]:
    (chain,) = plant.giver.chains
    return [plant.giver.headers[chain, at] for at in range(plant.giver.head() + 1)]


def values(plant: Plant, name: str) -> list[int]:
    found = [each for each in plant.giver.readings if each.signal == name]
    return sorted(int(str(each.value)) for each in found)


async def test_sources_come_go_and_change_and_those_that_stay_are_not_touched(
    plant: Plant, tmp_path: Path
) -> None:
    kept = replay_source(tmp_path, rows=100_000, period_ms=5, name="kept", prefix="kept/")
    going = replay_source(tmp_path, rows=100_000, period_ms=5, name="going", prefix="going/")
    coming = replay_source(tmp_path, rows=100_000, period_ms=5, name="coming", prefix="coming/")
    plant.write_settings(kept + going)
    await plant.make_key()
    await plant.agent.start()
    giver = plant.giver
    await until(lambda: values(plant, "going/0"), "nothing came")

    plant.write_settings(kept + coming, seal={"age_max_s": 0.2})
    said = await reload(plant)
    assert "added coming" in said
    assert "removed going" in said
    assert "kept" not in said
    await until(lambda: values(plant, "coming/0"), "the new source did not come")
    hashes = list(dict.fromkeys(header.settings_hash for header in headers(plant)))
    assert len(hashes) == 2, "before and after"
    assert hashes[1].hex()[:16] in said

    wider = replay_source(
        tmp_path, rows=100_000, period_ms=5, signals=4, name="coming", prefix="coming/"
    )
    plant.write_settings(kept + wider, seal={"age_max_s": 0.2})
    os.kill(plant.agent.pid, signal.SIGHUP)
    await until(lambda: values(plant, "coming/3"), "SIGHUP changed nothing")
    report = await plant.stop_with_all_arrived()

    assert not giver.problems
    assert set(giver.verdicts) <= {Verdict.NEXT, Verdict.REPEAT}
    for name in ("kept/0", "kept/2"):
        came = values(plant, name)
        assert came == list(range(len(came))), "it was opened anew, or readings were lost"
    gone = values(plant, "going/0")
    assert gone == list(range(len(gone)))
    last = headers(plant)[-1].counters
    assert last.read == last.sealed == len(giver.readings)
    declared = [g for h in headers(plant) if h.settings_hash != hashes[0] for g in h.gaps]
    assert {(gap.subject, gap.reason) for gap in declared} == {
        (f"coming/{at}", GapReason.SETTINGS_CHANGE) for at in range(3)
    }
    assert report.readings == len(giver.readings)


async def test_settings_that_are_wrong_change_nothing_and_are_told(
    plant: Plant, tmp_path: Path
) -> None:
    source = replay_source(tmp_path, rows=100_000, period_ms=5)
    plant.write_settings(source)
    await plant.make_key()
    await plant.agent.start()
    await until(lambda: plant.giver.readings, "nothing came")
    for sources, tables, named in (
        (source.replace('driver = "replay"', 'driver = "repaly"'), {}, "repaly"),
        (source, {"gateway": {"id": "gw-02"}}, "gateway: changes only with a restart"),
        (source, {"uplink": {"ca": str(tmp_path / "none.pem")}}, "uplink.ca"),
    ):
        plant.write_settings(sources, **tables)  # type: ignore[arg-type]
        lives = len(plant.giver.lives)
        await reload(plant, codes=(2,))
        await until(
            lambda named=named, lives=lives: any(  # type: ignore[misc]
                life.settings and named in life.settings.why for life in plant.giver.lives[lives:]
            ),
            f"no life statement said {named}",
        )
    life = plant.giver.lives[-1]
    assert life.settings is not None
    assert life.settings.state is SettingsState.REFUSED
    assert "repaly" in plant.agent.text()
    count = len(plant.giver.readings)
    await until(lambda: len(plant.giver.readings) > count + 50, "it did not go on")
    assert len({header.settings_hash for header in headers(plant)}) == 1

    plant.write_settings(source)
    assert "are in force" in await reload(plant)
    assert (await status(plant))["settings"]["state"] == "IN_FORCE"  # type: ignore[index]
    await plant.agent.stop()


async def test_a_reload_waits_for_no_broker(plant: Plant, tmp_path: Path) -> None:
    source = replay_source(tmp_path, rows=100_000, period_ms=5)
    plant.write_settings(source)
    await plant.make_key()
    await plant.agent.start()
    await until(lambda: plant.giver.readings, "nothing came")
    await plant.broker.kill()
    plant.write_settings(source, uplink={"life_s": 0.5}, seal={"heartbeat_s": 0.4})
    assert "are in force" in await reload(plant)
    await plant.broker.start()
    head = plant.agent.fsck().head
    await until(lambda: plant.giver.head() > head, "what was sealed meanwhile did not come")
    await plant.agent.stop()
    assert len({header.settings_hash for header in headers(plant)}) == 2
    assert values(plant, "signal-0") == list(range(len(values(plant, "signal-0"))))


async def test_status_and_life_say_what_a_person_must_see_to(plant: Plant, tmp_path: Path) -> None:
    plant.write_settings(replay_source(tmp_path, rows=100_000, period_ms=5))
    await plant.make_key()
    await plant.agent.start()
    await until(
        lambda: plant.giver.lives and plant.giver.lives[-1].upkeep and plant.giver.head() > 5,
        "no life statement says how the disk and the certificate fare",
    )
    upkeep = plant.giver.lives[-1].upkeep
    assert upkeep is not None
    assert upkeep.certificate_days_left in (29, 30)
    assert upkeep.seal_age == 10**8
    await until(lambda: plant.giver.lives[-1].receipted > 3, "no receipt was taken")
    found = await status(plant)
    assert 29 < float(str(found["certificate_days"])) <= 30
    assert found["last_receipt"]
    assert abs(int(str(found["clock_offset_ns"]))) < 60 * 10**9
    command = our_command("edge_agent", "status", "--settings", str(plant.agent.settings))
    shown = await ask(command, codes=(0, 1))
    assert "receipts: last" in shown
    assert "certificate valid for 30.0 days" in shown or "certificate valid for 29.9" in shown
    await plant.agent.stop()


async def test_the_service_manager_hears_of_start_progress_and_reload(
    plant: Plant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(address))
        manager.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(address))
        heard: list[str] = []
        # Read as it comes: the socket keeps a few words only, and what finds no room is lost.
        loop = asyncio.get_running_loop()
        loop.add_reader(manager, lambda: heard.append(manager.recv(4096).decode()))

        def said(*words: str) -> bool:
            return all(word in "\n".join(heard) for word in words)

        plant.write_settings(replay_source(tmp_path, rows=100_000, period_ms=5))
        await plant.make_key()
        await plant.agent.start()
        await until(lambda: said("READY=1"), "it is not ready")
        await until(lambda: said("WATCHDOG=1\nSTATUS=1 of 1 sources"), "it does not make way")
        heard.clear()
        await reload(plant)
        await until(lambda: said("RELOADING=1", "READY=1"), "it is silent")
        await plant.agent.stop()
        await until(lambda: said("STOPPING=1"), "it does not say that it ends")
        loop.remove_reader(manager)


async def test_no_agent_no_reload(plant: Plant, tmp_path: Path) -> None:
    plant.write_settings(replay_source(tmp_path, rows=10, period_ms=5))
    assert await reload(plant, codes=(1,)) == ""
