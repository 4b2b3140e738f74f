"""Settings: read from a file, overridden by the environment, refused with the key by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from aggregator.app import make_store
from aggregator.errors import SettingsError
from aggregator.ingest.link import BrokerLink
from aggregator.settings import BrokerSettings, IntakeSettings, StoreSettings, load_settings
from aggregator.store.keys import LOG_FILE, SEAL_FILE, load_keys
from aggregator.store.postgres import PostgresStore
from aggregator.store.sqlite import SqliteStore


def written(folder: Path, text: str) -> Path:
    path = folder / "aggregator.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_overrides_the_defaults_and_the_environment_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, '[broker]\nhost = "broker.plant"\nport = 1\n')
    monkeypatch.setenv("LOTPROOF_AGGREGATOR_BROKER__PORT", "2")
    settings = load_settings(path)
    assert (settings.broker.host, settings.broker.port) == ("broker.plant", 2)
    assert settings.broker.client_id == "lotproof-aggregator"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[broker]\nprot = 1\n", "broker.prot: is not a setting"),
        ('[broker]\nport = "x"\n', "broker.port"),
        ("[broker]\nport = 70000\n", "broker.port"),
        ("nothing = 1\n", "nothing: is not a setting"),
        ('[log]\norigin = "two words"\n', "log.origin"),
        ("[broker\n", "is not TOML"),
    ],
)
def test_what_cannot_work_is_said_with_its_file_and_key(
    tmp_path: Path, text: str, said: str
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(SettingsError, match=r"aggregator\.toml") as raised:
        load_settings(path)
    assert said in str(raised.value)


def test_a_missing_file_is_said_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as raised:
        load_settings(tmp_path / "none.toml")
    assert "--settings" in raised.value.hint


def test_the_url_chooses_the_store() -> None:
    assert isinstance(make_store(StoreSettings(url="sqlite:///a.db")), SqliteStore)  # type: ignore[arg-type]
    assert isinstance(make_store(StoreSettings(url="postgresql://h/d")), PostgresStore)  # type: ignore[arg-type]


@pytest.mark.parametrize("url", ["", "mysql://x", "sqlite://host/x", "sqlite:///", "/a.db"])
def test_a_url_of_no_store_is_refused(url: str) -> None:
    with pytest.raises(SettingsError) as raised:
        make_store(StoreSettings(url=url))  # type: ignore[arg-type]
    assert "sqlite:///" in raised.value.hint


def test_the_password_in_the_url_is_not_shown() -> None:
    settings = StoreSettings(url="postgresql://u:secret@h/d")  # type: ignore[arg-type]
    assert "secret" not in repr(settings)


def test_keys_are_made_once_and_for_their_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    made = load_keys(folder)
    again = load_keys(folder)
    assert (made.seal.public, made.log.public) == (again.seal.public, again.log.public)
    assert made.seal.public != made.log.public
    assert folder.stat().st_mode & 0o777 == 0o700
    for name in (SEAL_FILE, LOG_FILE):
        assert (folder / name).stat().st_mode & 0o777 == 0o600


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    load_keys(tmp_path)
    (tmp_path / SEAL_FILE).chmod(0o644)
    with pytest.raises(SettingsError) as raised:
        load_keys(tmp_path)
    assert raised.value.hint.startswith("chmod 600")


def test_a_damaged_key_is_refused_and_not_replaced(tmp_path: Path) -> None:
    load_keys(tmp_path)
    (tmp_path / LOG_FILE).write_text("nothing")
    with pytest.raises(SettingsError, match=r"log\.pem"):
        load_keys(tmp_path)
    assert (tmp_path / LOG_FILE).read_text() == "nothing"


@pytest.mark.parametrize(
    "broker",
    [
        BrokerSettings(certificate_file=Path("client.pem")),
        BrokerSettings(ca_file=Path("/no/such/ca.pem")),
    ],
)
async def test_certificates_that_cannot_be_used_are_refused(broker: BrokerSettings) -> None:
    with pytest.raises(SettingsError, match=r"broker|certificates"):
        BrokerLink(broker, IntakeSettings())
