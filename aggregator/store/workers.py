"""Processes that reckon beside the aggregator's own: verifying seals is bound by the processor.

A worker is this module, run as a program: it reads pieces of work from its standard input and
writes what came of them to its standard output. It holds nothing between two pieces, and ends when
its input does: with the aggregator, however that ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from typing import IO, Any, Final, TypeVar, cast

import structlog

T = TypeVar("T")
P = TypeVar("P")
_log = structlog.get_logger(__name__)


class Workers:
    """Up to ``count`` processes, started when they are needed; with none, threads do the work."""

    def __init__(self, count: int = 0, *, timeout_seconds: float = 60.0) -> None:
        """Wait ``timeout_seconds`` for one piece of work; who takes longer is taken for dead."""
        self.count = count
        self._timeout = timeout_seconds
        self._idle: list[_Worker] = []
        self._turns = asyncio.Semaphore(max(count, 1))

    async def map(self, work: Callable[[P], T], pieces: Iterable[P]) -> list[T]:
        """Return what ``work``, a module's function, makes of each piece, in their order.

        One piece alone is done in a thread, and so is that of a worker which dies: slower, and
        none is lost.
        """
        waiting = list(pieces)
        if self.count == 0 or len(waiting) < 2:
            return [await asyncio.to_thread(work, piece) for piece in waiting]
        tasks = [asyncio.ensure_future(self._do(work, piece)) for piece in waiting]
        try:
            return list(await asyncio.gather(*tasks))
        finally:
            for task in tasks:  # where one has failed, nobody wants the others
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def one(self, work: Callable[[P], T], piece: P) -> T:
        """Return ``work(piece)``, done in a process: it is long, and threads share the interpreter.

        Whatever else waits for the interpreter, such as a commit, would wait for the work.
        """
        return await (self._do(work, piece) if self.count else asyncio.to_thread(work, piece))

    def close(self) -> None:
        """End the processes."""
        while self._idle:
            self._idle.pop().close()

    async def _do(self, work: Callable[[P], T], piece: P) -> T:
        async with self._turns:
            worker = self._idle.pop() if self._idle else _Worker()
            try:
                async with asyncio.timeout(self._timeout):
                    result = await asyncio.to_thread(worker.ask, work, piece)
            except (WorkerDiedError, TimeoutError) as error:
                _log.warning("worker_died", error=repr(error))
                worker.close()
                return await asyncio.to_thread(work, piece)
            except BaseException:
                worker.close()  # what it was at is given up
                raise
            self._idle.append(worker)
            return result


class WorkerDiedError(Exception):
    """A worker ended before it had answered."""


class _Worker:
    """One process, asked one thing at a time."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, work: Callable[[P], T], piece: P) -> T:
        """Return ``work(piece)``, done over there; WorkerDiedError where the process is gone."""
        try:
            if self._process is None:
                self._process = _start()
            given, answers = cast(
                "tuple[IO[bytes], IO[bytes]]", (self._process.stdin, self._process.stdout)
            )
            pickle.dump((work, piece), given, protocol=pickle.HIGHEST_PROTOCOL)
            given.flush()
            result, error = pickle.load(answers)  # noqa: S301 # it comes from our own process
        except (OSError, EOFError, pickle.UnpicklingError) as gone:
            raise WorkerDiedError(repr(gone)) from None
        if error is not None:
            raise error
        return cast("T", result)

    def close(self) -> None:
        """End the process, whatever it was at."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what was still to be written has no reader
                    pipe.close()
        process.wait()


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 # our own module, by the interpreter that runs us
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


def serve(given: IO[bytes], answers: IO[bytes]) -> None:
    """Do the work that comes in until there is no more."""
    while True:
        try:
            work, piece = pickle.load(given)  # noqa: S301 # it comes from the aggregator that started us
        except EOFError:
            return
        answer: tuple[Any, Exception | None]
        try:
            answer = (work(piece), None)
        except Exception as error:  # noqa: BLE001 # whoever asked gets it raised
            answer = (None, error)
        pickle.dump(answer, answers, protocol=pickle.HIGHEST_PROTOCOL)
        answers.flush()


_NICENESS: Final = 3
"""Where processors are short, what is done beside gives way to the aggregator itself, which takes
bundles in, answers, and goes through a lot's readings meanwhile."""

if __name__ == "__main__":
    os.nice(_NICENESS)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the aggregator to act on
    own_answers, sys.stdout = sys.stdout.buffer, sys.stderr  # nobody else writes among the answers
    serve(sys.stdin.buffer, own_answers)
