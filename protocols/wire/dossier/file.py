"""A dossier: one file that proves a batch record offline (docs/specs/dossier.md).

    manifest.cbor                      the aggregator's sealed statement of what is here, complete
    record.json                        the batch record, canonical JSON
    series/<name>.cbor                 the readings that the record rests on (series.py)
    bundles/<gateway>/<epoch>.cbor     the bundles of a chain, with one more on each side
    log.cbor                           where each bundle stands in the log, and its inclusion path
    checkpoint.txt                     the log's signed head that the paths lead to
    audit.json                         extract of the audit trail
    attachments/<name>                 whatever else belongs to it: the printed record, approvals

A bundle is held whole, or as its sealed header with the columns of this lot disclosed: then the
readings of other lots on the same gateway stay where they are. Nothing read here is believed: the
verifier's checks say what holds, under keys that its own policy names.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from protocols.wire.dossier.archive import read_archive, write_archive
from protocols.wire.dossier.holding import (
    Held,
    Place,
    decode_chain,
    decode_paths,
    encode_chain,
    encode_paths,
)
from protocols.wire.dossier.manifest import (
    PURPOSE,
    ChainStatement,
    Manifest,
    Statement,
    decode_manifest,
    encode_manifest,
)
from protocols.wire.errors import MalformedError
from protocols.wire.seal import SealKey, peek, seal

MANIFEST: Final = "manifest.cbor"
RECORD: Final = "record.json"
PATHS: Final = "log.cbor"
CHECKPOINT: Final = "checkpoint.txt"
AUDIT: Final = "audit.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """Everything that a dossier holds besides its seal."""

    statement: Statement
    chains: tuple[tuple[Held, ...], ...]  # one a ChainStatement: its ``numbers``, in their order
    places: tuple[Place, ...]  # one a held bundle, in the order of ``chains``
    checkpoint: bytes  # signed note
    record: bytes  # canonical JSON
    audit: bytes  # JSON
    series: Mapping[str, bytes]  # name without folder -> series; names sort as written
    attachments: Mapping[str, bytes] = field(default_factory=dict)


class ReadDossier(NamedTuple):
    """A dossier taken apart; nothing in it is proved yet."""

    dossier: Dossier
    sealed_manifest: bytes
    named: Mapping[str, bytes]  # member -> SHA-256 as the manifest has it
    members: Mapping[str, bytes]  # member -> bytes as they are, the manifest not among them


def write_dossier(dossier: Dossier, key: SealKey) -> bytes:
    """Seal and pack a dossier; the same input and an Ed25519 key give the same bytes.

    Raises MalformedError where chains, bundles and places do not go together, LimitError when it
    is too large.
    """
    _check_shape(dossier)
    members = {
        RECORD: dossier.record,
        PATHS: encode_paths(dossier.places),
        CHECKPOINT: dossier.checkpoint,
        AUDIT: dossier.audit,
    }
    for chain, held in zip(dossier.statement.chains, dossier.chains, strict=True):
        members[chain_member(chain)] = encode_chain(held)
    members |= {series_member(name): data for name, data in dossier.series.items()}
    members |= {f"{_ATTACHMENTS}{name}": data for name, data in dossier.attachments.items()}
    hashes = {name: hashlib.sha256(data).digest() for name, data in members.items()}
    manifest = encode_manifest(Manifest(statement=dossier.statement, members=hashes))
    return write_archive({**members, MANIFEST: seal(manifest, key, PURPOSE)})


def read_dossier(data: bytes) -> ReadDossier:
    """Take a dossier apart without believing it; MalformedError or LimitError if it is none."""
    members = read_archive(data)
    sealed_manifest = members.pop(MANIFEST, None)
    if sealed_manifest is None:
        raise MalformedError(f"the dossier has no {MANIFEST}")
    manifest = decode_manifest(peek(sealed_manifest).payload)
    left = dict(members)
    dossier = Dossier(
        statement=manifest.statement,
        chains=tuple(
            decode_chain(_take(left, chain_member(chain))) for chain in manifest.statement.chains
        ),
        places=decode_paths(_take(left, PATHS)),
        checkpoint=_take(left, CHECKPOINT),
        record=_take(left, RECORD),
        audit=_take(left, AUDIT),
        series=_take_folder(left, _SERIES, suffix=".cbor"),
        attachments=_take_folder(left, _ATTACHMENTS, suffix=""),
    )
    if left:
        raise MalformedError(f"the dossier holds {min(left)}, which no dossier has")
    _check_shape(dossier)
    return ReadDossier(dossier, sealed_manifest, manifest.members, members)


def chain_member(chain: ChainStatement) -> str:
    """Return the name of the member that holds the bundles of ``chain``."""
    return f"bundles/{chain.gateway}/{chain.epoch.hex()}.cbor"


def series_member(name: str) -> str:
    """Return the name of the member that holds the series ``name``."""
    return f"{_SERIES}{name}.cbor"


def canonical_json(value: object) -> bytes:
    """Return ``value`` as JSON in one form: sorted keys, no white space, UTF-8.

    Raises MalformedError for NaN, infinity or what JSON has no place for.
    """
    try:
        text = json.dumps(
            value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )
        return text.encode()
    except (TypeError, ValueError) as error:
        raise MalformedError(f"this does not go into JSON: {error}") from None


def canonical_object(members: Mapping[str, bytes]) -> bytes:
    """Return an object as ``canonical_json`` does, whose members' values it gave before."""
    parts = (canonical_json(name) + b":" + members[name] for name in sorted(members))
    return b"{" + b",".join(parts) + b"}"


_SERIES: Final = "series/"
_ATTACHMENTS: Final = "attachments/"


def _take(members: dict[str, bytes], name: str) -> bytes:
    if name not in members:
        raise MalformedError(f"the dossier has no {name}")
    return members.pop(name)


def _take_folder(members: dict[str, bytes], folder: str, *, suffix: str) -> dict[str, bytes]:
    names = [name for name in members if name.startswith(folder) and name.endswith(suffix)]
    return {name.removeprefix(folder).removesuffix(suffix): members.pop(name) for name in names}


def _check_shape(dossier: Dossier) -> None:
    """Refuse chains, bundles and places that do not go together."""
    statements = dossier.statement.chains
    if len(statements) != len(dossier.chains):
        raise MalformedError("the dossier holds another number of chains than it states")
    for chain, held in zip(statements, dossier.chains, strict=True):
        expected = chain.held_last - chain.held_first + 1 + len(chain.anchors)
        if len(held) != expected:  # reckoned, not counted up: the numbers may be anything
            raise MalformedError(
                f"the chain of {chain.gateway} holds {len(held)} bundles, "
                f"not those from {chain.held_first} to {chain.held_last}"
            )
    if len(dossier.places) != sum(map(len, dossier.chains)):
        raise MalformedError("the dossier has not one inclusion path a bundle")
