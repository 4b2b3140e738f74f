"""The buffer keeps what it took, says when it cannot, and an epoch ends with its buffer."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from edge_agent.buffer.buffer import (
    BYTES_MAX_LEAST,
    FREE_AT_ONCE,
    Appended,
    Buffer,
    Head,
    Noted,
    StoredReceipt,
)
from edge_agent.clock import GatewayClock
from edge_agent.errors import (
    BufferDamagedError,
    BufferFullError,
    BufferLockedError,
    BundleUnreadableError,
    KeyFileError,
    StorageFailedError,
)
from edge_agent.keys import load, load_or_create
from edge_agent.storage import BUFFER_FILE, Storage
from protocols.field.driver import Shed
from protocols.wire.bundle import peek_header, split_bundle
from protocols.wire.header import FIRST_PREVIOUS, Counters, Epoch, GatewayId, Opening, OpeningReason
from protocols.wire.reading import GapReason, Kind
from protocols.wire.receipt import Receipt, seal_receipt
from protocols.wire.seal import Algorithm
from protocols.wire.tlog import leaf_hash
from tests.agent_line import GATEWAY, NOW, SetClock, fsck, line_in, receive
from tests.sealed import SealedGateway, key_named

ROOM = 8 << 20


def new_buffer(path: Path, gateway: SealedGateway, *, bytes_max: int = ROOM) -> Buffer:
    return Buffer.create(
        path,
        gateway=gateway.name,
        epoch=gateway.epoch,
        opening=Opening(reason=OpeningReason.NEW),
        time=NOW,
        floor=NOW,
        bytes_max=bytes_max,
    )


def append(buffer: Buffer, gateway: SealedGateway, count: int = 1, *, urgent: bool = False) -> None:
    added = []
    for _ in range(count):
        number, time = gateway.number, gateway.time
        bundle = split_bundle(gateway.seal(gateway.readings(3)))
        added.append(Appended(number, leaf_hash(bundle.sealed_header), time, bundle))
    end = gateway.first_reading
    head = Head(
        number=added[-1].number,
        leaf=added[-1].leaf,
        end_reading=end,
        sealed_time=gateway.time,
        counters=Counters(read=end, sealed=end),
    )
    buffer.append(added, head, floor=gateway.time, urgent=urgent)


def fill(buffer: Buffer, gateway: SealedGateway, *, urgent: bool) -> None:
    """Append until the buffer refuses."""
    for _ in range(10_000):
        try:
            append(buffer, gateway, urgent=urgent)
        except BufferFullError:
            return
    pytest.fail("the buffer never refused")


class TestBuffer:
    def test_it_comes_back_as_it_was(self, tmp_path: Path) -> None:
        gateway = SealedGateway()
        buffer = new_buffer(tmp_path / "b.db", gateway)
        assert buffer.head.leaf == FIRST_PREVIOUS
        append(buffer, gateway, 3)
        head, bundle = buffer.head, buffer.bundle(1)
        buffer.close()
        again = Buffer.open(tmp_path / "b.db", gateway=gateway.name, bytes_max=ROOM)
        assert again.head == head
        assert again.bundle(1) == bundle
        assert again.leaf(2) == head.leaf
        assert list(again.numbers()) == [0, 1, 2]
        assert again.floor == NOW
        assert again.extent() == (3, 0)
        again.close()

    def test_another_gateways_buffer_is_not_taken(self, tmp_path: Path) -> None:
        new_buffer(tmp_path / "b.db", SealedGateway()).close()
        with pytest.raises(BufferDamagedError, match="gw-01"):
            Buffer.open(tmp_path / "b.db", gateway=GatewayId("gw-02"), bytes_max=ROOM)

    @pytest.mark.parametrize("content", [b"", b"not a database" * 1000])
    def test_something_else_is_not_taken(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "b.db").write_bytes(content)
        with pytest.raises(BufferDamagedError):
            Buffer.open(tmp_path / "b.db", gateway=GATEWAY, bytes_max=ROOM)

    def test_a_cap_below_its_size_is_refused_with_a_remedy(self, tmp_path: Path) -> None:
        gateway = SealedGateway()
        buffer = new_buffer(tmp_path / "b.db", gateway)
        for _ in range(80):
            append(buffer, gateway, 40)
        buffer.close()
        with pytest.raises(StorageFailedError) as refused:
            Buffer.open(tmp_path / "b.db", gateway=GATEWAY, bytes_max=BYTES_MAX_LEAST)
        assert "raise buffer.bytes_max" in refused.value.hint

    def test_only_what_a_receipt_covers_is_freed_oldest_first(self, tmp_path: Path) -> None:
        gateway = SealedGateway()
        buffer = new_buffer(tmp_path / "b.db", gateway)
        append(buffer, gateway, 10)
        assert buffer.free(sealed_before=2**62, keep_bytes=0) == 0
        receive(buffer, StoredReceipt(6, b"receipt"))
        assert buffer.free(sealed_before=0, keep_bytes=ROOM) == 0, "still within its retention"
        assert buffer.free(sealed_before=0, keep_bytes=0) == 7
        assert list(buffer.numbers()) == [7, 8, 9]
        receive(buffer, StoredReceipt(9, b"receipt"))
        assert buffer.free(sealed_before=0, keep_bytes=0) == 2, "the head stays"
        assert buffer.receipt == StoredReceipt(9, b"receipt")
        buffer.close()

    def test_a_receipt_goes_along_with_the_next_append_and_frees_nothing_before(
        self, tmp_path: Path
    ) -> None:
        gateway = SealedGateway()
        path = tmp_path / "b.db"
        buffer = new_buffer(path, gateway)
        append(buffer, gateway, 3)
        noted = Noted(buffer.epoch, StoredReceipt(1, b"receipt"), floor=NOW + 5)
        buffer.note(noted)
        assert buffer.free(sealed_before=2**62, keep_bytes=0) == 0
        assert buffer.receipt.number == -1
        append(buffer, gateway)
        assert (buffer.receipt, buffer.noted) == (noted.receipt, None)
        assert buffer.floor == NOW + 5
        other = Buffer.read_only(path)
        assert (other.receipt, other.floor) == (noted.receipt, NOW + 5)
        other.close()
        assert buffer.free(sealed_before=2**62, keep_bytes=0) == 2
        buffer.note(Noted(Epoch(bytes(16)), StoredReceipt(2, b"another epoch's")))
        buffer.store_noted()
        assert buffer.receipt == noted.receipt
        buffer.close()

    def test_many_bundles_are_numbered_some_at_a_time_and_freed_ones_are_told(
        self, tmp_path: Path
    ) -> None:
        gateway = SealedGateway()
        buffer = new_buffer(tmp_path / "b.db", gateway)
        append(buffer, gateway, 2001)
        reader = Buffer.read_only(tmp_path / "b.db")
        numbers = reader.numbers()
        assert [next(numbers) for _ in range(3)] == [0, 1, 2]
        receive(buffer, StoredReceipt(1500, b"receipt"))
        assert not reader.freed(1200)
        while buffer.free(sealed_before=2**62, keep_bytes=0):
            pass
        assert [number for number in numbers if number > 1400] == list(range(1501, 2001))
        assert reader.freed(1200)
        assert not reader.freed(1501)
        reader.close()
        buffer.close()

    def test_an_unreadable_bundle_leaves_a_gap_that_its_neighbours_bound(
        self, tmp_path: Path
    ) -> None:
        gateway = SealedGateway()
        buffer = new_buffer(tmp_path / "b.db", gateway)
        append(buffer, gateway, 6)
        headers = [peek_header(buffer.bundle(number).sealed_header)[1] for number in range(6)]
        for number in (1, 3, 4):
            with closing(sqlite3.connect(tmp_path / "b.db")) as database, database:
                database.execute(
                    "UPDATE bundle SET sealed_header = zeroblob(9) WHERE number = ?", (number,)
                )
        with closing(sqlite3.connect(tmp_path / "b.db")) as database, database:
            database.execute("UPDATE bundle SET body = zeroblob(9) WHERE number = 2")
        gaps = [buffer.unreadable(number) for number in range(1, 5)]
        assert {(gap.subject, gap.reason) for gap in gaps} == {("*", GapReason.UNREADABLE)}
        assert [gap.count for gap in gaps] == [3, 3, None, None]
        assert (gaps[0].start, gaps[0].end) == (headers[0].last_time, headers[2].first_time)
        assert (gaps[1].start, gaps[1].end) == (headers[2].first_time, headers[2].last_time)
        assert gaps[2].start == headers[2].last_time
        assert gaps[3].end == headers[5].first_time
        buffer.close()

    def test_a_full_buffer_refuses_keeps_room_for_what_comes_once_and_drains(
        self, tmp_path: Path
    ) -> None:
        gateway = SealedGateway()
        buffer = new_buffer(tmp_path / "b.db", gateway, bytes_max=BYTES_MAX_LEAST)
        fill(buffer, gateway, urgent=False)
        head = buffer.head
        kept = list(buffer.numbers())
        assert kept == list(range(head.number + 1)), "nothing that has no receipt was deleted"
        gateway.number, gateway.previous = head.number + 1, head.leaf
        gateway.first_reading = head.end_reading
        append(buffer, gateway, urgent=True)
        fill(buffer, gateway, urgent=True)
        assert (tmp_path / "b.db").stat().st_size <= BYTES_MAX_LEAST
        receive(buffer, StoredReceipt(buffer.head.number, b"r" * 1000))
        while buffer.free(sealed_before=0, keep_bytes=0) == FREE_AT_ONCE:
            pass
        assert buffer.extent()[0] == 1, "all but the head was freed"
        assert buffer.problems() == []
        buffer.close()

    def test_a_damaged_bundle_is_named_and_the_others_are_read(self, tmp_path: Path) -> None:
        gateway = SealedGateway()
        buffer = new_buffer(tmp_path / "b.db", gateway)
        append(buffer, gateway, 3)
        buffer.close()
        with sqlite3.connect(tmp_path / "b.db") as raw:
            raw.execute("UPDATE bundle SET body = zeroblob(length(body)) WHERE number = 1")
        raw.close()
        again = Buffer.open(tmp_path / "b.db", gateway=gateway.name, bytes_max=ROOM)
        assert again.bundle(0)
        assert again.bundle(2)
        with pytest.raises(BundleUnreadableError, match="bundle 1"):
            again.bundle(1)
        again.close()


def storage(folder: Path, **changes: object) -> Storage:
    settings: dict[str, object] = {"gateway": GATEWAY, "bytes_max": ROOM, **changes}
    return Storage(folder, clock=GatewayClock(SetClock()), **settings)  # type: ignore[arg-type]


class TestStorage:
    async def test_two_agents_do_not_share_a_buffer(self, tmp_path: Path) -> None:
        first, second = storage(tmp_path), storage(tmp_path)
        await first.open()
        with pytest.raises(BufferLockedError):
            await second.open()
        await second.close()
        await first.close()

    async def test_a_lost_buffer_opens_a_new_epoch_that_says_what_was_known(
        self, tmp_path: Path
    ) -> None:
        async with line_in(tmp_path) as line:
            await line.sealer.cut()
            lost = line.storage.buffer
            receipt = _receipt(lost)
            await line.storage.run(lambda b: receive(b, StoredReceipt(0, receipt)))
            epoch, head = lost.epoch, lost.head
        shutil.rmtree(tmp_path / "buffer")
        async with line_in(tmp_path) as line:
            await line.sealer.cut()
            opening = line.headers()[0].opening
            assert opening is not None
            assert opening == Opening(
                reason=OpeningReason.BUFFER_LOST,
                previous_epoch=epoch,
                previous_head=head.leaf,
                last_receipt=receipt,
            )
            assert line.storage.missing_since == head.sealed_time
        assert not fsck(tmp_path).problems

    async def test_a_damaged_buffer_is_set_aside_and_never_deleted(self, tmp_path: Path) -> None:
        async with line_in(tmp_path) as line:
            await line.sealer.cut()
        (tmp_path / BUFFER_FILE).write_bytes(b"broken")
        for name in ("-wal", "-shm"):
            (tmp_path / f"{BUFFER_FILE}{name}").unlink(missing_ok=True)
        async with line_in(tmp_path) as line:
            assert line.storage.buffer.opening.reason is OpeningReason.BUFFER_LOST
        assert (tmp_path / "buffer-aside-1" / "buffer.db").read_bytes() == b"broken"

    async def test_a_start_cut_short_is_no_lost_buffer(self, tmp_path: Path) -> None:
        (tmp_path / "buffer.new").mkdir()
        (tmp_path / "buffer.new" / "buffer.db").write_bytes(b"half made")
        async with line_in(tmp_path) as line:
            assert line.storage.buffer.opening.reason is OpeningReason.NEW

    async def test_an_unreadable_memory_is_a_loss_all_the_same(self, tmp_path: Path) -> None:
        (tmp_path / "epoch.json").write_text(json.dumps({"epoch": "zz"}))
        async with line_in(tmp_path) as line:
            assert line.storage.buffer.opening == Opening(reason=OpeningReason.BUFFER_LOST)

    async def test_a_renewed_epoch_begins_at_zero_and_keeps_the_old_one(
        self, tmp_path: Path
    ) -> None:
        async with line_in(tmp_path) as line:
            line.offer(line.reading())
            await line.sealer.cut()
            before = line.storage.buffer
            await line.storage.renew(OpeningReason.ROLLBACK)
            line.offer(line.reading(2.0))
            await line.sealer.cut()
            last = line.headers()[-1]
            assert (last.number, last.first_reading, last.count) == (0, 0, 1)
            assert last.epoch != before.epoch
            assert last.opening is not None
            assert last.opening.previous_head == before.head.leaf
        assert not fsck(tmp_path).problems
        assert not fsck(tmp_path / "buffer-aside-1").problems

    async def test_its_head_and_epoch_can_be_asked_for_while_it_is_renewed(
        self, tmp_path: Path
    ) -> None:
        """The uplink asks from the event loop while the buffer's thread replaces the file."""
        async with line_in(tmp_path) as line:
            for number in range(1, 500):  # makes the renewal last long enough to be met
                (tmp_path / f"buffer-aside-{number}").mkdir()
            before = line.storage.buffer.epoch
            renewal = asyncio.create_task(line.storage.renew(OpeningReason.ROLLBACK))
            asked = []
            while not renewal.done():
                asked.append(line.storage.buffer.epoch)
                await asyncio.sleep(0)
            assert asked.count(before) > 10
            assert line.storage.buffer.epoch != before

    async def test_a_full_buffer_is_declared_as_soon_as_anything_fits(self, tmp_path: Path) -> None:
        async with line_in(tmp_path, bytes_max=BYTES_MAX_LEAST) as line:

            def offer(count: int) -> None:
                line.offer(
                    *[
                        line.reading(kind=Kind.BYTES, value=bytes([n]) + _noise(n))
                        for n in range(count)
                    ]
                )

            while "disk_full" not in line.sealer._uncounted.refused:
                offer(4)
                await line.sealer.cut()
            head = line.storage.buffer.head
            read_once = line.reading(3.0)
            line.offer(read_once, urgent=True)
            offer(4)
            await line.sealer.cut()
            assert line.readings()[-1].value == 3.0, "what comes only once still found room"
            receipt = _receipt(line.storage.buffer)
            number = line.storage.buffer.head.number
            await line.storage.run(lambda b: receive(b, StoredReceipt(number, receipt)))
            await line.storage.run(lambda b: b.free(sealed_before=0, keep_bytes=0))
            offer(1)
            await line.sealer.cut()
            last = line.headers()[-1]
            counters = last.counters
            declared = [
                gap
                for header in line.headers(head.number)
                for gap in header.gaps
                if gap.reason is GapReason.DISK_FULL
            ]
            assert sum(gap.count or 0 for gap in declared) == counters.refused["disk_full"] > 0
            assert counters.read == counters.sealed + counters.refused["disk_full"]
        assert not fsck(tmp_path).problems

    async def test_at_the_cap_what_is_given_up_last_is_still_kept(self, tmp_path: Path) -> None:
        classes = {"critical": Shed.LAST, "may-go": Shed.FIRST}
        async with line_in(tmp_path, bytes_max=BYTES_MAX_LEAST) as line:
            offered = beyond = 0
            seeded = random.Random(3)
            while beyond < 3:
                names = ["critical", *["may-go"] * 900, *["usual"] * 900]
                line.offer(
                    *[line.reading(seeded.random(), signal=name) for name in names], classes=classes
                )
                offered += 1
                await line.sealer.cut()
                beyond += "disk_full" in line.storage.buffer.head.counters.refused
            signals = Counter(str(each.signal) for each in line.readings())
            lost: Counter[str] = Counter()
            for header in line.headers():
                for gap in header.gaps:
                    assert gap.reason is GapReason.DISK_FULL
                    lost[gap.subject] += gap.count or 0
            assert signals["critical"] == offered, "a critical reading was given up"
            assert {name: signals[name] + lost[name] for name in ("may-go", "usual")} == {
                "may-go": 900 * offered,
                "usual": 900 * offered,
            }
            assert line.headers()[-1].counters.refused == {"disk_full": lost.total()}
        assert not fsck(tmp_path).problems

    async def test_after_the_disk_failed_nothing_is_done_any_more(self, tmp_path: Path) -> None:
        async with line_in(tmp_path) as line:
            await line.sealer.cut()
            await line.storage.run(lambda b: b._connection.execute("PRAGMA query_only = ON"))
            line.offer(line.reading())
            with pytest.raises(StorageFailedError):
                await line.sealer.cut()
            assert line.committed == []
            await_again = line.storage.run(lambda b: b.head)
            with pytest.raises(StorageFailedError):
                await await_again
        assert not fsck(tmp_path).problems


class TestKeys:
    @pytest.mark.parametrize("algorithm", Algorithm)
    def test_a_key_is_made_once_and_for_its_owner_alone(
        self, tmp_path: Path, algorithm: Algorithm
    ) -> None:
        path = tmp_path / "deep" / "seal.key"
        made = load_or_create(path, algorithm)
        assert made.public.algorithm is algorithm
        assert path.stat().st_mode & 0o777 == 0o600
        assert load_or_create(path).public == made.public

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
    def test_a_key_that_others_may_touch_is_refused(self, tmp_path: Path, mode: int) -> None:
        path = tmp_path / "seal.key"
        load_or_create(path)
        path.chmod(mode)
        with pytest.raises(KeyFileError) as refused:
            load(path)
        assert "chmod 600" in refused.value.hint

    def test_what_is_no_key_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "seal.key"
        path.touch(mode=0o600)
        with pytest.raises(KeyFileError, match="is not an"):
            load(path)
        with pytest.raises(KeyFileError, match="cannot be read"):
            load(tmp_path / "nothing")


def _receipt(buffer: Buffer) -> bytes:
    receipt = Receipt(
        gateway=buffer.gateway,
        epoch=buffer.epoch,
        number=buffer.head.number,
        leaf=buffer.head.leaf,
        position=0,
        checkpoint="",
        record_time=NOW,
    )
    return seal_receipt(receipt, key_named("aggregator"))


def _noise(seed: int) -> bytes:
    return random.Random(seed).randbytes(20_000)
