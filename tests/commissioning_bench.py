"""A simulated line, an agent's settings for it, and the agent's command line."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plant.ca import PlantCA
from plant.clock import utc_now
from plant.line import Line
from protocols.wire.checkpoint import NoteKey
from protocols.wire.seal import SoftwareSealKey
from tests.arch.sources import ROOT


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


class Bench:
    """A line that runs, and an agent's settings for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = PlantCA(folder / "pki", now=utc_now())
        self.line = Line(folder, self.ca)
        self.settings = folder / "agent.toml"

    def write(self, sources: str) -> None:
        identity = self.ca.issue("gw-1")
        public = SoftwareSealKey.generate().public
        self.settings.write_text(
            f"""
            [gateway]
            id = "gw-1"
            data_dir = "agent"
            [uplink]
            host = "broker"
            ca = "{identity.ca}"
            certificate = "{identity.certificate}"
            key = "{identity.key}"
            [aggregator]
            seal_key = "{public.to_text()}"
            log_key = "{NoteKey(name="lotproof.example/x", key=public).to_text()}"
            [clock]
            synchronised = true
            """
            + sources,
            encoding="utf-8",
        )

    async def run(self, *arguments: str, typed: str = "") -> Said:
        """Run ``lotproof-agent`` in the folder, with what a person types."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "edge_agent", *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        out, err = await process.communicate(typed.encode())
        assert process.returncode is not None
        return Said(code=process.returncode, out=out.decode(), err=err.decode())

    async def check(self, *options: str) -> tuple[int, str]:
        said = await self.run("check", "--live", *options, "--settings", str(self.settings))
        return said.code, said.out

    async def found(self, *options: str) -> tuple[int, dict[str, Any]]:
        """Return the exit code, and what was said of each source and signal, by name."""
        code, out = await self.check("--json", *options)
        sources = json.loads(out)
        signals = {seen["signal"]: seen for source in sources for seen in source["signals"]}
        return code, {source["source"]: source for source in sources} | signals
