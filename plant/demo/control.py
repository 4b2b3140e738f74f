"""Tricks on a running demo, asked for from another terminal over a socket in the out folder."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path
from typing import Any, Final, Self

from plant.demo.run import Demo
from plant.site import GATEWAY

SOCKET: Final = "demo.sock"
CUT_SECONDS: Final = 6.0
_CATCH_UP_S: Final = 90.0


class Control:
    """Listens for tricks while the demo serves its page."""

    def __init__(self, demo: Demo) -> None:
        self._demo = demo
        self._path = demo.out / SOCKET
        self._server: asyncio.Server | None = None
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Self:
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._answer, self._path)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        self._path.unlink(missing_ok=True)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        trick = (await reader.readline()).decode().strip()

        def tell(**said: object) -> None:
            writer.write(json.dumps(said).encode() + b"\n")

        async with self._turn:
            try:
                await self._play(trick, tell)
            except (TimeoutError, RuntimeError) as error:
                tell(text=str(error), ok=False)
        await writer.drain()
        writer.close()

    async def _play(self, trick: str, tell: Any) -> None:
        site = self._demo.site
        before = await self._ledger()
        tell(text=f"before: the gateway has committed {before['readings']:,} readings")
        if trick == "cut-network":
            await site.network.cut()
            tell(text=f"the network is cut for {CUT_SECONDS:.0f} s; the agent goes on collecting")
            await asyncio.sleep(CUT_SECONDS)
            during = await self._ledger()
            kept = during["readings"] - before["readings"]
            tell(text=f"{kept:,} readings more stand on the gateway's disk")
            await site.network.restore()
            tell(text="the network is back")
        else:
            await site.agent.kill()
            tell(text="the agent was killed with SIGKILL in the middle of its work")
            await site.agent.start()
            tell(text="it was started again")
        committed = await self._ledger()
        stored = await self._stored(committed["readings"])
        lost = max(0, committed["readings"] - stored["readings"])
        tell(
            text=f"committed by the gateway: {committed['readings']:,}; stored by the aggregator: "
            f"{stored['readings']:,}, in {stored['head'] + 1:,} bundles without a break; "
            f"lost: {lost}; stored twice: 0, since every reading has its number in the chain",
            ok=lost == 0 and stored["waiting"] == 0,
        )

    async def _ledger(self) -> dict[str, Any]:
        """Return what the agent itself says that it has committed; waits for a killed one."""
        async with asyncio.timeout(_CATCH_UP_S):
            while True:
                try:
                    said: dict[str, Any] = await self._demo.site.agent_status()
                except RuntimeError:
                    await asyncio.sleep(0.2)
                else:
                    return said

    async def _stored(self, readings: int) -> dict[str, Any]:
        """Wait until the aggregator has so many readings in an unbroken chain."""

        def caught_up(answer: Any) -> dict[str, Any] | None:
            for gateway in answer["items"]:
                if gateway["gateway"] == GATEWAY and gateway["readings"] >= readings:
                    found: dict[str, Any] = gateway
                    return found
            return None

        return await self._demo.site.client.until("/gateways", caught_up, timeout_s=_CATCH_UP_S)


def ask(out: Path, trick: str) -> int:
    """Ask the running demo for a trick and print what it tells; 0 only if nothing was lost."""
    ok = False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(120.0)
        try:
            line.connect(str(out / SOCKET))
        except OSError:
            print(f"no demo runs here ({out / SOCKET}); start one with ./dev demo")
            return 2
        line.sendall(trick.encode() + b"\n")
        with line.makefile(encoding="utf-8") as answers:
            for answer in answers:
                said = json.loads(answer)
                print(said["text"], flush=True)
                ok = bool(said.get("ok", ok))
    return 0 if ok else 1
