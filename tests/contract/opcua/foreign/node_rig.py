"""A press by node-opcua, as a process behind the proxy."""

from __future__ import annotations

import asyncio
import json
import math
import os
import signal
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from asyncua import ua

from plant.network import Proxy
from plant.ports import free_port
from protocols.field.opcua.settings import OpcuaSignal
from protocols.wire.reading import Kind
from tests.contract.driver_contract import Truth
from tests.contract.opcua.opcua_rig import ITEMS_A_CALL_MAX, URI, OpcuaRig
from tests.rigs.npm import installed

_HERE = Path(__file__).parent
_PATIENCE_S = 240.0


class NodeRig(OpcuaRig):
    """node-opcua's server with a node a type."""

    def __init__(self, proxy: Proxy) -> None:
        super().__init__(proxy)
        self.process: asyncio.subprocess.Process | None = None
        self.more: list[OpcuaSignal] = []
        self.said: asyncio.Task[None] | None = None

    def signals(self) -> list[OpcuaSignal]:
        def signal(name: str, address: str, kind: Kind = Kind.FLOAT64) -> OpcuaSignal:
            return OpcuaSignal(name=name, address=address, kind=kind, sampling_s=0.0)

        path = f"/Objects/nsu={URI};Press/nsu={URI};"
        return [
            signal("absent", f"nsu={URI};s=NoSuchNode"),
            signal("counter", f"nsu={URI};s=Counter", Kind.UINT),
            signal("temperature", path + "Temperature"),
            signal("absent-path", path + "NoSuchName"),
            signal("pressure", f"nsu={URI};s=Pressure", Kind.FLOAT32),
            signal("offset", path + "Offset", Kind.INT),
            signal("running", f"nsu={URI};s=Running", Kind.BOOL),
            signal("absent-namespace", "nsu=urn:nobody;s=Counter"),
            signal("lot", f"nsu={URI};s=Lot", Kind.TEXT),
            signal("frame", f"nsu={URI};s=Frame", Kind.BYTES),
            *self.more,
        ]

    def command(self) -> tuple[tuple[str, ...], dict[str, str]]:
        """Return what runs the server, and where it finds what it needs."""
        return ("node", str(_HERE / "node_opcua_server.js")), {"NODE_PATH": str(installed(_HERE))}

    async def start(self) -> None:
        port = free_port()
        command, found = self.command()
        self.process = await asyncio.create_subprocess_exec(
            *command,
            *map(str, (port, self.counted, ITEMS_A_CALL_MAX)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, **found},
        )
        assert self.process.stdout is not None
        async with asyncio.timeout(_PATIENCE_S):
            while line := await self.process.stdout.readline():
                if line.strip().isdigit():
                    break
        assert line, "the server did not start"
        self.said = asyncio.create_task(self._drain(self.process.stdout))
        self.proxy.target = ("127.0.0.1", port)

    async def stop(self) -> None:
        """End the server as a power cycle would."""
        process, self.process = self.process, None
        if process is not None:
            if process.returncode is None:
                process.kill()
            await process.wait()
            assert process.stdin is not None
            process.stdin.close()
        if self.said is not None:
            await self.said

    def hang(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    async def act(self, act: str, **given: object) -> None:
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"act": act, **given}).encode() + b"\n")
        await self.process.stdin.drain()

    async def write(
        self,
        name: str,
        value: object,
        *,
        kind: ua.VariantType | None = None,
        status: int = 0,
        shift: timedelta = timedelta(),
    ) -> None:
        if isinstance(value, bytes):
            value = value.hex()
        if isinstance(value, float) and not math.isfinite(value):
            value = "NaN" if math.isnan(value) else "-Infinity"
        more = {} if kind is None else {"kind": kind.name}
        seconds = shift.total_seconds()
        await self.act("put", name=name, value=value, status=status, shift=seconds, **more)

    def truths(self) -> Sequence[Truth]:
        # JSON knows no negative zero; the rest is as at the other server.
        return [truth for truth in super().truths() if truth.value != 0.0 or truth.value is False]

    async def _drain(self, stream: asyncio.StreamReader) -> None:
        while await stream.readline():
            pass
