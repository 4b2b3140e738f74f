"""Whatever a driver hands over, every party accepts what was sealed, and the rest is counted."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from aggregator.model.gaps import merged
from edge_agent.buffer.buffer import Buffer
from edge_agent.errors import StorageFailedError
from edge_agent.sealing.gaps import HEADERS_MAX, _sound, shares
from edge_agent.sealing.packing import pack
from protocols.wire.bundle import SEED_BYTES, open_body
from protocols.wire.column import decode_column
from protocols.wire.header import encode_header
from protocols.wire.limits import HEADER_BYTES_MAX
from protocols.wire.reading import Gap, GapReason, Kind, Reading, SignalName, Status, TagRead
from tests.agent_line import NOW, SetClock, fsck, line_in
from tests.sealed import SealedGateway

integers = st.one_of(
    st.integers(-(2**70), 2**70), st.sampled_from([-(2**63), 2**63 - 1, 2**63, 2**64 - 1, 2**64])
)
tag_reads = st.builds(
    TagRead,
    epc=st.one_of(st.binary(max_size=12), st.text(max_size=3)),
    epc_bits=st.integers(0, 96),
    antenna=integers,
    rssi=st.integers(-10_000, 10),
    first_seen=integers,
    last_seen=integers,
    count=st.integers(0, 9),
)
values = st.one_of(
    st.none(),
    st.booleans(),
    integers,
    st.floats(),
    st.text(max_size=5),
    st.just("x" * 65_536),
    st.binary(max_size=5),
    tag_reads,
)
readings = st.builds(
    Reading,
    signal=st.sampled_from(["a", "b", "", "x" * 300, "\ud800"]).map(SignalName),
    kind=st.sampled_from(Kind),
    value=values,
    gateway_time=st.one_of(st.integers(NOW, NOW + 10**9), integers),
    source_time=st.one_of(st.none(), st.integers(NOW, NOW + 10**9), integers),
    status=st.sampled_from(Status),
    code=st.integers(-(2**31), 2**32),
    raw=st.binary(max_size=4),
)


def timed(source_time: int) -> Reading:
    return Reading(SignalName("a"), Kind.FLOAT64, 1.5, NOW, source_time)


@given(st.lists(readings, max_size=12))
@example([timed(NOW), timed(-(2**63)), timed(NOW), timed(2**63 - 1), timed(-(2**63))])
@settings(max_examples=300)
def test_what_is_sealed_every_party_accepts_and_the_rest_is_counted(given: list[Reading]) -> None:
    packed, sifted = pack(given)
    assert len(sifted.sound) + len(sifted.refused) == len(given)
    assert sum(sifted.reasons.values()) == len(sifted.refused)
    gateway = SealedGateway()
    for body in packed:
        _, header = gateway.draft()
        changed = {"body_hash": body.body_hash, "count": body.count}
        opened = open_body(_replace(header, **changed), body.body)
        assert len(opened.seed) == SEED_BYTES
        assert sum(len(decode_column(data)) for data in opened.columns) == body.count
    assert sum(body.count for body in packed) == len(sifted.sound)


gaps = st.builds(
    Gap,
    subject=st.sampled_from(["*", "press-1", "s" * 5000, "\ud800"]),
    start=st.integers(-10, 10**6),
    end=st.integers(-10, 10**6),
    reason=st.sampled_from(GapReason),
    count=st.one_of(st.none(), st.integers(0, 100)),
)


@given(st.lists(gaps, max_size=8), st.integers(1, 200))
@settings(max_examples=100)
def test_gaps_fit_a_header_and_cover_what_they_covered(few: list[Gap], times: int) -> None:
    many = [gap for gap in few for _ in range(times)]
    several = shares(many)
    assert 1 <= len(several) <= HEADERS_MAX
    for share in several:
        _, header = SealedGateway().draft(gaps=share)
        assert len(encode_header(header)) < HEADER_BYTES_MAX
    fitted = [gap for share in several for gap in share]
    came = [gap for gap in map(_sound, few) if gap.reason is GapReason.BACKFILLED]
    for gap in fitted:
        if gap.reason is GapReason.BACKFILLED:
            spans = [(g.start, g.end) for g in came if g.subject == gap.subject]
            whole = [*spans, *merged(spans)]
            assert any(start <= gap.start and gap.end <= end for start, end in whole)
    for gap in few:
        if gap.reason is GapReason.BACKFILLED:
            continue  # it takes gaps back: left out, more is declared missing
        start, end = sorted((max(0, gap.start), max(0, gap.end)))
        assert any(
            found.reason is gap.reason and found.start <= start and end <= found.end
            for found in fitted
        )


steps = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.integers(1, 30)),
        st.tuples(st.just("urgent"), st.integers(1, 3)),
        st.tuples(st.just("cut"), st.just(0)),
        st.tuples(st.just("kill"), st.just(0)),
        st.tuples(st.just("stop"), st.just(0)),
        st.tuples(st.just("step the clock"), st.integers(-(10**12), 10**12)),
        st.tuples(st.just("fail the disk"), st.just(0)),
    ),
    max_size=25,
)


@given(steps)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_history_leaves_a_whole_chain_that_holds_what_was_acknowledged(
    history: list[tuple[str, int]],
) -> None:
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(_live_through(Path(name), history))


async def _live_through(folder: Path, history: list[tuple[str, int]]) -> None:
    acknowledged = counter = 0
    clock = SetClock()
    remaining = list(history)
    while True:
        async with line_in(folder, source=clock, readings_max=60) as line:
            ended = await _run(line, remaining, clock)
            acknowledged += sum(int(mark.split()[1]) for mark in line.committed)
            counter += 1
        report = fsck(folder)
        assert not report.problems
        assert report.readings >= acknowledged
        if ended:
            return


async def _run(line: Any, remaining: list[tuple[str, int]], clock: SetClock) -> bool:
    """Go on with the history until the agent is gone; tell whether the history is over."""
    await line.sealer.cut()
    while remaining:
        what, amount = remaining.pop(0)
        clock.advance(1_000_000)
        if what in ("read", "urgent"):
            line.offer(*[line.reading(float(n)) for n in range(amount)], urgent=what == "urgent")
        elif what == "cut":
            await line.sealer.cut()
        elif what == "kill":
            return False
        elif what == "stop":
            line.inbox.close()
            await line.sealer.run()
            return False
        elif what == "step the clock":
            clock.wall_time += amount
        else:
            await _fail_once(line)
            return False
    return True


async def _fail_once(line: Any) -> None:
    """Let the disk fail under a commit: nothing is acknowledged, then or after it."""
    buffer: Buffer = line.storage.buffer
    line.offer(line.reading())
    before = list(line.committed)
    await line.storage.run(lambda open_: open_._connection.execute("PRAGMA query_only = ON"))
    for _ in range(2):
        try:
            await line.sealer.cut()
        except StorageFailedError:
            assert line.committed == before
        else:
            raise AssertionError("the disk failed and nobody noticed")
    assert buffer.head.number >= 0


def _replace(header: Any, **changes: object) -> Any:
    return type(header)(
        **{
            **{name: getattr(header, name) for name in header.__dataclass_fields__},
            **changes,
        }
    )
