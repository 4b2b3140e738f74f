"""``lotproof-agent doctor``: everything that helps, and nothing that is secret."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

from edge_agent.commissioning.doctor import FOLDER, archive, examine
from edge_agent.commissioning.redaction import Redaction
from edge_agent.keys import load_or_create
from plant.line import table
from tests.commissioning_bench import Bench

PASSWORD = "tr0ub4dor&\"3'é"
MISSPELT = "correct-horse-battery"
IN_URL = "staple-in-a-url"
PEM = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAAA\n-----END PRIVATE KEY-----"
SECRETS = (PASSWORD, json.dumps(PASSWORD)[1:-1], MISSPELT, IN_URL, "MC4CAQAwBQYDK2Vw")


def planted(bench: Bench) -> None:
    """Write settings with a secret wherever somebody might put one."""
    press = {"endpoint": f"opc.tcp://me:{IN_URL}@127.0.0.1:4840", "user": "press-reader"}
    bench.write(
        table("[source]", name="press", driver="opcua", pasword=MISSPELT, **press)
        + f"password = {json.dumps(PASSWORD)}\nsignals_csv = 'press.csv'\n"
        + table("[source]", name="x", driver="no-such-driver", host=MISSPELT, tls_key_file=PEM)
    )
    rows = f'name,address\nspeed,"ns=2;s={MISSPELT}"\n'
    (bench.folder / "press.csv").write_text(rows, encoding="utf-8")


def unpacked(path: Path) -> dict[str, str]:
    with tarfile.open(path) as tar:
        members = {member.name: tar.extractfile(member) for member in tar.getmembers()}
        return {name: file.read().decode() for name, file in members.items() if file is not None}


async def test_no_secret_leaves_the_gateway(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    planted(bench)
    key = load_or_create(tmp_path / "agent" / "seal.key")
    path = tmp_path / "doctor.tar.gz"
    said = await bench.run("doctor", "--archive", str(path), "-s", str(bench.settings))
    assert said.code == 0, said.err
    assert path.stat().st_mode & 0o777 == 0o600
    parts = unpacked(path)
    pem = key.to_pem().decode().splitlines()[1]
    for name, text in [*parts.items(), ("the screen", said.out + said.err)]:
        found = [secret for secret in (*SECRETS, pem) if secret in text]
        assert not found, name
    told = json.loads(parts[f"{FOLDER}/settings.json"])["settings"]
    assert told["source"][0]["password"] == told["source"][0]["pasword"] == "**********"
    assert told["source"][0]["user"] == "press-reader"
    assert told["gateway"] == {"id": "gw-1", "data_dir": "agent"}
    assert "there is no such key" in parts[f"{FOLDER}/problems.txt"]
    assert "no-such-driver" in parts[f"{FOLDER}/problems.txt"]
    assert json.loads(parts[f"{FOLDER}/clock.json"])["state"] in (
        *("SYNCHRONISED", "FREE_RUNNING", "UNSET"),
    )
    assert json.loads(parts[f"{FOLDER}/disk.json"])["bytes"]["free"] > 0
    assert json.loads(parts[f"{FOLDER}/fsck.json"])["problems"]  # there is no buffer yet
    assert json.loads(parts[f"{FOLDER}/about.json"])["versions"]["asyncua"].startswith("2.")
    assert "speed" in parts[f"{FOLDER}/signals/press.csv"]
    again = await bench.run("doctor", "--archive", str(path), "-s", str(bench.settings))
    assert (again.code, "--force" in again.err) == (1, True)


def test_the_same_facts_give_the_same_archive(tmp_path: Path) -> None:
    one = archive({"b.txt": "2\n", "a.txt": "1\n"})
    other = archive({"a.txt": "1\n", "b.txt": "2\n"})
    assert one == other
    with tarfile.open(fileobj=io.BytesIO(one)) as tar:
        assert tar.getnames() == [f"{FOLDER}/a.txt", f"{FOLDER}/b.txt"]


def test_a_gateway_in_any_state_gives_what_it_can(tmp_path: Path) -> None:
    broken = tmp_path / "agent.toml"
    broken.write_text(f'[gateway\nid = "{MISSPELT}"', encoding="utf-8")
    for settings in (broken, tmp_path / "absent.toml"):
        parts = examine(settings)
        assert "not TOML" in parts["problems.txt"] or "cannot be read" in parts["problems.txt"]
        assert "could not be made" in parts["fsck.json"]
        assert not any(MISSPELT in text for text in parts.values())


def test_an_override_is_named_and_its_secret_hidden() -> None:
    redaction = Redaction()
    given = {
        "LOTPROOF_AGENT_SOURCE": '[{"driver": "opcua", "password": "hidden-word", "user": "joe"}]',
        "LOTPROOF_AGENT_UPLINK__HOST": "broker",
        "HOME": "/root",
    }
    assert redaction.environment(given) == sorted(given)[1:]
    assert redaction.text("joe at broker: hidden-word") == "joe at broker: **********"
