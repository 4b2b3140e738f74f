"""Thousands of damaged dossiers: not one is taken for true.

The seed is printed by pytest as part of the test's name; every mutation follows from it alone.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import pytest

from protocols.wire.dossier.archive import read_archive, write_archive
from protocols.wire.dossier.file import MANIFEST, write_dossier
from protocols.wire.dossier.manifest import PURPOSE, decode_manifest, encode_manifest
from protocols.wire.dossier.series import Interval
from protocols.wire.seal import open_seal, seal
from tests import dossiers
from verifier.report import Verdict
from verifier.verify import verify

ROUNDS: Final = 250
TRUE: Final = {
    form: write_dossier(made, dossiers.AGGREGATOR)
    for form, made in (
        (False, dossiers.dossier()),
        (True, dossiers.dossier(disclosed=True)),
        ("late", dossiers.dossier(late=True)),
    )
}
"""By whether one signal alone is disclosed, and of a gateway that is placed by an anchor."""
OTHER: Final = read_archive(write_dossier(dossiers.dossier(), dossiers.STRANGER))

Mutation = Callable[[random.Random, bytes], bytes]


def flip_bits(chance: random.Random, data: bytes) -> bytes:
    damaged = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 8))):
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def cut(chance: random.Random, data: bytes) -> bytes:
    return data[: chance.randrange(len(data))]


def insert(chance: random.Random, data: bytes) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + chance.randbytes(chance.randint(1, 40)) + data[at:]


def remove(chance: random.Random, data: bytes) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + data[at + chance.randint(1, 40) :]


def copy_over(chance: random.Random, data: bytes) -> bytes:
    size = chance.randint(1, 200)
    source, target = (chance.randrange(len(data) - size) for _ in range(2))
    return data[:target] + data[source : source + size] + data[target + size :]


def flip_in_member(chance: random.Random, data: bytes) -> bytes:
    """Damage one member and mend the archive around it, check sums included."""
    members = read_archive(data)
    name = chance.choice(sorted(members))
    return write_archive({**members, name: flip_bits(chance, members[name])})


def cut_member(chance: random.Random, data: bytes) -> bytes:
    members = read_archive(data)
    name = chance.choice(sorted(members))
    return write_archive({**members, name: cut(chance, members[name])})


def drop_member(chance: random.Random, data: bytes) -> bytes:
    members = read_archive(data)
    members.pop(chance.choice(sorted(members)))
    return write_archive(members)


def swap_members(chance: random.Random, data: bytes) -> bytes:
    members = read_archive(data)
    one, two = chance.sample(sorted(members), 2)
    members[one], members[two] = members[two], members[one]
    return write_archive(members)


def add_member(chance: random.Random, data: bytes) -> bytes:
    members = read_archive(data)
    name = f"{chance.choice(('', 'series/', 'attachments/'))}extra{chance.randrange(9)}.cbor"
    return write_archive({**members, name: members[chance.choice(sorted(members))]})


def take_of_another(chance: random.Random, data: bytes) -> bytes:
    """Put in a member of a dossier that another aggregator sealed."""
    members = read_archive(data)
    differing = [name for name in sorted(OTHER) if OTHER[name] != members.get(name)]
    name = chance.choice(differing)
    return write_archive({**members, name: OTHER[name]})


def duplicate_member(chance: random.Random, data: bytes) -> bytes:
    """Write one member twice, as zip programs let one do."""
    members = read_archive(data)
    name = chance.choice(sorted(members))
    single = write_archive({name: members[name]})
    return single[: single.index(b"PK\1\2")] + data


MUTATIONS: Final[tuple[Mutation, ...]] = (
    flip_bits,
    cut,
    insert,
    remove,
    copy_over,
    flip_in_member,
    cut_member,
    drop_member,
    swap_members,
    add_member,
    take_of_another,
    duplicate_member,
)


@pytest.mark.parametrize("form", TRUE)
@pytest.mark.parametrize("mutate", MUTATIONS, ids=lambda mutate: mutate.__name__)
def test_no_mutated_dossier_is_verified(mutate: Mutation, form: bool | str) -> None:
    true, policy = TRUE[form], dossiers.policy()
    assert verify(true, policy).verdict is Verdict.VERIFIED
    judged = 0
    for seed in range(ROUNDS):
        mutated = mutate(random.Random(f"{mutate.__name__} {form} {seed}"), true)
        if mutated == true:
            continue
        judged += 1
        assert verify(mutated, policy).verdict is Verdict.NOT_VERIFIED, f"seed {seed}"
    assert judged > ROUNDS * 0.9


@pytest.mark.parametrize("form", [False, "late"])
@pytest.mark.parametrize("mutate", [flip_bits, cut, insert, remove, copy_over])
def test_a_lie_under_the_right_seal_does_not_stop_the_verifier(
    mutate: Mutation, form: bool | str
) -> None:
    """The aggregator itself seals damaged members: nothing raises, and evidence must still hold."""
    policy = dossiers.policy()
    members = read_archive(TRUE[form])
    sealed = members.pop(MANIFEST)
    manifest = decode_manifest(open_seal(sealed, dossiers.AGGREGATOR.public, PURPOSE))
    for seed in range(ROUNDS):
        chance = random.Random(f"sealed {mutate.__name__} {seed}")
        name = chance.choice(sorted(members))
        if len(members[name]) < 250 and mutate is copy_over:
            continue
        damaged = {**members, name: mutate(chance, members[name])}
        hashes = {each: hashlib.sha256(data).digest() for each, data in damaged.items()}
        lie = encode_manifest(replace(manifest, members=hashes))
        damaged[MANIFEST] = seal(lie, dossiers.AGGREGATOR, PURPOSE)
        report = verify(write_archive(damaged), policy)
        assert report.to_json()
        assert report.to_text("zh")
        evidence = name.startswith(("bundles/", "series/", "log", "checkpoint"))
        if evidence and damaged[name] != members[name]:
            assert report.verdict is Verdict.NOT_VERIFIED, f"seed {seed}: {name}"


def test_any_statement_under_the_right_seal_is_judged() -> None:
    """Numbers of the manifest at their bounds, in every field, do not stop the verifier."""
    dossier, policy = dossiers.dossier(), dossiers.policy()
    chance = random.Random("statements")
    said = dossier.statement
    press, room = said.chains
    numbers = (0, 1, 5, 2**31, 2**63, 2**64 - 1, -1, -(2**63))
    for _ in range(ROUNDS):
        first, last, count, time = (chance.choice(numbers) for _ in range(4))
        lie = replace(
            said,
            window=Interval(time, chance.choice(numbers)),
            chains=(replace(press, first=first, last=last, count=count), room),
            keys=(replace(said.keys[0], first=count), said.keys[1]),
        )
        data = write_dossier(replace(dossier, statement=lie), dossiers.AGGREGATOR)
        assert verify(data, policy).verdict is Verdict.NOT_VERIFIED
