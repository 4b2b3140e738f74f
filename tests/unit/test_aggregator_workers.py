"""Workers: what they make comes back in order, whatever becomes of them, and they leave with us."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it has no types
import pytest

from aggregator.store.workers import Workers
from tests.integration.agent_peer import until


@pytest.fixture
def workers() -> Iterator[Workers]:
    made = Workers(2)
    yield made
    made.close()


def where(piece: int) -> tuple[int, int]:
    """Say which process did the piece."""
    return piece, os.getpid()


def refuse(piece: int) -> int:
    """Fail as bad data would."""
    raise ValueError(f"piece {piece} is none")


def die(piece: int) -> tuple[int, int]:
    """End the process as the system would that is out of memory; not the tests' own."""
    if os.getppid() == piece:
        os.kill(os.getpid(), signal.SIGKILL)
    return piece, os.getpid()


async def test_pieces_are_done_by_other_processes_in_order(workers: Workers) -> None:
    done = await workers.map(where, range(20))
    assert [piece for piece, _ in done] == list(range(20))
    processes = {process for _, process in done}
    assert os.getpid() not in processes
    assert 1 <= len(processes) <= 2
    again = await workers.map(where, range(2))
    assert {process for _, process in again} <= processes  # they stay for the next work


async def test_without_processes_or_for_one_piece_a_thread_does_it(workers: Workers) -> None:
    assert await Workers().map(where, [1, 2]) == [(1, os.getpid()), (2, os.getpid())]
    assert await workers.map(where, [1]) == [(1, os.getpid())]
    assert await workers.map(where, []) == []


async def test_one_long_piece_is_done_beside(workers: Workers) -> None:
    piece, process = await workers.one(where, 7)
    assert piece == 7
    assert process != os.getpid()
    assert await Workers().one(where, 7) == (7, os.getpid())


def niceness(piece: int) -> int:
    """Say how far the process gives way to others."""
    return os.nice(piece)


async def test_what_is_done_beside_gives_way(workers: Workers) -> None:
    own = os.nice(0)
    assert min(await workers.map(niceness, [0, 0])) > own or own == _NICEST
    assert os.nice(0) == own


_NICEST = 19  # nobody gives way any further


async def test_an_error_comes_back_and_the_worker_goes_on(workers: Workers) -> None:
    with pytest.raises(ValueError, match="is none"):
        await workers.map(refuse, [1, 2])
    assert len(await workers.map(where, [1, 2])) == 2


async def test_what_a_dead_worker_had_is_done_here(workers: Workers) -> None:
    me = os.getpid()
    assert await workers.map(die, [me, me, me]) == [(me, me)] * 3
    assert os.getpid() not in {process for _, process in await workers.map(where, range(4))}


def hang(piece: int) -> tuple[int, int]:
    """Never come back, but in the tests' own process."""
    if os.getppid() == piece:
        signal.pause()
    return piece, os.getpid()


async def test_what_a_worker_does_not_finish_is_done_here() -> None:
    me = os.getpid()
    workers = Workers(2, timeout_seconds=1.5)
    try:
        assert await workers.map(hang, [me, me]) == [(me, me)] * 2
    finally:
        workers.close()


def taken_in() -> int:
    """Return how many bytes our workers have read."""
    return sum(each.io_counters().read_chars for each in psutil.Process().children())


async def test_work_that_nobody_wants_any_more_is_given_up_without_a_word(workers: Workers) -> None:
    """Even while its piece is still on the way: a pipe that breaks then is our own doing."""
    await workers.map(where, range(2))
    before = taken_in()
    task = asyncio.create_task(workers.one(len, list(range(10_000_000))))
    await until(lambda: taken_in() > before + 1_000_000, "the piece was not given")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_workers_end_with_the_process_that_started_them() -> None:
    """Even where it is killed and can tell nobody."""
    program = (
        "import asyncio, time\n"
        "from aggregator.store.workers import Workers\n"
        "from tests.unit.test_aggregator_workers import where\n"
        "done = asyncio.run(Workers(2).map(where, range(8)))\n"
        "print(*{process for _, process in done}, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    async with asyncio.timeout(60):
        processes = [int(word) for word in (await parent.stdout.readline()).split()]
        parent.kill()
        await parent.wait()
    assert processes
    await until(lambda: not any(map(_runs, processes)), "the workers end")


def _runs(process: int) -> bool:
    try:
        stat = Path(f"/proc/{process}/stat").read_text(encoding="ascii")
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
