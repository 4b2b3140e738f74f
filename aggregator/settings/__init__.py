"""Settings of the aggregator: one TOML file, each key of which the environment may override.

``LOTPROOF_AGGREGATOR_STORE__URL=postgresql://...`` overrides ``url`` in the table ``[store]``.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from aggregator.errors import SettingsError
from aggregator.settings.enrolment import EnrolmentSettings
from aggregator.settings.exchange import EventSettings, ImportSettings
from aggregator.settings.persons import AccessSettings, ApiSettings, SecondPerson
from aggregator.settings.records import MasterKind, MasterSettings, RecordSettings
from aggregator.settings.table import UserPath
from aggregator.settings.taking import (
    BrokerSettings,
    IntakeSettings,
    LogSettings,
    Mqtt,
    SegmentSettings,
    StoreSettings,
)

__all__ = [
    "AccessSettings",
    "ApiSettings",
    "BrokerSettings",
    "EnrolmentSettings",
    "EventSettings",
    "ImportSettings",
    "IntakeSettings",
    "LogSettings",
    "MasterKind",
    "MasterSettings",
    "Mqtt",
    "RecordSettings",
    "SecondPerson",
    "SegmentSettings",
    "Settings",
    "StoreSettings",
    "load_settings",
]


class Settings(BaseSettings):
    """All settings of the aggregator."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix="LOTPROOF_AGGREGATOR_",
        env_nested_delimiter="__",
    )

    keys_folder: UserPath = Field(
        default=Path("var/lotproof/keys"),
        description="folder of the aggregator's private keys; made at the first start, mode 0700",
    )
    store: StoreSettings = StoreSettings()
    broker: BrokerSettings = BrokerSettings()
    intake: IntakeSettings = IntakeSettings()
    log: LogSettings = LogSettings()
    segments: SegmentSettings = SegmentSettings()
    records: RecordSettings = RecordSettings()
    access: AccessSettings = AccessSettings()
    enrolment: EnrolmentSettings = EnrolmentSettings()
    events: EventSettings = EventSettings()
    imports: ImportSettings = ImportSettings()
    master: MasterSettings = MasterSettings()
    api: ApiSettings = ApiSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 # the signature is the library's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 # files of secrets are not read
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 # nor folders of them
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment override what the file says."""
        return env_settings, init_settings


def load_settings(path: Path | None) -> Settings:
    """Return the settings of the TOML file ``path`` (None: the defaults) and the environment.

    Raises SettingsError that names the file, the key and what it should be.
    """
    given: dict[str, Any] = {}
    if path is not None:
        try:
            given = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise SettingsError(
                f"the settings file {path} cannot be read: {error.strerror}",
                hint="name another with --settings",
            ) from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(f"{path} is not TOML: {error}") from None
    try:
        return Settings(**given)
    except ValidationError as error:
        raise SettingsError(
            "\n".join(_sentences(path, error)),
            hint="docs/reference/settings-aggregator.md lists every key",
        ) from None


def _sentences(path: Path | None, error: ValidationError) -> list[str]:
    where = "the settings" if path is None else str(path)
    found = []
    for fault in error.errors(include_url=False, include_input=False):
        key = ".".join(str(part) for part in fault["loc"])
        known = "is not a setting" if fault["type"] == "extra_forbidden" else fault["msg"]
        found.append(f"{where}: {key}: {known}")
    return found
