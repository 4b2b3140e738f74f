"""Acts that take a second person, each as the document that is asked for, shown and approved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)

from aggregator.access.roles import Act, Role
from aggregator.access.tokens import TokenKind
from aggregator.errors import InvalidError
from aggregator.model.integration.event import EventType
from protocols.wire.dossier.file import canonical_json

Form = Literal[
    "json",
    "pdf",
    "dossier",
    "dossier-own",
    "csv",
    "exceptions.csv",
    "values.csv",
    "parquet",
    "epcis",
    "batchml",
]
"""Forms in which a record leaves, as the audit trail names them."""


def _in_order(roles: tuple[Role, ...]) -> tuple[Role, ...]:
    return tuple(sorted(set(roles)))


Roles = Annotated[tuple[Role, ...], Field(min_length=1), AfterValidator(_in_order)]
Gateway = Annotated[str, Field(min_length=1, max_length=64)]
User = Annotated[str, Field(max_length=64)]


class _Sensitive(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    @property
    def holder(self) -> str:
        """Return who does it once it is approved; empty where it is done at once."""
        return ""


class ExportRecord(_Sensitive):
    """A person takes one version of a confidential record out in one form, once."""

    kind: Literal["export_record"]
    gtin: str
    lot: str
    record: Annotated[str, Field(pattern="^[0-9a-f]{64}$", description="Hash of the version.")]
    form: Form


class OpenExchange(_Sensitive):
    """Another system takes the confidential records of a product, until a time."""

    kind: Literal["open_exchange"]
    system: Annotated[str, Field(description="Name of its service token.")]
    gtin: str
    forms: Annotated[tuple[Form, ...], Field(min_length=1)]
    until: Annotated[int, Field(ge=0, description="Nanoseconds since the Unix epoch.")]

    @property
    def holder(self) -> str:
        """Return the system."""
        return self.system


class AddReceiver(_Sensitive):
    """Another system is told of events from now on."""

    kind: Literal["add_receiver"]
    name: Annotated[str, Field(min_length=1, max_length=100)]
    url: Annotated[str, Field(max_length=2000)]
    types: Annotated[tuple[EventType, ...], Field(description="Types of events; none: all.")] = ()


class ApplySettings(_Sensitive):
    """Gateways take settings that were offered to them, those first that go first."""

    kind: Literal["apply_settings"]
    rollout: Annotated[str, Field(pattern="^[0-9a-f]{16}$")]
    document: Annotated[str, Field(pattern="^[0-9a-f]{64}$", description="Hash of the settings.")]
    gateways: Annotated[tuple[str, ...], Field(min_length=1)]
    canary: Annotated[tuple[str, ...], Field(description="Those that go first.")] = ()


class AddKey(_Sensitive):
    """A further key opens what a gateway seals."""

    kind: Literal["add_key"]
    gateway: Gateway
    key: Annotated[str, Field(max_length=200, description="ED25519:<hex> or ESP256:<hex>")]


class RevokeKey(_Sensitive):
    """A key of a gateway opens nothing from now on."""

    kind: Literal["revoke_key"]
    gateway: Gateway
    kid: Annotated[str, Field(pattern="^[0-9a-f]{16}$", description="Id of the key.")]


class ApproveEpoch(_Sensitive):
    """Somebody vouches for the newest epoch of a gateway, which is this one."""

    kind: Literal["approve_epoch"]
    gateway: Gateway
    epoch: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]


class CreateAccount(_Sensitive):
    """A new account."""

    kind: Literal["create_account"]
    user: User
    printed_name: Annotated[str, Field(max_length=100)]
    roles: Roles


class ResetAccount(_Sensitive):
    """An account gets a new password and second factor; its sessions end."""

    kind: Literal["reset_account"]
    user: User


class EndAccount(_Sensitive):
    """An account ends for good."""

    kind: Literal["end_account"]
    user: User


class UnlockAccount(_Sensitive):
    """A lock is taken off an account."""

    kind: Literal["unlock_account"]
    user: User


class SetRoles(_Sensitive):
    """An account gets other roles; its sessions end."""

    kind: Literal["set_roles"]
    user: User
    roles: Roles


class GiveToken(_Sensitive):
    """A service gets a token, or a person a link that opens the console once."""

    kind: Literal["give_token"]
    name: User
    roles: Roles
    token_kind: Literal[TokenKind.SERVICE, TokenKind.LOGIN] = TokenKind.SERVICE


Sensitive = Annotated[
    ExportRecord
    | OpenExchange
    | AddReceiver
    | CreateAccount
    | ResetAccount
    | EndAccount
    | UnlockAccount
    | SetRoles
    | GiveToken
    | ApplySettings
    | AddKey
    | RevokeKey
    | ApproveEpoch,
    Field(discriminator="kind"),
]
PARSE: Final[TypeAdapter[Sensitive]] = TypeAdapter(Sensitive)


def parse_act(said: Mapping[str, object]) -> Sensitive:
    """Return the act that a form asks for; InvalidError that names every field that is wrong."""
    try:
        return PARSE.validate_python(said)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'][1:]))}: {fault['msg']}" for fault in error.errors()
        )
        raise InvalidError(f"that cannot be asked for: {faults}") from None


def asks(act: Sensitive) -> Act:
    """Return what the first person must be allowed to do."""
    match act:
        case ExportRecord():
            return Act.EXPORT_RECORD
        case OpenExchange():
            return Act.APPROVE_EXPORT
        case AddReceiver():
            return Act.MANAGE_RECEIVERS
        case ApplySettings() | AddKey() | RevokeKey() | ApproveEpoch():
            return Act.MANAGE_GATEWAYS
        case _:
            return Act.MANAGE_ACCESS


def decides(act: Sensitive) -> Act:
    """Return what the second person must be allowed to do."""
    if isinstance(act, _GATEWAYS):
        return Act.MANAGE_GATEWAYS
    return Act.APPROVE_EXPORT if isinstance(act, _OUT) else Act.APPROVE_ACCESS


def document_of(act: Sensitive) -> str:
    """Return an act in its one form: canonical JSON."""
    return canonical_json(act.model_dump(mode="json")).decode()


_GATEWAYS: Final = (ApplySettings, AddKey, RevokeKey, ApproveEpoch)
_OUT: Final = (ExportRecord, OpenExchange, AddReceiver)
