"""``lotproof-agent discover opcua`` against the press, from no trust to signals that are well."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from plant.equipment.press import NAMESPACE
from plant.line import PRESS_PASSWORD, PRESS_USER, table
from tests.commissioning_bench import Bench

MATCH = ("--match", "Press/*Te*", "--match", "Press/C*")


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    (tmp_path / "password").write_text(f"{PRESS_PASSWORD}\n", encoding="utf-8")
    async with bench.line.press:
        yield bench


def access(bench: Bench) -> tuple[str, ...]:
    client = bench.ca.folder / "gw-1-opcua"
    return (
        *("discover", "opcua", bench.line.press.endpoint, "--trusted", "trusted"),
        *("--certificate", f"{client}.pem", "--private-key", f"{client}.key"),
        *("--user", PRESS_USER, "--password-file", "password"),
    )


async def test_signals_are_found_written_loaded_and_well(bench: Bench) -> None:
    command = (*access(bench), *MATCH, "--prefix", "press-1/", "--write", "found.csv")
    said = await bench.run(*command, typed="y\n")
    assert said.code == 0, said.err
    assert "Basic256Sha256           SignAndEncrypt" in said.out
    assert "trusted from now on" in said.out
    assert "✓ Press/PlateTemperature  float64  " in said.out
    with (bench.folder / "found.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["press-1/Press/CycleCount", "press-1/Press/PlateTemperature"]
    assert rows["press-1/Press/CycleCount"]["kind"] == "uint"
    address = rows["press-1/Press/PlateTemperature"]["address"]
    assert address == f"nsu={NAMESPACE};s=Press.PlateTemperature"
    client = bench.ca.folder / "gw-1-opcua"
    bench.write(
        table(
            "[source]",
            name="press-1",
            driver="opcua",
            endpoint=bench.line.press.endpoint,
            user=PRESS_USER,
            password=PRESS_PASSWORD,
            certificate=f"{client}.pem",
            private_key=f"{client}.key",
            trusted="trusted",
            signals_csv="found.csv",
        )
    )
    code, found = await bench.found("--wait", "20")
    assert code == 0, found
    assert set(rows) <= found.keys()


async def test_nobody_is_trusted_without_a_word(bench: Bench) -> None:
    """No answer, a no and a wrong fingerprint leave the trust list as it was."""
    trusted = bench.folder / "trusted"
    asked = await bench.run(*access(bench))
    assert asked.code == 1
    assert "SHA-256" in asked.out
    assert not trusted.exists()
    said = await bench.run(*access(bench), typed="n\n")
    assert (said.code, trusted.exists()) == (1, False)
    wrong = ":".join(["00"] * 32)
    said = await bench.run(*access(bench), "--trust-fingerprint", wrong)
    assert (said.code, trusted.exists()) == (1, False)
    assert "another fingerprint" in said.err
    (shown,) = {line.split()[-1] for line in asked.out.splitlines() if "certificate SHA" in line}
    said = await bench.run(*access(bench), *MATCH, "--trust-fingerprint", shown)
    assert said.code == 0, said.err
    assert len(list(trusted.iterdir())) == 1
    again = await bench.run(*access(bench), *MATCH)
    assert again.code == 0
    assert "trusted from now on" not in again.out


async def test_a_file_that_is_there_is_kept_unless_forced(bench: Bench) -> None:
    path = bench.folder / "found.csv"
    path.write_text("mine\n", encoding="utf-8")
    command = (*access(bench), *MATCH, "--write", "found.csv")
    said = await bench.run(*command, typed="y\n")
    assert said.code == 1
    assert "--force" in said.err
    assert path.read_text(encoding="utf-8") == "mine\n"
    assert (await bench.run(*command, "--force")).code == 0
    assert path.read_text(encoding="utf-8").startswith("name,unit,kind,address\n")


async def test_what_lacks_is_said_after_what_is_offered(bench: Bench) -> None:
    said = await bench.run("discover", "opcua", bench.line.press.endpoint)
    assert said.code == 2
    assert "SignAndEncrypt" in said.out
    assert "certificate, private_key, trusted" in said.err


async def test_nobody_at_home_is_said(bench: Bench) -> None:
    await bench.line.press.stop()
    said = await bench.run("discover", "opcua", bench.line.press.endpoint)
    assert said.code == 1
    assert "->" in said.err
