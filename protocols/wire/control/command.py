"""A command: settings that the aggregator sends a gateway, sealed, with a version that only rises.

It names no code, no shell and no free address, and never a path or a key of the gateway.
``protocols.settings`` says what the document may hold, docs/specs/settings.md how it is taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from protocols.wire import cbor
from protocols.wire.errors import LimitError, MalformedError
from protocols.wire.header import GatewayId, check_gateway_id
from protocols.wire.limits import DOCUMENT_BYTES_MAX, TEXT_BYTES_MAX
from protocols.wire.reading import Nanoseconds
from protocols.wire.seal import PublicKey, Purpose, SealKey, open_seal, seal

PURPOSE: Final = Purpose("application/lotproof-command+cbor", b"lotproof-command-v1")
TRIAL_SECONDS_MAX: Final = 3600


class CommandKind(IntEnum):
    """What the gateway shall do with the document."""

    CHECK = 0  # say whether it could be taken; nothing changes
    APPLY = 1  # take it, watch the sources, and go back by itself where they do not come up


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsCommand:
    """A document of settings for one gateway."""

    gateway: GatewayId
    version: int  # from 1; of two documents the later has the greater
    kind: CommandKind
    document: str  # canonical JSON
    record_time: Nanoseconds  # when it was sealed, by the aggregator's clock
    trial_seconds: int  # how long sources that ran before may take to come up
    persons: tuple[str, ...]  # who asked for it and who approved; two where it is applied


def seal_command(command: SettingsCommand, key: SealKey) -> bytes:
    """Return the command under the aggregator's seal; LimitError for too large a document."""
    if len(command.document.encode()) > DOCUMENT_BYTES_MAX:
        raise LimitError(f"a document of settings is over {DOCUMENT_BYTES_MAX} bytes")
    fields: dict[int, cbor.Item] = {
        1: command.gateway,
        2: command.version,
        3: int(command.kind),
        4: command.document,
        5: command.record_time,
        6: command.trial_seconds,
        7: list(command.persons),
    }
    return seal(cbor.encode(fields), key, PURPOSE)


def open_command(data: bytes, key: PublicKey) -> SettingsCommand:
    """Return the command if ``key`` sealed it; SealError or MalformedError if not.

    One that is to be applied names two persons, or it is malformed: nobody re-configures alone.
    """
    match cbor.decode(open_seal(data, key, PURPOSE), items_max=64, booleans=False):
        case {
            1: str(gateway),
            2: int(version),
            3: (0 | 1) as kind,
            4: str(document),
            5: int(record_time),
            6: int(trial_seconds),
            7: list(persons),
            **rest,
        } if (
            not rest
            and 0 < version < 2**63
            and record_time >= 0
            and 0 < trial_seconds <= TRIAL_SECONDS_MAX
            and len(document.encode()) <= DOCUMENT_BYTES_MAX
        ):
            names = [each for each in persons if isinstance(each, str)]
            wanted = 2 if kind else 0
            if len(names) == len(persons) == len(set(names)) >= wanted and all(
                0 < len(each.encode()) <= TEXT_BYTES_MAX for each in names
            ):
                return SettingsCommand(
                    gateway=check_gateway_id(gateway),
                    version=version,
                    kind=CommandKind(kind),
                    document=document,
                    record_time=record_time,
                    trial_seconds=trial_seconds,
                    persons=tuple(names),
                )
    raise MalformedError("a command has not exactly its fields")
