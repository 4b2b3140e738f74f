"""Settings are checked whole: every problem is named by file, key and remedy."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edge_agent.commissioning.command_line import app
from edge_agent.errors import SettingsFileError
from edge_agent.settings import Settings
from edge_agent.settings_file import load_settings
from edge_agent.sources import (
    Loaded,
    Source,
    dictionary,
    dictionary_hash,
    load_sources,
    settings_hash,
)
from protocols.field.driver import Shed
from protocols.wire import cbor
from protocols.wire.checkpoint import NoteKey
from protocols.wire.reading import Kind
from tests.sealed import key_named

BASE = f"""
[gateway]
id = "gw-01"
data_dir = "data"

[uplink]
host = "broker"
ca = "tls/ca.pem"
certificate = "tls/gateway.pem"
key = "tls/gateway.key"

[aggregator]
seal_key = "{key_named("aggregator").public.to_text()}"
log_key = "{NoteKey(name="log.example/1", key=key_named("log").public).to_text()}"
"""
SOURCE = """
[[source]]
name = "recorded"
driver = "replay"
file = "recorded.csv"
"""
SIGNALS = """
[[source.signals]]
name = "temperature"
kind = "float32"
unit = "Cel"
"""


def load(folder: Path, text: str) -> tuple[Settings, tuple[Source, ...]]:
    path = folder / "agent.toml"
    path.write_text(text, encoding="utf-8")
    settings = load_settings(path)
    return settings, load_sources(settings, path)


def problems(folder: Path, text: str) -> str:
    with pytest.raises(SettingsFileError) as refused:
        load(folder, text)
    return "\n".join(refused.value.problems)


def test_a_whole_file_reads_and_paths_are_relative_to_it(tmp_path: Path) -> None:
    settings, (source,) = load(tmp_path, BASE + SOURCE + SIGNALS)
    assert settings.gateway.data_dir == tmp_path / "data"
    assert settings.seal_key_path == tmp_path / "data" / "seal.key"
    assert settings.uplink.ca == tmp_path / "tls" / "ca.pem"
    assert source.settings.model_dump()["file"] == tmp_path / "recorded.csv"
    (signal,) = source.signals()
    assert signal.model_dump()["kind"] is Kind.FLOAT32


def test_the_environment_overrides_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOTPROOF_AGENT_UPLINK__HOST", "other")
    settings, _ = load(tmp_path, BASE)
    assert settings.uplink.host == "other"
    assert settings.uplink.port == 8883


def test_the_environment_may_hold_a_table_and_its_keys_and_leaves_the_other_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOTPROOF_AGENT_UPLINK", '{"port": 1884, "keepalive_s": 7, "host": "one"}')
    monkeypatch.setenv("lotproof_agent_uplink__host", "[::1]")
    monkeypatch.setenv("LOTPROOF_AGENT_SEAL__AGE_MAX_S", "0.25")
    monkeypatch.setenv("LOTPROOF_AGENT_SOURCE", "[]")
    monkeypatch.setenv("LOTPROOF_AGENT_SETTINGS", "elsewhere.toml")  # the command's own
    settings, sources = load(tmp_path, BASE)
    uplink, seal = settings.uplink, settings.seal
    assert (uplink.host, uplink.port, uplink.keepalive_s) == ("[::1]", 1884, 7)
    assert uplink.ca == tmp_path / "tls" / "ca.pem"
    assert (seal.age_max_s, sources) == (0.25, ())


def test_a_key_of_the_environment_that_is_wrong_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOTPROOF_AGENT_UPLINK__HOTS", "other")
    monkeypatch.setenv("LOTPROOF_AGENT_SEAL", "{")
    found = problems(tmp_path, BASE)
    assert "uplink.hots: there is no such key; did you mean 'host'?" in found
    assert "seal: Input should be a valid dictionary" in found


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("host =", "hots ="), "uplink.hots: there is no such key; did you mean 'host'?"),
        (('host = "broker"', ""), "uplink.host: is missing; give it"),
        (('id = "gw-01"', 'id = "GW 01"'), "gateway.id: 'GW 01' is not a gateway id"),
        (("[uplink]", "[uplink]\nport = 99999"), "uplink.port: Input should be less than or equal"),
        (("ED25519:", "RSA:"), "aggregator.seal_key: .* is not a public key; write ED25519:"),
        (("log.example/1+", "log.example/2+"), "aggregator.log_key: the verifier key's id"),
        (("[gateway]", "[gateway"), "not TOML"),
    ],
)
def test_a_problem_is_named_with_its_remedy(
    tmp_path: Path, change: tuple[str, str], said: str
) -> None:
    found = problems(tmp_path, BASE.replace(*change))
    assert "agent.toml" in found
    assert re.search(said, found), found


def test_all_problems_are_named_at_once(tmp_path: Path) -> None:
    found = problems(tmp_path, BASE.replace("host =", "hots =").replace("gw-01", "GW"))
    assert len(found.splitlines()) == 3


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (SOURCE.replace("replay", "opcau") + SIGNALS, "there is no driver 'opcau'; use one of:"),
        (SOURCE, "signals: is missing; give it"),
        (SOURCE + SIGNALS.replace("unit", "units"), "units: there is no such key; did you mean"),
        (SOURCE + SIGNALS + SIGNALS, "temperature"),
        (SOURCE + SIGNALS + SOURCE + SIGNALS.replace("temp", "x"), "'recorded' stands there twice"),
        (
            SOURCE + SIGNALS + SOURCE.replace('"recorded"', '"other"') + SIGNALS,
            "'temperature' stands in source 'recorded' and again in 'other'",
        ),
        (SOURCE + 'signals_csv = "s.csv"\n' + SIGNALS, "both signals and signals_csv"),
        (SOURCE + 'signals_csv = "nothing.csv"\n', "nothing.csv: cannot be read"),
    ],
)
def test_a_problem_of_a_source_is_named(tmp_path: Path, source: str, said: str) -> None:
    found = problems(tmp_path, BASE + source)
    assert said in found, found


def test_signals_come_from_csv(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(
        "name,kind,unit,column\ntemperature,float32,Cel,T\npressure,int,,\n", encoding="utf-8"
    )
    _, (source,) = load(tmp_path, BASE + SOURCE + 'signals_csv = "s.csv"\n')
    first, second = (signal.model_dump() for signal in source.signals())
    assert first == {
        "name": "temperature",
        "kind": Kind.FLOAT32,
        "unit": "Cel",
        "shed": Shed.NORMAL,
        "column": "T",
    }
    assert (second["kind"], second["unit"]) == (Kind.INT, "1"), "an empty cell is the default"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name,knd\na,int\n", "s.csv:1:knd: there is no such column; did you mean 'kind'?"),
        ("name,kind,kind\na,int,int\n", "s.csv:1:kind: the column stands there twice"),
        ("name,kind\na,int\nb,integer\n", "s.csv:3:kind: Input should be"),
        ("name,kind\na,int,7\n", "s.csv:2: more cells than columns"),
        ("name,kind\n,int\n", "s.csv:2:name: is missing"),
        ('name,kind\n"a,int\n', "s.csv: cannot be read as CSV"),
    ],
)
def test_a_problem_of_a_csv_is_named_by_row_and_column(
    tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "s.csv").write_text(text, encoding="utf-8")
    found = problems(tmp_path, BASE + SOURCE + 'signals_csv = "s.csv"\n')
    assert said in found, found


def test_hashes_follow_what_is_in_force_alone(tmp_path: Path) -> None:
    text = BASE + SOURCE + SIGNALS
    settings, sources = load(tmp_path, text)
    again, same = load(tmp_path, "# a comment\n" + text)
    assert settings_hash(Loaded(settings, sources)) == settings_hash(Loaded(again, same))
    changed, other = load(tmp_path, text.replace("Cel", "K"))
    assert settings_hash(Loaded(settings, sources)) != settings_hash(Loaded(changed, other))
    assert dictionary_hash(sources) != dictionary_hash(other)
    entries = cbor.decode(dictionary(sources))
    assert entries == [
        {
            "name": "temperature",
            "unit": "Cel",
            "kind": int(Kind.FLOAT32),
            "shed": "normal",
            "column": "",
            "source": "recorded",
            "driver": "replay",
        }
    ]


class TestCommands:
    def test_check_says_what_is_wrong_and_ends_with_two(self, tmp_path: Path) -> None:
        path = tmp_path / "agent.toml"
        path.write_text(BASE.replace("host =", "hots ="), encoding="utf-8")
        result = CliRunner().invoke(app, ["check", "--settings", str(path)])
        assert result.exit_code == 2
        assert "did you mean 'host'?" in result.stderr
        path.write_text(BASE, encoding="utf-8")
        result = CliRunner().invoke(app, ["check", "--settings", str(path)])
        assert result.exit_code == 2
        assert "uplink.ca, certificate or key" in result.stderr

    def test_key_makes_the_key_once_and_prints_the_public_one(self, tmp_path: Path) -> None:
        path = tmp_path / "agent.toml"
        path.write_text(BASE + '[seal]\nalgorithm = "esp256"\n', encoding="utf-8")
        first = CliRunner().invoke(app, ["key", "--settings", str(path)])
        second = CliRunner().invoke(app, ["key", "--settings", str(path)])
        assert first.exit_code == 0
        assert first.stdout == second.stdout
        assert first.stdout.startswith("ESP256:")

    def test_status_and_fsck_say_where_nothing_runs_and_nothing_is(self, tmp_path: Path) -> None:
        path = tmp_path / "agent.toml"
        path.write_text(BASE, encoding="utf-8")
        assert CliRunner().invoke(app, ["status", "--settings", str(path)]).exit_code == 1
        assert CliRunner().invoke(app, ["fsck", "--settings", str(path)]).exit_code == 2
        CliRunner().invoke(app, ["key", "--settings", str(path)])
        result = CliRunner().invoke(app, ["fsck", "--settings", str(path), "--json"])
        assert result.exit_code == 1
        assert "does not exist" in result.stdout
