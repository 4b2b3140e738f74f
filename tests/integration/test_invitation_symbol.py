"""An invitation on a real terminal: a scanner reads from it the command for the gateway."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import zxingcpp

from plant.process import ask, our_command
from plant.site import Site
from tests.integration.agent_peer import replay_source

_HALVES = {" ": (255, 255), "▄": (255, 0), "▀": (0, 255), "█": (0, 0)}


def on_terminal(command: Sequence[str]) -> str:
    """Return what a command writes to a terminal."""
    ours, theirs = pty.openpty()
    written = b""
    try:
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs
        ) as running:
            os.close(theirs)
            while True:
                try:
                    some = os.read(ours, 65_536)
                except OSError:  # EIO: nobody writes to it any more
                    break
                if not some:
                    break
                written += some
        assert running.returncode == 0, written.decode()
    finally:
        os.close(ours)
    return written.decode()


def scanned(text: str) -> str:
    """Return what a scanner reads in the half blocks, in black on bright white, of a terminal."""
    lines = re.findall(r"\x1b\[30;107m(.*?)\x1b\[0m", text)
    halves = np.array([[_HALVES[cell] for cell in line] for line in lines], dtype=np.uint8)
    rows = halves.transpose(0, 2, 1).reshape(2 * len(lines), -1)
    image = np.kron(rows, np.ones((4, 4), dtype=np.uint8))
    (found,) = zxingcpp.read_barcodes(image, text_mode=zxingcpp.TextMode.Plain)
    return str(found.text)


async def test_a_scanner_reads_the_command_from_the_terminal(tmp_path: Path) -> None:
    async with Site(tmp_path) as site:
        await site.set_up(replay_source(tmp_path, rows=1, period_ms=20))
        invite = our_command("aggregator", "gateway", "invite", "gw-9")
        settings = ("--settings", str(site.aggregator_settings))
        shown = await asyncio.to_thread(on_terminal, [*invite, *settings])
        (command,) = re.findall(r"lotproof-agent enrol .*", shown.replace("\r", ""))
        assert scanned(shown) == command
        token = re.findall(r"token (\S+),", shown)[0]
        assert f"--token {token}" in command
        piped = await ask((*invite, *settings))
        assert "\x1b" not in piped, "no symbol where nobody looks"
