"""Checks 5 to 8: each held bundle under its key, from the seal to its columns."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from protocols.wire.bundle import check_columns, open_body, open_header, peek_header
from protocols.wire.column import Column, decode_column
from protocols.wire.dossier.file import Dossier
from protocols.wire.dossier.holding import Disclosed, Held, Place
from protocols.wire.dossier.manifest import ChainStatement, KeyRange
from protocols.wire.dossier.placement import UNPLACED_RULES, Placement, Stamp, placements
from protocols.wire.errors import MalformedError, UnknownKeyError, WireError
from protocols.wire.header import Header
from protocols.wire.reading import Nanoseconds
from protocols.wire.seal import Kid, PublicKey
from protocols.wire.tlog import leaf_hash, verify_inclusion
from verifier.policy import Policy
from verifier.report import Check, conclude


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedBundle:
    """A held bundle, and which of the checks 5 to 8 it failed."""

    chain: ChainStatement
    number: int  # the number that it is held for
    held: Held
    place: Place
    leaf: bytes  # leaf hash of its sealed header
    header: Header | None  # None where it cannot be read; believed only where ``proved``
    key: PublicKey | None
    columns: Mapping[int, Column]  # by place in the body; those that lead to the header's root
    problems: Mapping[int, str]  # number of the check -> what is wrong
    placement: Placement | None = None  # of its gateway times, where the clock was in doubt
    misplaced: bool = False  # what places it is not proved

    @property
    def anchor(self) -> bool:
        """Tell whether the bundle is held for its clock alone, away from the others."""
        return not self.chain.held_first <= self.number <= self.chain.held_last

    @property
    def proved(self) -> bool:
        """Tell whether key, seal, body and columns all held."""
        return not self.problems

    @property
    def within(self) -> bool:
        """Tell whether the bundle is of the lot's window; a bracket is not."""
        return self.chain.first <= self.number <= self.chain.last

    def time(self, gateway_time: Nanoseconds) -> Nanoseconds:
        """Return a gateway time of the bundle, placed where that has to be."""
        return gateway_time if self.placement is None else self.placement.time(gateway_time)

    def __str__(self) -> str:
        return f"bundle {self.number} of {self.chain.gateway}"


Chains = Sequence[Sequence[OpenedBundle]]
"""The opened bundles, one sequence a chain of the manifest; none is empty, anchors stand last."""


def open_bundles(dossier: Dossier, policy: Policy) -> Chains:
    """Open every held bundle as far as its proofs allow."""
    places = iter(dossier.places)
    keys = dossier.statement.keys
    chains = [
        [
            _open(
                chain=chain,
                number=number,
                held=each,
                place=next(places),
                keys=keys,
                policy=policy,
            )
            for number, each in zip(chain.numbers, held, strict=True)
        ]
        for chain, held in zip(dossier.statement.chains, dossier.chains, strict=True)
    ]
    if dossier.statement.rule in UNPLACED_RULES:
        return chains
    return [_placed(chain) for chain in chains]


def check_bundles(chains: Chains, policy: Policy) -> Iterator[Check]:
    """Yield the checks 5 to 8."""
    bundles = [bundle for chain in chains for bundle in chain]
    keys = {bundle.key for bundle in bundles}
    gateways = {bundle.chain.gateway for bundle in bundles}
    named = len(gateways & policy.gateways.keys())
    whole = sum(isinstance(bundle.held.content, bytes) for bundle in bundles)
    withheld = sum(
        bundle.held.content.total - len(bundle.held.content.columns)
        for bundle in bundles
        if isinstance(bundle.held.content, Disclosed)
    )
    private = f"; {withheld} withheld on the aggregator's word" if withheld else ""
    evidence = {
        5: f"{len(keys)} keys of {len(gateways)} gateways, {named} of them named by the policy",
        6: f"{len(bundles)} seals",
        7: f"{whole} whole bodies",
        8: f"{sum(len(bundle.columns) for bundle in bundles)} columns{private}",
    }
    for number, text in evidence.items():
        failed = [f"{each}: {each.problems[number]}" for each in bundles if number in each.problems]
        yield conclude(number, text, failed=failed)


def _placed(chain: Sequence[OpenedBundle]) -> Sequence[OpenedBundle]:
    """Place the bundles whose clock was in doubt by the others, as their headers say."""
    found = placements(
        Stamp.of(bundle.header)._replace(number=bundle.number)
        for bundle in sorted(chain, key=lambda bundle: bundle.number)
        if bundle.header is not None
    )
    misplaced = any(bundle.anchor and not bundle.proved for bundle in chain)
    return [
        replace(bundle, placement=found[bundle.number], misplaced=misplaced)
        if bundle.number in found
        else bundle
        for bundle in chain
    ]


def _open(
    *,
    chain: ChainStatement,
    number: int,
    held: Held,
    place: Place,
    keys: Iterable[KeyRange],
    policy: Policy,
) -> OpenedBundle:
    problems: dict[int, str] = {}
    header, key, columns = None, None, dict[int, Column]()
    try:
        sealed, header = peek_header(held.sealed_header)
        key = _find_key(chain, number, sealed.kid, keys, policy)
        open_header(held.sealed_header, key)
        if (header.gateway, header.epoch, header.number) != (chain.gateway, chain.epoch, number):
            problems[6] = f"its header is of {header.gateway}, bundle {header.number}"
    except UnknownKeyError as error:
        problems[5] = str(error)
    except WireError as error:
        problems[6] = str(error)
    body = held.content
    if header is None:
        problems[8] = "its header cannot be read"
    elif isinstance(body, bytes) and hashlib.sha256(body).digest() != header.body_hash:
        problems[7] = "the body is not the one that the header was sealed with"
    else:
        try:
            columns = _open_columns(header, held)
        except WireError as error:
            problems[8] = str(error)
    return OpenedBundle(
        chain=chain,
        number=number,
        held=held,
        place=place,
        leaf=leaf_hash(held.sealed_header),
        header=header,
        key=key,
        columns=columns,
        problems=problems,
    )


def _find_key(
    chain: ChainStatement, number: int, kid: Kid, keys: Iterable[KeyRange], policy: Policy
) -> PublicKey:
    """Return the key of ``kid`` that was valid for the bundle; UnknownKeyError if none was."""
    pinned = policy.gateways.get(chain.gateway)
    for each in keys:
        if (
            each.key.kid == kid
            and (each.gateway, each.epoch) == (chain.gateway, chain.epoch)
            and each.first <= number
            and (each.last is None or number <= each.last)
        ):
            if pinned is not None and each.key not in pinned:
                raise UnknownKeyError(f"the policy does not name its key {kid.hex()}")
            return each.key
    raise UnknownKeyError(f"the manifest names no key {kid.hex()} that was valid for it")


def _open_columns(header: Header, held: Held) -> dict[int, Column]:
    """Return the columns that lead to the header's root, else raise a WireError."""
    if isinstance(held.content, bytes):
        return dict(enumerate(check_columns(header, open_body(header, held.content))))
    columns = {}
    for each in held.content.columns:
        leaf = leaf_hash(each.salt + each.data)
        verify_inclusion(leaf, each.column, held.content.total, each.path, header.columns_root)
        columns[each.column] = decode_column(each.data)
    times = [time for column in columns.values() for time in column.gateway_times]
    if any(not header.first_time <= time <= header.last_time for time in times):
        raise MalformedError("a disclosed column has a time outside those of the header")
    return columns
