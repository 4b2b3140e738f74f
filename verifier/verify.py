"""The verification of a dossier: sixteen checks, numbered as in docs/specs/dossier.md."""

from __future__ import annotations

import hashlib

from protocols.wire.checkpoint import Checkpoint, open_checkpoint
from protocols.wire.dossier.archive import write_archive
from protocols.wire.dossier.file import MANIFEST, ReadDossier, read_dossier
from protocols.wire.dossier.manifest import PURPOSE
from protocols.wire.errors import WireError
from protocols.wire.seal import open_sealed, peek
from verifier.bundles import check_bundles, open_bundles
from verifier.chains import check_chains
from verifier.policy import Policy
from verifier.readings import check_readings
from verifier.report import Check, Report, conclude
from verifier.signatures import check_signatures
from verifier.texts import TITLES


def verify(data: bytes, policy: Policy) -> Report:
    """Verify the bytes of a dossier under the keys of ``policy``.

    Nothing in ``data`` raises: what is wrong with it becomes a finding.
    """
    try:
        read = read_dossier(data)
    except WireError as error:
        needed = ["it takes a dossier that can be read (check 1)"]
        rest = (conclude(number, "", undecided=needed) for number in TITLES if number > 1)
        return Report(
            subject=f"{len(data)} bytes that cannot be read as a dossier",
            checks=(conclude(1, "", failed=[str(error)]), *rest),
        )
    chains = open_bundles(read.dossier, policy)
    log_check, checkpoint = _check_checkpoint(read.dossier.checkpoint, policy)
    readings = check_readings(read.dossier, chains)
    checks = [
        _check_form(data, read),
        _check_manifest(read, policy),
        _check_members(read),
        log_check,
        *check_bundles(chains, policy),
        *check_chains(chains, read.dossier.statement.window, checkpoint),
        *readings.checks,
        check_signatures(read.dossier, checkpoint),
    ]
    return Report(subject=_subject(read), checks=tuple(checks), altered=readings.altered)


def _subject(read: ReadDossier) -> str:
    said = read.dossier.statement
    bundles = sum(map(len, read.dossier.chains))
    return f"lot {said.lot} of {said.gtin}: {bundles} bundles, chains: {len(said.chains)}"


def _check_form(data: bytes, read: ReadDossier) -> Check:
    again = write_archive({**read.members, MANIFEST: read.sealed_manifest})
    differs = ["the file is not what a writer makes of its members: bytes between them differ"]
    evidence = f"{len(read.members) + 1} members, {len(data)} bytes"
    return conclude(1, evidence, failed=[] if again == data else differs)


def _check_manifest(read: ReadDossier, policy: Policy) -> Check:
    sealed = peek(read.sealed_manifest)  # it was taken apart before, so this cannot fail
    key = next((key for key in policy.aggregator if key.kid == sealed.kid), None)
    evidence = f"kid {sealed.kid.hex()}"
    if key is None:
        return conclude(2, evidence, failed=["the policy names no such key of the aggregator"])
    try:
        open_sealed(sealed, key, PURPOSE)
    except WireError as error:
        return conclude(2, evidence, failed=[str(error)])
    return conclude(2, evidence)


def _check_members(read: ReadDossier) -> Check:
    failed = [
        f"{name} is not held and named alike"
        for name in sorted(read.members.keys() | read.named.keys())
        if name not in read.members
        or hashlib.sha256(read.members[name]).digest() != read.named.get(name)
    ]
    return conclude(3, f"{len(read.named)} members", failed=failed)


def _check_checkpoint(note: bytes, policy: Policy) -> tuple[Check, Checkpoint | None]:
    try:
        opened = open_checkpoint(note, policy.log, policy.witnesses)
    except WireError as error:
        return conclude(4, "", failed=[str(error)]), None
    size = opened.checkpoint.size
    evidence = f"{policy.log.name} at {size} leaves, {len(opened.witnesses)} witnesses"
    if len(opened.witnesses) < policy.witnesses_required:
        missing = f"the policy requires {policy.witnesses_required} witnesses"
        return conclude(4, evidence, failed=[missing]), opened.checkpoint
    return conclude(4, evidence), opened.checkpoint
