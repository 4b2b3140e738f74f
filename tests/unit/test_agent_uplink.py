"""The uplink's pure parts: its states, what it sends next, and what a receipt means."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from edge_agent.buffer.buffer import StoredCheckpoint
from edge_agent.errors import ReceiptRefusedError
from edge_agent.uplink.damage import Damage
from edge_agent.uplink.receipts import Outcome, check_checkpoint, judge, went_back
from edge_agent.uplink.sender import Fresh, Sender
from edge_agent.uplink.state import TRANSITIONS, Action, Event, State, step
from edge_agent.uplink.window import STALLS_MAX, Budget, Next, Window
from protocols.wire.checkpoint import Checkpoint, NoteKey, sign_checkpoint
from protocols.wire.header import FIRST_PREVIOUS, Epoch, GatewayId, OpeningReason
from protocols.wire.reading import Gap
from protocols.wire.receipt import EpochState, Receipt
from protocols.wire.topics import Channel
from tests.agent_line import line_in
from tests.sealed import key_named as key_of


class TestState:
    @pytest.mark.parametrize("event", Event)
    @pytest.mark.parametrize("state", State)
    def test_every_state_knows_every_event(self, state: State, event: Event) -> None:
        after, actions = step(state, event)
        if (state, event) not in TRANSITIONS:
            assert (after, actions) == (state, ()), "an event without a place changes nothing"
        assert not (state is State.STOPPED and after is not State.STOPPED)

    def test_the_way_up(self) -> None:
        state = State.OFFLINE
        done: list[Action] = []
        for event in (Event.DUE, Event.CONNECTED, Event.SUBSCRIBED, Event.AGREED):
            state, actions = step(state, event)
            done += actions
        assert state is State.SENDING
        assert done == [Action.CONNECT, Action.SUBSCRIBE, Action.AWAIT_RECEIPT, Action.SEND]

    @pytest.mark.parametrize(
        "state", [State.CONNECTING, State.SUBSCRIBING, State.COMPARING, State.SENDING]
    )
    def test_a_lost_line_is_closed_and_tried_again(self, state: State) -> None:
        assert step(state, Event.LOST) == (State.OFFLINE, (Action.DISCONNECT, Action.BACK_OFF))

    def test_nothing_is_sent_before_heads_were_compared(self) -> None:
        sending = {
            before for (before, _), (_, actions) in TRANSITIONS.items() if Action.SEND in actions
        }
        assert sending == {State.COMPARING}

    def test_a_contradiction_ends_the_epoch_from_wherever_receipts_are_heard(self) -> None:
        for state in (State.SUBSCRIBING, State.COMPARING, State.SENDING):
            after, actions = step(state, Event.CONTRADICTED)
            assert (after, actions) == (State.RENEWING, (Action.DISCONNECT, Action.RENEW))
        assert step(State.RENEWING, Event.RENEWED) == (State.OFFLINE, (Action.BACK_OFF,))

    def test_every_state_ends_when_the_agent_does(self) -> None:
        assert {step(state, Event.STOP)[0] for state in State} == {State.STOPPED}


def window(**changes: Any) -> Window:
    settings: dict[str, Any] = {
        "receipted": -1,
        "head": -1,
        "first": 0,
        "budget": Budget(1000, 0.0),
        "inflight_max": 1000,
        "unreceipted_max": 1000,
        "resend_after_s": 10.0,
    }
    return Window(**{**settings, **changes})


def drain(found: Window, now: float, size: int = 1) -> list[tuple[int, Channel]]:
    """Send all that the window lets go at this time."""
    sent = []
    while (sending := found.next(now)).number is not None:
        sent.append((sending.number, sending.channel))
        found.sent(sending, size, now)
    return sent


class TestWindow:
    def test_live_goes_before_the_backlog(self) -> None:
        found = window(receipted=4, head=9)
        found.head = 11
        numbers = drain(found, 0.0)
        assert numbers == [
            *((number, Channel.BUNDLE) for number in (10, 11)),
            *((number, Channel.BACKLOG) for number in range(5, 10)),
        ]

    def test_what_was_freed_is_not_asked_for(self) -> None:
        assert [number for number, _ in drain(window(head=9, first=7), 0.0)] == [7, 8, 9]

    def test_the_backlog_keeps_its_rate_and_live_does_not_wait_for_it(self) -> None:
        found = window(head=99, budget=Budget(1000, 0.0))
        assert len(drain(found, 0.0, size=500)) == 3, "a second's budget, overdrawn by one bundle"
        assert found.next(0.0).wait_s == pytest.approx(0.5)
        found.head = 100
        assert drain(found, 0.0, size=500) == [(100, Channel.BUNDLE)]
        sent = sum(len(drain(found, now / 10, size=500)) for now in range(101))
        assert sent == pytest.approx(20, abs=2), "1000 bytes a second are two bundles of 500"

    def test_so_many_and_no_more_are_on_their_way(self) -> None:
        found = window(head=99, inflight_max=3)
        assert len(drain(found, 0.0)) == 3
        found.inflight -= 1
        assert len(drain(found, 0.0)) == 1

    def test_without_receipts_it_waits_and_then_sends_again_from_the_first(self) -> None:
        found = window(head=9, unreceipted_max=4)
        assert [number for number, _ in drain(found, 0.0)] == [0, 1, 2, 3]
        assert found.next(1.0).wait_s == pytest.approx(9.0)
        assert [number for number, _ in drain(found, 10.0)] == [0, 1, 2, 3]
        assert found.next(10.0) == Next(wait_s=20.0), "the second wait is twice as long"
        again = [number for number, _ in drain(found, 30.0)]
        assert again[0] == 0

    def test_waits_do_not_grow_for_ever(self) -> None:
        found, now = window(head=9), 0.0
        drain(found, now)
        waits = []
        for _ in range(STALLS_MAX + 3):
            wait = found.next(now).wait_s
            assert wait is not None
            waits.append(wait)
            now += wait
            assert drain(found, now)
        assert waits[-1] == waits[-2] == 10.0 * 2**STALLS_MAX

    def test_a_receipt_ends_the_wait(self) -> None:
        found = window(head=9)
        drain(found, 0.0)
        found.receipt(9, 5.0)
        assert found.next(100.0) == Next(), "all is receipted: nothing to do until more is sealed"

    def test_a_receipt_that_moves_on_gives_the_rest_new_time(self) -> None:
        found = window(head=9)
        drain(found, 0.0)
        found.receipt(4, 9.0)
        assert found.next(10.0).wait_s == pytest.approx(9.0)
        assert [number for number, _ in drain(found, 19.0)] == [5, 6, 7, 8, 9]

    def test_an_aggregator_that_went_back_is_refilled_with_what_is_left(self) -> None:
        found = window(receipted=9, head=9)
        assert drain(found, 0.0) == []
        found.refill(3, 6)
        assert [number for number, _ in drain(found, 0.0)] == [6, 7, 8, 9]

    def test_a_bundle_that_cannot_be_read_is_passed_over(self) -> None:
        found = window(head=2)
        found.sent(found.next(0.0), 0, 0.0)
        assert found.inflight == 0
        assert [number for number, _ in drain(found, 0.0)] == [1, 2]

    def test_behind_an_unreadable_bundle_nothing_is_sent_again(self) -> None:
        unreadable: set[int] = set()
        found = window(head=9, unreceipted_max=4, unreadable=unreadable)
        assert [number for number, _ in drain(found, 0.0)] == [0, 1, 2, 3]
        unreadable.add(2)
        found.receipt(1, 5.0)
        assert [number for number, _ in drain(found, 5.0)] == [4, 5, 6, 7]
        assert [number for number, _ in drain(found, 1000.0)] == [8, 9], "and all of it is sent"
        assert found.all_sent


GATEWAY = GatewayId("gw-01")
EPOCH = Epoch(bytes(range(16)))
LEAF = b"\x07" * 32


async def test_what_an_epoch_before_held_is_not_missed_in_the_next(tmp_path: Path) -> None:
    """A buffer was replaced while its sender went on: the numbers it asks for are another's."""

    class NoBroker:
        def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int:
            size = len(payload)
            raise AssertionError(f"sent, though nothing is left: {topic}, {size} bytes, {retain}")

    declared: list[Gap] = []
    async with line_in(tmp_path) as line:
        await line.sealer.cut()
        damage = Damage(line.storage, declared.append)
        sender = Sender(
            line=NoBroker(),
            window=window(receipted=-1, head=0, unreadable=damage.unreadable),
            storage=line.storage,
            fresh=Fresh(),
            damage=damage,
        )
        await line.storage.renew(OpeningReason.BUFFER_LOST)
        sending = asyncio.create_task(sender.run())
        async with asyncio.timeout(60):
            await sender.idle.wait()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    assert not declared
    assert not damage.unreadable


def receipt(**changes: Any) -> Receipt:
    fields: dict[str, Any] = {
        "gateway": GATEWAY,
        "epoch": EPOCH,
        "number": 5,
        "leaf": LEAF,
        "position": 5,
        "checkpoint": "",
        "record_time": 1000,
    }
    return Receipt(**{**fields, **changes})


def outcome(found: Receipt, **changes: Any) -> Outcome:
    known: dict[str, Any] = {
        "gateway": GATEWAY,
        "epoch": EPOCH,
        "head": 9,
        "own_leaf": LEAF,
        "known": None,
    }
    return judge(found, **{**known, **changes})


class TestReceipts:
    def test_one_that_fits_moves_on(self) -> None:
        assert outcome(receipt()) is Outcome.ADVANCE
        assert outcome(receipt(), known=receipt(number=4)) is Outcome.ADVANCE

    def test_one_of_before_the_first_bundle_fits(self) -> None:
        assert outcome(receipt(number=-1, leaf=FIRST_PREVIOUS), own_leaf=None) is Outcome.ADVANCE

    def test_an_old_word_changes_nothing(self) -> None:
        later = receipt(number=7, record_time=2000)
        assert outcome(receipt(), known=later) is Outcome.REPEAT
        assert outcome(receipt(), known=receipt()) is Outcome.REPEAT

    def test_a_new_word_that_knows_less_asks_for_a_refill(self) -> None:
        before = receipt(number=7, record_time=500)
        assert outcome(receipt(), known=before) is Outcome.RESTORED

    def test_the_aggregator_ahead_of_us_means_our_disk_went_back(self) -> None:
        assert outcome(receipt(number=10)) is Outcome.AHEAD

    def test_another_leaf_of_our_number_means_a_fork(self) -> None:
        assert outcome(receipt(leaf=b"\x08" * 32)) is Outcome.FORK
        assert outcome(receipt(number=-1), own_leaf=None) is Outcome.FORK

    def test_a_closed_epoch_is_over(self) -> None:
        assert outcome(receipt(state=EpochState.CLOSED)) is Outcome.CLOSED

    def test_an_epoch_that_waits_for_approval_is_stored_all_the_same(self) -> None:
        assert outcome(receipt(state=EpochState.UNAPPROVED)) is Outcome.ADVANCE

    def test_the_receipt_of_an_epoch_before_is_no_contradiction(self) -> None:
        other = receipt(epoch=Epoch(bytes(16)), number=99, state=EpochState.CLOSED)
        assert outcome(other) is Outcome.OTHER_EPOCH

    def test_another_gateways_receipt_is_refused(self) -> None:
        with pytest.raises(ReceiptRefusedError, match="gw-02"):
            outcome(receipt(gateway=GatewayId("gw-02")))


LOG = key_of("log")
LOG_KEY = NoteKey(name="log.example/1", key=LOG.public)


def checkpoint(size: int, root: bytes = bytes(32)) -> str:
    return sign_checkpoint(Checkpoint(origin=LOG_KEY.name, size=size, root=root), LOG).decode()


class TestCheckpoints:
    def test_the_first_and_every_larger_one_is_kept(self) -> None:
        first = check_checkpoint(receipt(checkpoint=checkpoint(5)), LOG_KEY, None)
        assert first == StoredCheckpoint(1000, checkpoint(5))
        larger = receipt(checkpoint=checkpoint(6), record_time=2000)
        assert check_checkpoint(larger, LOG_KEY, first) == StoredCheckpoint(2000, checkpoint(6))

    def test_the_same_one_again_is_nothing_new(self) -> None:
        seen = StoredCheckpoint(1000, checkpoint(5))
        assert check_checkpoint(receipt(checkpoint=checkpoint(5)), LOG_KEY, seen) is None
        assert check_checkpoint(receipt(), LOG_KEY, seen) is None

    def test_a_log_with_two_trees_of_one_size_is_refused(self) -> None:
        seen = StoredCheckpoint(1000, checkpoint(5))
        with pytest.raises(ReceiptRefusedError, match="two different trees"):
            check_checkpoint(receipt(checkpoint=checkpoint(5, b"\x01" * 32)), LOG_KEY, seen)

    def test_a_log_that_shrinks_is_refused(self) -> None:
        seen = StoredCheckpoint(1000, checkpoint(5))
        with pytest.raises(ReceiptRefusedError, match="shrank from 5 to 4"):
            check_checkpoint(receipt(checkpoint=checkpoint(4), record_time=2000), LOG_KEY, seen)

    def test_after_a_restore_receipts_count_while_the_log_is_refilled(self) -> None:
        seen = StoredCheckpoint(1000, checkpoint(5))
        known = receipt(number=2, checkpoint=checkpoint(2), record_time=2000)
        assert went_back(known, LOG_KEY, seen)
        for size, root in ((3, bytes(32)), (5, b"\x01" * 32)):
            came = receipt(checkpoint=checkpoint(size, root), record_time=3000)
            assert check_checkpoint(came, LOG_KEY, seen, restored=True) is None, "seen is kept"
        grown = receipt(checkpoint=checkpoint(6), record_time=4000)
        kept = check_checkpoint(grown, LOG_KEY, seen, restored=True)
        assert kept == StoredCheckpoint(4000, checkpoint(6))
        assert not went_back(grown, LOG_KEY, kept)

    def test_a_late_receipt_or_one_of_the_log_as_seen_is_no_restore(self) -> None:
        seen = StoredCheckpoint(1000, checkpoint(5))
        assert not went_back(None, LOG_KEY, seen)
        assert not went_back(receipt(checkpoint=checkpoint(5), record_time=2000), LOG_KEY, seen)
        assert not went_back(receipt(checkpoint=checkpoint(4), record_time=900), LOG_KEY, seen)

    def test_a_smaller_one_that_came_late_is_no_shrinking(self) -> None:
        seen = StoredCheckpoint(1000, checkpoint(5))
        late = receipt(checkpoint=checkpoint(4), record_time=900)
        assert check_checkpoint(late, LOG_KEY, seen) is None

    def test_one_that_the_log_did_not_sign_is_refused(self) -> None:
        with pytest.raises(ReceiptRefusedError, match="does not open"):
            check_checkpoint(
                receipt(checkpoint=checkpoint(5)),
                NoteKey(name=LOG_KEY.name, key=key_of("somebody").public),
                None,
            )
