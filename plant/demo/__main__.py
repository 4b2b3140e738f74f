"""Command line of the demo: ``python -m plant.demo [cut-network|kill-agent|tamper] [--once]``."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
import tempfile
from pathlib import Path

from plant.demo import control, tamper
from plant.demo.run import Demo, StepError
from plant.demo.teller import Teller


def main() -> int:
    """Run the demo, or one of its tricks against a demo that runs; return the exit code."""
    asked = _arguments()
    teller = Teller()
    logging.getLogger("asyncua").setLevel(logging.ERROR)  # the screen is for the demo's steps
    if asked.trick == "tamper":
        return tamper.run(asked.out, teller)
    if asked.trick:
        return control.ask(asked.out, asked.trick)
    try:
        return asyncio.run(_run(asked.out, once=asked.once, port=asked.port, teller=teller))
    except StepError as error:
        teller.cross(str(error))
        return 1
    except KeyboardInterrupt:
        return 130


async def _run(out: Path, *, once: bool, port: int | None, teller: Teller) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    with tempfile.TemporaryDirectory(prefix="lotproof-demo-") as folder:
        async with Demo(Path(folder), out, teller, port=port) as demo:
            for name in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(name, stop.set)
            running = asyncio.create_task(demo.produce())
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not running.done():
                running.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await running
                return 130
            running.result()
            if not once:
                async with control.Control(demo):
                    await demo.invite()
                    await stopping
            stopping.cancel()
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev demo", description=__doc__)
    parser.add_argument(
        "trick",
        nargs="?",
        default="",
        choices=("", "cut-network", "kill-agent", "tamper"),
        help="what to do to a demo that runs (tamper: to the files that it left)",
    )
    parser.add_argument(
        "--once", action="store_true", help="end when the lots are proved; exit 0 only if they are"
    )
    parser.add_argument("--port", type=int, default=None, help="port of the page; else a free one")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of what is left")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
