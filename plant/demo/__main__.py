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
from plant.demo.run import Demo, StepError, Wishes
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
        return asyncio.run(_run(asked, teller))
    except StepError as error:
        teller.cross(str(error))
        return 1
    except KeyboardInterrupt:
        return 130


async def _run(asked: argparse.Namespace, teller: Teller) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    with tempfile.TemporaryDirectory(prefix="lotproof-demo-") as folder:
        wishes = Wishes(
            port=asked.port,
            embedded_broker=asked.embedded_broker or None,
            patience=asked.patience,
        )
        async with Demo(Path(folder), asked.out, teller, wishes) as demo:
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
            if not asked.once:
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
    parser.add_argument(
        "--embedded-broker", action="store_true", help="do without mosquitto, even where it is"
    )
    parser.add_argument(
        "--patience",
        type=float,
        default=1.0,
        help="multiply the times within which things must happen, for a busy machine",
    )
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of what is left")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
