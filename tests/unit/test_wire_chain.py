"""The chain's step: what follows, what repeats, what waits, and what forks."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from protocols.wire.chain import Chain, Link, Verdict, step
from protocols.wire.header import FIRST_PREVIOUS, Epoch, GatewayId
from protocols.wire.receipt import EpochState, Receipt, open_receipt, seal_receipt
from protocols.wire.topics import Channel, parse_topic, topic
from tests.sealed import key_named


def links(count: int, salt: str = "") -> list[Link]:
    made, previous = [], FIRST_PREVIOUS
    for number in range(count):
        leaf = hashlib.sha256(f"{salt}{number}".encode()).digest()
        made.append(Link(number, previous, leaf, number * 10, number * 10 + 10))
        previous = leaf
    return made


def placed(numbers: list[int]) -> Chain:
    chain, all_links = Chain(), links(10)
    for number in numbers:
        _, chain = step(chain, all_links[number], None)
    return chain


def test_the_next_moves_the_head() -> None:
    verdict, chain = step(Chain(), links(1)[0], None)
    assert (verdict, chain.head, chain.end_reading) == (Verdict.NEXT, 0, 10)


def test_what_waits_moves_with_the_head_when_the_gap_closes() -> None:
    chain = placed([0, 2, 3, 5])
    assert (chain.head, chain.missing) == (0, (range(1, 2), range(4, 5)))
    verdict, chain = step(chain, links(10)[1], None)
    assert (verdict, chain.head, chain.missing) == (Verdict.NEXT, 3, (range(4, 5),))


def test_a_repeat_is_told_from_a_fork_by_its_leaf() -> None:
    chain, link = placed([0, 1]), links(2)[1]
    assert step(chain, link, link.leaf) == (Verdict.REPEAT, chain)
    assert step(chain, link, bytes(32)) == (Verdict.FORK, chain)
    assert step(chain, link, None) == (Verdict.FORK, chain)  # below the head, and yet not stored


def test_a_link_that_contradicts_a_neighbour_forks() -> None:
    right = links(10)
    cases = [
        ([0], replace_link(right[1], previous=bytes(32))),
        ([0], replace_link(right[1], first_reading=11)),
        ([0, 3], replace_link(right[2], leaf=bytes(32))),
        ([0, 3], replace_link(right[2], end_reading=31)),
        ([0, 3], replace_link(right[4], previous=bytes(32))),
        ([2], replace_link(right[1], leaf=bytes(32))),
        ([], replace_link(right[0], previous=bytes([1] * 32))),
    ]
    for numbers, link in cases:
        chain = placed(numbers)
        assert step(chain, link, None) == (Verdict.FORK, chain)


def replace_link(link: Link, **changes: bytes | int) -> Link:
    return link._replace(**changes)  # type: ignore[arg-type]


def test_a_chain_is_a_value_and_a_step_leaves_the_old_one_alone() -> None:
    chain = placed([0, 2])
    before = replace(chain)
    step(chain, links(10)[3], None)
    assert chain == before


def test_a_receipt_comes_back_as_it_was_sealed() -> None:
    key = key_named("aggregator")
    receipt = Receipt(
        gateway=GatewayId("gw-1"),
        epoch=Epoch(bytes(16)),
        number=-1,
        leaf=FIRST_PREVIOUS,
        position=-1,
        checkpoint="",
        record_time=0,
        state=EpochState.CLOSED,
    )
    sealed = seal_receipt(receipt, key)
    assert open_receipt(sealed, key.public) == receipt
    assert seal_receipt(receipt, key) == sealed


def test_topics() -> None:
    for channel in Channel:
        assert parse_topic(topic("gw-1", channel)) == ("gw-1", channel)
