"""Settings of the aggregator: one TOML file, each key of which the environment may override.

``LOTPROOF_AGGREGATOR_STORE__URL=postgresql://...`` overrides ``url`` in the table ``[store]``.
"""

from __future__ import annotations

import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from aggregator.errors import SettingsError


def _expanded(path: Path) -> Path:
    return path.expanduser()


def _shipped(folder: str) -> Path:
    """Return a folder of data that comes along: in the wheel it lies here, else in `config`."""
    inside = Path(__file__).parent / "config" / folder
    return inside if inside.is_dir() else Path(__file__).parents[1] / "config" / folder


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("is no time zone of the IANA data base")
    return name


class SecondPerson(StrEnum):
    """Sorts of acts that can be made to take a second person."""

    ACCESS = "access"  # accounts, roles, tokens
    EXCHANGE = "exchange"  # another system takes confidential records
    EXPORT = "export"  # a person takes a confidential record


UserPath = Annotated[Path, AfterValidator(_expanded)]


class Mqtt(StrEnum):
    """Versions of MQTT."""

    AUTO = "auto"  # 5, and 3.1.1 where the broker has no 5
    V5 = "5"
    V311 = "3.1.1"


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StoreSettings(_Table):
    """Where evidence, master data and records are kept."""

    url: SecretStr = Field(
        default=SecretStr("sqlite:///var/lotproof/aggregator.db"),
        description="`sqlite:///<path>` (four slashes for an absolute one) or `postgresql://...`",
    )
    readers: int = Field(default=2, ge=1, le=64, description="connections that only read")
    timeout_seconds: float = Field(
        default=10.0, gt=0, description="longest wait for the store, for one statement or a lock"
    )


class BrokerSettings(_Table):
    """How to reach the MQTT broker."""

    host: str = Field(default="127.0.0.1", description="host name or address")
    port: int = Field(default=8883, ge=1, le=65535, description="port; 8883 is MQTT over TLS")
    version: Mqtt = Field(default=Mqtt.AUTO, description="version of MQTT to speak")
    client_id: str = Field(
        default="lotproof-aggregator",
        min_length=1,
        description="name of the session; stable, and different for each worker",
    )
    ca_file: UserPath | None = Field(
        default=None, description="PEM file of the CA that the broker's certificate is checked by"
    )
    certificate_file: UserPath | None = Field(
        default=None, description="PEM file of our client certificate"
    )
    key_file: UserPath | None = Field(
        default=None, description="PEM file of our client certificate's private key"
    )
    gateways: str = Field(
        default="+", description="gateways whose messages are taken: one id, or `+` for all"
    )
    share: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9_-]*$",
        description="name of a shared subscription, where several workers divide the messages",
    )
    keepalive_seconds: int = Field(
        default=30, ge=5, le=3600, description="longest silence before a ping"
    )
    connect_timeout_seconds: float = Field(
        default=10.0, gt=0, description="longest wait for the broker's answer"
    )
    retry_seconds_max: int = Field(
        default=30, ge=1, le=3600, description="longest wait between two attempts to connect"
    )
    inflight_max: int = Field(
        default=1024,
        ge=1,
        le=65535,
        description="messages taken and not yet acknowledged; the broker keeps the others",
    )


class IntakeSettings(_Table):
    """How messages become evidence."""

    group_messages_max: int = Field(
        default=256, ge=1, le=10_000, description="messages committed in one transaction"
    )
    group_bytes_max: int = Field(
        default=16_777_216, ge=1_048_576, description="bytes of messages in one transaction"
    )
    quarantine_bytes_max: int = Field(
        default=1_073_741_824,
        ge=0,
        description="bytes of refused messages kept; beyond it only what was wrong is kept",
    )
    retry_seconds: float = Field(
        default=1.0, gt=0, description="wait before a group is tried again when the store failed"
    )


class LogSettings(_Table):
    """The transparency log."""

    origin: str = Field(
        default="lotproof.local/plant",
        pattern=r"^[^\s+]+$",
        description="name of the log and of its key, as verifiers know it; never changed",
    )
    checkpoint_seconds: float = Field(
        default=10.0, gt=0, description="longest wait from a new leaf to a checkpoint over it"
    )


class SegmentSettings(_Table):
    """The index over the bundles."""

    build_seconds: float = Field(
        default=10.0, gt=0, description="wait between two looks for bundles to be indexed"
    )
    bundles_min: int = Field(
        default=60, ge=1, description="new bundles of an epoch that are worth a segment"
    )
    span_seconds: int = Field(
        default=3600, ge=60, description="time that a finished segment covers, about"
    )


class RecordSettings(_Table):
    """Making batch records."""

    processes: int = Field(
        default=2,
        ge=0,
        le=64,
        description="processes that verify the seals of a long lot; 0: none but the aggregator's",
    )
    timeout_seconds: float = Field(
        default=60.0,
        gt=0,
        description="longest wait for such a process over a thousand bundles; then it is ended",
    )
    rebind_seconds: float = Field(
        default=0.05, gt=0, description="wait between two looks for what has come about any lot"
    )
    idle_seconds: float = Field(
        default=3600.0,
        gt=0,
        description="proved idleness after which the end of a job that nobody ended is proposed",
    )
    assemble_seconds: float = Field(
        default=60.0,
        gt=0,
        description="wait before a record that was overtaken is assembled again",
    )


class AccessSettings(_Table):
    """Accounts of persons and their signatures."""

    failures_max: int = Field(
        default=5, ge=1, le=100, description="failures in a row that lock an account"
    )
    lock_seconds: int = Field(
        default=60, ge=1, description="first lock; it doubles with every further failure"
    )
    lock_seconds_max: int = Field(default=3600, ge=1, description="longest lock")
    series_pause_seconds: int = Field(
        default=900,
        ge=1,
        description="longest pause between two signings of one series; after it both components "
        "are asked for again",
    )
    second_person: tuple[SecondPerson, ...] = Field(
        default=tuple(SecondPerson),
        description="sorts of acts that one person asks for and another approves",
    )
    approval_seconds: int = Field(
        default=259_200,
        ge=60,
        description="how long a request waits for the second person, and an approved export for "
        "being taken",
    )
    time_zone: Annotated[str, AfterValidator(_known_zone)] = Field(
        default="UTC", description="zone in which signatures are printed, like `Asia/Shanghai`"
    )


class EventSettings(_Table):
    """What other systems are told, and how it is delivered."""

    deliver: bool = Field(
        default=True,
        description="deliver events from here; of several workers on one store, one does",
    )
    mqtt: bool = Field(
        default=False, description="publish every event at the broker, `lotproof/v1/events/<type>`"
    )
    poll_seconds: float = Field(
        default=0.5, gt=0, le=60, description="wait between two looks for new events"
    )
    timeout_seconds: float = Field(
        default=10.0, gt=0, description="longest wait for a receiver's answer, or the broker's"
    )
    attempts_max: int = Field(
        default=12, ge=1, le=100, description="attempts before an event becomes a dead letter"
    )
    retry_seconds: float = Field(
        default=5.0, gt=0, description="first wait before an event is sent again; it doubles"
    )
    retry_seconds_max: float = Field(default=3600.0, gt=0, description="longest such wait")
    networks: tuple[str, ...] = Field(
        default=(),
        description="networks that receivers may be in, like `10.0.0.0/8`; none given: any but "
        "link-local ones",
    )
    ca_file: UserPath | None = Field(
        default=None,
        description="PEM file of the CA of receivers; without it: those that the system trusts",
    )
    retention_days: int = Field(
        default=90, ge=1, description="days that a delivered event is kept, for who reads late"
    )
    streams_max: int = Field(
        default=32, ge=1, le=1000, description="streams of events that are open at a time"
    )
    heartbeat_seconds: float = Field(
        default=15.0, gt=0, description="longest silence on a stream of events"
    )


class ImportSettings(_Table):
    """What is taken from other systems."""

    adapters_folder: UserPath | None = Field(
        default=None,
        description="folder of mapping documents, one TOML file for each foreign form; without it: "
        "those that come along",
    )
    items_max: int = Field(
        default=10_000, ge=1, le=1_000_000, description="items of one import, at most"
    )
    bytes_max: int = Field(default=16_777_216, ge=1024, description="bytes of one import, at most")
    answer_hours: int = Field(
        default=24, ge=1, description="hours that an answer is kept for its Idempotency-Key"
    )
    answer_bytes_max: int = Field(
        default=4_194_304, ge=1024, description="bytes of an answer that is kept"
    )

    @property
    def adapters(self) -> Path:
        """Folder of mapping documents."""
        return self.adapters_folder or _shipped("adapters")


class MasterKind(StrEnum):
    """Kinds of master data that can be made to take a second person."""

    EQUIPMENT = "equipment"
    SIGNAL = "signal"
    PHYSICAL_ASSET = "physical_asset"
    INSTALLATION = "installation"
    CALIBRATION = "calibration"
    MATERIAL = "material"
    RECIPE = "recipe"
    LIMIT = "limit"
    QUALIFICATION = "qualification"


class MasterSettings(_Table):
    """Master data."""

    approval: tuple[MasterKind, ...] = Field(
        default=(MasterKind.RECIPE, MasterKind.LIMIT),
        description="kinds of which a new version waits until another person approves it",
    )
    dictionary_folder: UserPath | None = Field(
        default=None,
        description="folder of the data dictionary, a TOML file for each kind of document; without "
        "it: the one that comes along",
    )

    @property
    def dictionary(self) -> Path:
        """Folder of the data dictionary."""
        return self.dictionary_folder or _shipped("dictionary")


class ApiSettings(_Table):
    """The interface for programs and people."""

    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=8080, ge=0, le=65535, description="port; 0 takes a free one")
    certificate_file: UserPath | None = Field(
        default=None, description="PEM file of the server certificate; without it: plain HTTP"
    )
    key_file: UserPath | None = Field(
        default=None, description="PEM file of the server certificate's private key"
    )


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
