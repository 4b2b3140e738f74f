"""Check 16: the electronic signatures that go with the record (21 CFR 11.50 and 11.70)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from protocols.wire.checkpoint import Checkpoint
from protocols.wire.dossier.file import Dossier
from protocols.wire.dossier.instant import parse_time
from protocols.wire.errors import WireError
from protocols.wire.tlog import leaf_hash, verify_inclusion
from verifier.document import array, read_json, saying, text
from verifier.errors import RecordError
from verifier.report import Check, conclude

ATTACHMENT: Final = "signatures.json"


def check_signatures(dossier: Dossier, checkpoint: Checkpoint | None) -> Check:
    """Hold each signature against the record that is here, and against the log.

    A signature that was taken from another record, or altered, or made after the checkpoint, does
    not hold; nor does one on a record that was changed since. What was signed of earlier versions
    of the record stands apart.
    """
    data = dossier.attachments.get(ATTACHMENT)
    if data is None:
        return conclude(16, "no signatures")
    try:
        signed = _read(data)
    except RecordError as error:
        return conclude(16, "", failed=[str(error)])
    needed = ["it takes a checkpoint that the log signed (check 4)"]
    return conclude(
        16,
        f"{len(signed.here)} signatures, {len(signed.earlier)} of earlier versions",
        failed=[
            *_misplaced(signed, dossier),
            *(_unlogged(signed, checkpoint) if checkpoint is not None else ()),
        ],
        undecided=needed if checkpoint is None and (signed.here or signed.earlier) else (),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signature:
    """What is checked of one signature."""

    name: str  # for findings
    signed: bytes
    gtin: str
    lot: str
    version: int
    hash: str  # of the record's bytes, hexadecimal
    leaf: int
    path: tuple[bytes, ...]


class _Signed(NamedTuple):
    """What was signed of this version of the record, and of those before it."""

    log_size: int
    here: list[_Signature]
    earlier: list[_Signature]


def _misplaced(signed: _Signed, dossier: Dossier) -> Iterator[str]:
    said, own = dossier.statement, hashlib.sha256(dossier.record).hexdigest()
    first = min((each.version for each in signed.here), default=None)
    for each in [*signed.here, *signed.earlier]:
        if (each.gtin, each.lot) != (said.gtin, said.lot):
            yield f"{each.name} is about lot {each.lot!r} of {each.gtin!r}"
    for each in signed.here:
        if each.hash != own:
            yield f"{each.name} is about another record than this one"
        elif each.version != first:
            yield f"{each.name} is about version {each.version}, another about version {first}"
    for each in signed.earlier:
        if each.hash == own or (first is not None and each.version >= first):
            yield f"{each.name} is about version {each.version}, which is no earlier one"


def _unlogged(signed: _Signed, checkpoint: Checkpoint) -> Iterator[str]:
    if signed.log_size != checkpoint.size:
        yield f"the paths are of a log of {signed.log_size} leaves, not of {checkpoint.size}"
    for each in [*signed.here, *signed.earlier]:
        leaf = leaf_hash(each.signed)
        try:
            verify_inclusion(leaf, each.leaf, checkpoint.size, each.path, checkpoint.root)
        except WireError as error:
            yield f"{each.name} is not in the log: {error}"


_ALL_FORMAT: Final = "lotproof-signatures-v1"
_ONE_FORMAT: Final = "lotproof-signature-v1"
_HASH: Final = re.compile("[0-9a-f]{64}")


def _read(data: bytes) -> _Signed:
    said = read_json(data, ATTACHMENT)
    with saying(ATTACHMENT):
        _is_format(said, _ALL_FORMAT)
        return _Signed(
            _whole(said["log_size"]), _signatures(said, "signatures"), _signatures(said, "earlier")
        )


def _signatures(said: dict[str, Any], name: str) -> list[_Signature]:
    found = array(said[name])
    return [_signature(f"{name}[{at}]", each) for at, each in enumerate(found)]


def _signature(place: str, item: dict[str, Any]) -> _Signature:
    signed = text(item["signed"]).encode()
    said = read_json(signed, place)
    _is_format(said, _ONE_FORMAT)
    for field in ("signer", "printed_name", "meaning", "reason"):
        if not text(said[field]):
            raise RecordError(f"{place} has no {field}")
    parse_time(text(said["time"]))
    record = said["record"]
    return _Signature(
        name=f"{place}, {said['meaning']!r} by {said['printed_name']!r},",
        signed=signed,
        gtin=text(record["gtin"]),
        lot=text(record["lot"]),
        version=_whole(record["version"]),
        hash=_hash(record["hash"]),
        leaf=_whole(item["leaf"]),
        path=tuple(bytes.fromhex(_hash(step)) for step in array(item["path"])),
    )


def _is_format(said: dict[str, Any], wanted: str) -> None:
    if text(said["format"]) != wanted:
        raise RecordError(f"{said['format']!r} is not {wanted}")


def _whole(value: object) -> int:
    if type(value) is not int or value < 0:
        raise RecordError(f"{value!r} stands where a count belongs")
    return value


def _hash(value: object) -> str:
    if not _HASH.fullmatch(text(value)):
        raise RecordError(f"{value!r} stands where a hash belongs")
    return text(value)
