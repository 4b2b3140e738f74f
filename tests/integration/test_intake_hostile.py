"""Whatever comes, the intake goes on: each forgery is refused with its check and kept once."""

from __future__ import annotations

import asyncio
import hashlib
import random
import sqlite3
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aggregator import metrics
from aggregator.app import make_store
from aggregator.clock import SystemClock
from aggregator.ingest.fsck import fsck
from aggregator.ingest.indexer import Indexer
from aggregator.ingest.intake import Accepted, Intake
from aggregator.ingest.verify import Check, Message, Refused
from aggregator.settings import IntakeSettings, StoreSettings
from aggregator.store import registry
from aggregator.store.base import Row, Store
from aggregator.store.keys import Keys, load_keys
from protocols.wire import cbor
from protocols.wire.bundle import PURPOSE, Bundle, seal_bundle
from protocols.wire.chain import Verdict
from protocols.wire.checkpoint import NoteKey
from protocols.wire.header import Header, OpeningReason
from protocols.wire.limits import BODY_INFLATED_BYTES_MAX, MESSAGE_BYTES_MAX
from protocols.wire.receipt import EpochState, open_receipt
from protocols.wire.seal import seal
from tests.sealed import SealedGateway, key_named
from tests.servers import Postgres, running_postgres

TOPIC = "lotproof/v1/gw-01/bundle"


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    url = f"sqlite:///{tmp_path}/test.db"
    if request.param == "postgres":
        url = request.getfixturevalue("server").database()
    store = make_store(StoreSettings(url=url))  # type: ignore[arg-type]
    await store.open()
    await store.migrate()
    yield store
    await store.close()


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return load_keys(tmp_path / "keys")


@pytest.fixture
async def gateway(store: Store) -> SealedGateway:
    gateway = SealedGateway("gw-01")
    async with store.write() as tx:
        await registry.add_gateway(tx, gateway.name, gateway.key.public, by="test", now=1)
    return gateway


@pytest.fixture
def intake(store: Store, keys: Keys) -> Intake:
    return Intake(store, keys, SystemClock(), IntakeSettings())


async def take(intake: Intake, *bundles: bytes, topic: str = TOPIC) -> Accepted:
    return await intake.accept([Message(topic, data) for data in bundles])


def refusal(accepted: Accepted) -> tuple[Check, str]:
    (outcome,) = accepted.outcomes
    if not isinstance(outcome, Refused):
        pytest.fail(f"it was taken: {outcome}")
    return outcome.check, outcome.reason


async def quarantined(store: Store) -> list[Row]:
    async with store.read() as tx:
        return await tx.fetch("quarantine.newest", count=1_000)


def resealed(gateway: SealedGateway, header: Header, body: bytes) -> bytes:
    """Seal whatever a compromised gateway would, without the checks of its agent."""
    from protocols.wire.header import encode_header

    return Bundle(seal(encode_header(header), gateway.key, PURPOSE), body).encode()


async def test_a_chain_in_any_order_is_stored_once_and_proved(
    store: Store, intake: Intake, gateway: SealedGateway, keys: Keys, chance: random.Random
) -> None:
    bundles = [gateway.seal(gateway.readings(3, 2)) for _ in range(30)]
    shuffled = bundles * 2
    chance.shuffle(shuffled)
    for at in range(0, len(shuffled), 7):
        accepted = await take(intake, *shuffled[at : at + 7])
    receipt = open_receipt(accepted.receipts[-1].data, keys.seal.public)
    assert (receipt.number, receipt.leaf) == (29, gateway.previous)
    async with store.read() as tx:
        stored = await tx.fetch("bundles.range", epoch_id=1, first=0, stop=99, count=99)
    assert [row["bytes"] for row in stored] == bundles
    await Indexer(store, SystemClock()).catch_up()
    found = await fsck(store, NoteKey(name="lotproof.local/plant", key=keys.log.public))
    assert (found.faults, found.bundles, found.readings) == ([], 30, 180)


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
async def test_what_waits_for_its_backlog_is_no_fault_and_what_is_gone_is_one(
    store: Store, intake: Intake, gateway: SealedGateway, keys: Keys, tmp_path: Path
) -> None:
    bundles = [gateway.seal(gateway.readings(1)) for _ in range(10)]
    await take(intake, *(bundles[number] for number in (0, 1, 2, 3, 6, 7, 9)))
    log = NoteKey(name="lotproof.local/plant", key=keys.log.public)
    assert (await fsck(store, log)).faults == []
    with closing(sqlite3.connect(tmp_path / "test.db")) as database, database:
        database.execute("UPDATE bundles SET number = 5 WHERE number = 2")
    faults = " ".join((await fsck(store, log)).faults)
    assert "bundles up to 3 should be there; 2 is missing" in faults
    assert "bundle 6: it does not follow from the one stored before" in faults


async def test_every_truncation_is_refused(intake: Intake, gateway: SealedGateway) -> None:
    bundle = gateway.seal(gateway.readings(2))
    accepted = await take(intake, *(bundle[:length] for length in range(len(bundle))))
    assert all(isinstance(outcome, Refused) for outcome in accepted.outcomes)
    assert (await take(intake, bundle)).outcomes == (Verdict.NEXT,)


async def test_every_flipped_bit_is_refused(
    store: Store, intake: Intake, gateway: SealedGateway
) -> None:
    bundle = gateway.seal(gateway.readings(1))
    flipped = [
        bundle[:at] + bytes([bundle[at] ^ 1 << at % 8]) + bundle[at + 1 :]
        for at in range(len(bundle))
    ]
    accepted = await take(intake, *flipped)
    assert all(isinstance(outcome, Refused) for outcome in accepted.outcomes)
    async with store.read() as tx:
        assert await tx.fetch("epochs.all") == []


async def test_a_refused_message_is_kept_once_and_counted(
    store: Store, intake: Intake, gateway: SealedGateway
) -> None:
    counter = metrics.QUARANTINED.labels(check="2", reason="malformed")
    before: float = counter._value.get()
    for _ in range(3):
        await take(intake, b"\x00")
    (row,) = await quarantined(store)
    assert (row["check_number"], row["seen"], row["gateway"], row["size"]) == (2, 3, "gw-01", 1)
    assert counter._value.get() - before == 3


DEEP = b"\x81" * 5_000 + b"\x00"
DOUBLE = b"\x82\x58\x03\xa1\x01\x01\x40"
FORGED: dict[str, tuple[bytes, Check, str]] = {
    "empty": (b"", Check.OUTER_FORM, "malformed"),
    "oversize": (bytes(MESSAGE_BYTES_MAX + 1), Check.SIZE, "limit"),
    "deep": (DEEP, Check.OUTER_FORM, "malformed"),
    "array of 2^62": (b"\x9b" + bytes([64, *[0] * 7]), Check.OUTER_FORM, "malformed"),
    "not a seal": (cbor.encode([b"\x00", b""]), Check.SEAL_FORM, "malformed"),
    "keys twice": (cbor.encode([b"\xa2\x01\x01\x01\x02", b""]), Check.SEAL_FORM, "malformed"),
}


@pytest.mark.parametrize("name", FORGED)
async def test_forged_forms_are_refused(intake: Intake, gateway: SealedGateway, name: str) -> None:
    data, check, reason = FORGED[name]
    assert refusal(await take(intake, data)) == (check, reason)


@pytest.mark.clause("21 CFR 11.10(h)")
async def test_another_gateways_topic_is_refused(intake: Intake, gateway: SealedGateway) -> None:
    bundle = gateway.seal(gateway.readings(1))
    for topic, check in {
        "lotproof/v1/gw-02/bundle": Check.IDENTITY,
        "lotproof/v1/gw-01/command": Check.TOPIC,
        "elsewhere": Check.TOPIC,
    }.items():
        assert refusal(await take(intake, bundle, topic=topic)) == (check, "identity")


async def test_an_unknown_key_is_refused(intake: Intake, gateway: SealedGateway) -> None:
    forger = SealedGateway("gw-01", key=key_named("forger"))
    bundle = forger.seal(forger.readings(1))
    assert refusal(await take(intake, bundle)) == (Check.IDENTITY, "unknown_key")


async def test_a_seal_of_another_purpose_is_refused(intake: Intake, gateway: SealedGateway) -> None:
    _, header = gateway.draft(gateway.readings(1))
    from protocols.wire.header import encode_header
    from protocols.wire.life import PURPOSE as LIFE

    sealed = seal(encode_header(header), gateway.key, LIFE)
    assert refusal(await take(intake, Bundle(sealed, b"").encode())) == (Check.SEAL, "seal")


async def test_a_body_of_another_bundle_is_refused(intake: Intake, gateway: SealedGateway) -> None:
    _, header = gateway.draft(gateway.readings(1))
    swapped = resealed(gateway, header, zlib.compress(b"other"))
    assert refusal(await take(intake, swapped)) == (Check.BODY_HASH, "hash")


async def test_a_deflate_bomb_of_a_known_gateway_is_refused_unread(
    intake: Intake, gateway: SealedGateway
) -> None:
    bomb = zlib.compress(bytes(BODY_INFLATED_BYTES_MAX + 1), 9)
    _, header = gateway.draft(gateway.readings(1))
    header = replace(header, body_hash=hashlib.sha256(bomb).digest())
    assert refusal(await take(intake, resealed(gateway, header, bomb))) == (
        Check.BODY_SIZE,
        "limit",
    )


async def test_nonsense_sealed_by_a_known_gateway_is_refused(
    intake: Intake, gateway: SealedGateway
) -> None:
    body = zlib.compress(cbor.encode([b"short seed", [b"x"]]))
    _, header = gateway.draft(gateway.readings(1))
    header = replace(header, body_hash=hashlib.sha256(body).digest())
    assert refusal(await take(intake, resealed(gateway, header, body))) == (
        Check.BODY_FORM,
        "malformed",
    )


async def test_two_bundles_of_one_number_close_the_epoch(
    store: Store, intake: Intake, gateway: SealedGateway, keys: Keys
) -> None:
    first = gateway.seal(gateway.readings(1))
    body, header = gateway.draft(gateway.readings(1))
    second = seal_bundle(header, body, gateway.key).encode()
    other_body, other = gateway.draft(gateway.readings(2))
    clone = seal_bundle(other, other_body, gateway.key).encode()
    await take(intake, first, second)
    forked = await take(intake, clone)
    assert refusal(forked) == (Check.CHAIN, "fork")
    receipt = open_receipt(forked.receipts[0].data, keys.seal.public)
    assert (receipt.number, receipt.state) == (1, EpochState.CLOSED)
    gateway.advance(seal_bundle(header, body, gateway.key), header)
    later = await take(intake, gateway.seal(gateway.readings(1)))
    assert refusal(later) == (Check.EPOCH, "epoch_closed")
    assert (await take(intake, first)).outcomes == (Verdict.REPEAT,)
    assert len(await quarantined(store)) == 2


async def test_a_second_epoch_waits_for_a_person(
    store: Store, intake: Intake, gateway: SealedGateway, keys: Keys
) -> None:
    await take(intake, gateway.seal(gateway.readings(1)))
    again = SealedGateway("gw-01", seed=2, reason=OpeningReason.BUFFER_LOST)
    (receipt,) = (await take(intake, again.seal(again.readings(1)))).receipts
    assert open_receipt(receipt.data, keys.seal.public).state is EpochState.UNAPPROVED
    async with store.write() as tx:
        assert await registry.approve_epoch(tx, "gw-01", by="qa", now=2) == again.epoch
    (receipt,) = (await take(intake, again.seal(again.readings(1)))).receipts
    opened = open_receipt(receipt.data, keys.seal.public)
    assert (opened.state, opened.number) == (EpochState.TRUSTED, 1)


async def test_what_a_revoked_key_seals_later_is_refused_and_what_it_sealed_stays(
    store: Store, intake: Intake, gateway: SealedGateway
) -> None:
    stored = gateway.seal(gateway.readings(1))
    await take(intake, stored)
    async with store.write() as tx:
        bound = await registry.revoke_key(
            tx, "gw-01", gateway.key.public.kid, reason="stolen", by="qa", now=2
        )
    assert bound == (0, 1)
    later = gateway.seal(gateway.readings(1))
    assert refusal(await take(intake, later)) == (Check.IDENTITY, "revoked_key")
    assert (await take(intake, stored)).outcomes == (Verdict.REPEAT,)
    fresh = SealedGateway("gw-01", seed=3)
    assert refusal(await take(intake, fresh.seal())) == (Check.IDENTITY, "revoked_key")


async def test_a_key_that_is_added_is_known_at_once(
    store: Store, intake: Intake, gateway: SealedGateway
) -> None:
    await take(intake, gateway.seal(gateway.readings(1)))
    gateway.key = key_named("the next key")
    bundle = gateway.seal(gateway.readings(1))
    assert refusal(await take(intake, bundle)) == (Check.IDENTITY, "unknown_key")
    async with store.write() as tx:
        await registry.add_key(tx, "gw-01", gateway.key.public, by="engineer", now=2)
    assert (await take(intake, bundle)).outcomes == (Verdict.NEXT,)


async def test_wrong_columns_are_found_behind_the_intake(
    store: Store, intake: Intake, gateway: SealedGateway
) -> None:
    wrong = gateway.seal(gateway.readings(2), columns_root=bytes(32))
    right = gateway.seal(gateway.readings(2))
    assert (await take(intake, wrong, right)).outcomes == (Verdict.NEXT, Verdict.NEXT)
    await Indexer(store, SystemClock()).catch_up()
    (row,) = await quarantined(store)
    assert (row["check_number"], row["reason"]) == (int(Check.COLUMNS), "hash")
    async with store.read() as tx:
        rows = await tx.fetch("bundles.range", epoch_id=1, first=0, stop=9, count=9)
    assert [row["wrong"] for row in rows] == [1, 0]


async def test_a_full_quarantine_keeps_what_was_wrong_without_the_bytes(
    store: Store, keys: Keys, gateway: SealedGateway
) -> None:
    intake = Intake(store, keys, SystemClock(), IntakeSettings(quarantine_bytes_max=10))
    await take(intake, bytes(8))
    await take(intake, bytes(9))
    rows = await quarantined(store)
    assert sorted(row["size"] for row in rows) == [8, 9]
    async with store.read() as tx:
        row = await tx.fetch_one("quarantine.kept_bytes")
    assert row is not None
    assert row["bytes"] == 8


async def test_two_intakes_on_one_store_extend_one_chain(
    store: Store, keys: Keys, gateway: SealedGateway
) -> None:
    intakes = [Intake(store, keys, SystemClock(), IntakeSettings()) for _ in range(2)]
    bundles = [gateway.seal(gateway.readings(1)) for _ in range(40)]
    await asyncio.gather(*(take(intakes[at % 2], *bundles[at : at + 4]) for at in range(0, 40, 4)))
    async with store.read() as tx:
        (row,) = await tx.fetch("epochs.all")
    assert row["head"] == 39
    assert (await quarantined(store)) == []


async def test_a_stale_will_does_not_bury_the_living(
    store: Store, intake: Intake, gateway: SealedGateway
) -> None:
    from protocols.wire.life import LifeKind

    topic = "lotproof/v1/gw-01/life"
    await take(intake, gateway.life(connection=1), topic=topic)
    await take(intake, gateway.life(connection=2), topic=topic)
    await take(intake, gateway.life(LifeKind.DEATH, connection=1), topic=topic)
    assert await _kind(store) == LifeKind.BIRTH
    await take(intake, gateway.life(LifeKind.DEATH, connection=2), topic=topic)
    assert await _kind(store) == LifeKind.DEATH


async def _kind(store: Store) -> Any:
    async with store.read() as tx:
        row = await tx.fetch_one("gateways.life", gateway="gw-01")
    return None if row is None else row["kind"]
