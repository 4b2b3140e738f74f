"""A whole site in one folder: authority, broker, aggregator and agent, each a process of its own.

The demo, the end-to-end tests and the fault tests run this. It is set up by the commands that a
person would type, so that those commands are tried each time.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any, Final, Self

from plant.broker import Broker
from plant.ca import PlantCA
from plant.client import Client
from plant.clock import utc_now
from plant.line import table
from plant.network import Proxy
from plant.ports import free_port
from plant.process import Process, ask, our_command

GATEWAY: Final = "gw-1"
ORIGIN: Final = "lotproof.local/demo-plant"


class Site:
    """One broker, one aggregator and one gateway, with the network between them in our hands."""

    def __init__(
        self,
        folder: Path,
        *,
        embedded_broker: bool | None = None,
        store_url: str = "",
        port: int | None = None,
    ) -> None:
        """Keep everything in ``folder``; ``store_url`` empty takes SQLite in it."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.ca = PlantCA(folder / "pki", now=utc_now())
        self.broker = Broker(folder / "broker", self.ca.issue("broker"), embedded=embedded_broker)
        self.network = Proxy()
        self.port = port or free_port()
        self.aggregator_settings = folder / "aggregator.toml"
        self.agent_settings = folder / "agent.toml"
        self.policy = folder / "trust.toml"
        self.store_url = store_url or f"sqlite:///{folder / 'aggregator.db'}"
        self.aggregator = self._process("aggregator", self.aggregator_settings)
        self.agent = self._process("edge_agent", self.agent_settings)
        self.client = Client(f"http://127.0.0.1:{self.port}")
        self._open = contextlib.AsyncExitStack()

    @property
    def mqtt(self) -> str:
        """Version of MQTT to speak: the embedded broker leaves a client of 5 without an answer."""
        return "3.1.1" if self.broker.embedded else "auto"

    @property
    def buffer(self) -> Path:
        """Folder of the agent's data."""
        return self.folder / "agent"

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(self.broker)
            self.network.target = ("127.0.0.1", self.broker.port)
            await stack.enter_async_context(self.network)
            stack.push_async_callback(self.client.close)
            stack.push_async_callback(self.aggregator.stop)
            stack.push_async_callback(self.agent.stop)
            self._open = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def set_up(self, sources: str, *, extra: str = "") -> None:
        """Write both settings files, make the keys, register the gateway, take a token.

        ``sources`` are the agent's ``[[source]]`` tables, ``extra`` other tables of its settings.
        """
        self._write_aggregator_settings()
        seal_key, log_key = await self._aggregator_keys()
        self._write_agent_settings(seal_key, log_key, sources, extra)
        gateway_key = (await self._ask("edge_agent", self.agent_settings, "key")).split()[-1]
        await self._ask("aggregator", self.aggregator_settings, "migrate")
        await self._ask(
            "aggregator", self.aggregator_settings, "gateway", "add", GATEWAY, "--key", gateway_key
        )
        self.client.token = await self.token("plant", "integration", "engineer", "qa", "auditor")
        self.policy.write_text(
            f'aggregator = ["{seal_key}"]\nlog = "{log_key}"\n\n'
            f'[gateways]\n{GATEWAY} = ["{gateway_key}"]\n',
            encoding="utf-8",
        )

    async def token(self, name: str, *roles: str) -> str:
        """Give a service a token from the command line, as an administrator does."""
        given = [argument for role in roles for argument in ("--role", role)]
        return (await self._user("token", name, *given)).split()[-1]

    async def login_link(self, name: str, role: str) -> str:
        """Return an address that opens the console once, as somebody with the role."""
        code = (await self._user("link", name, "--role", role)).split()[-1]
        return f"{self.client.base}/login?link={code}"

    async def agent_status(self) -> dict[str, Any]:
        """Return what the agent says of itself; RuntimeError where none answers."""
        command = our_command(
            "edge_agent", "status", "--json", "--settings", str(self.agent_settings)
        )
        printed = await ask(
            command, codes=(0, 1)
        )  # 1: it answers, and has something to worry about
        if not printed:
            raise RuntimeError("no agent answers")
        status: dict[str, Any] = json.loads(printed)
        return status

    async def _user(self, *arguments: str) -> str:
        return await self._ask("aggregator", self.aggregator_settings, "user", *arguments)

    async def _aggregator_keys(self) -> tuple[str, str]:
        printed = await self._ask("aggregator", self.aggregator_settings, "key")
        words = printed.split()
        seal_key = next(word for word in words if word.startswith("ED25519:"))
        log_key = next(word for word in words if word.startswith(f"{ORIGIN}+"))
        return seal_key, log_key

    async def _ask(self, module: str, settings: Path, *arguments: str) -> str:
        return await ask(our_command(module, *arguments, "--settings", str(settings)))

    def _process(self, module: str, settings: Path) -> Process:
        command = our_command(module, "run", "--settings", str(settings))
        return Process(module, command, self.folder / f"{module}.log")

    def _write_aggregator_settings(self) -> None:
        issued = self.ca.issue("aggregator")
        tables = (
            f'keys_folder = "{self.folder / "aggregator-keys"}"\n',
            table("store", url=self.store_url),
            table(
                "broker",
                host="127.0.0.1",
                port=self.broker.port,
                version=self.mqtt,
                ca_file=str(issued.ca),
                certificate_file=str(issued.certificate),
                key_file=str(issued.key),
                retry_seconds_max=1,
            ),
            table("log", origin=ORIGIN, checkpoint_seconds=1.0),
            table("segments", build_seconds=2.0, bundles_min=20),
            # One hand sets a simulated plant up; nobody is there to approve its limits.
            table("master", approval=[]),
            table("api", host="127.0.0.1", port=self.port),
        )
        self.aggregator_settings.write_text("\n".join(tables), encoding="utf-8")

    def _write_agent_settings(self, seal_key: str, log_key: str, sources: str, extra: str) -> None:
        issued = self.ca.issue_gateway(GATEWAY)
        tables = (
            table("gateway", id=GATEWAY, data_dir=str(self.buffer)),
            table("seal", age_max_s=0.5, heartbeat_s=1.0),
            table(
                "uplink",
                host="127.0.0.1",
                port=self.network.port,
                mqtt=self.mqtt,
                ca=str(issued.ca),
                certificate=str(issued.certificate),
                key=str(issued.key),
                keepalive_s=2,
                timeout_s=3.0,
                backoff_max_s=1.0,
                receipt_wait_s=0.3,
                resend_after_s=2.0,
                life_s=1.0,
                backlog_bytes_per_s=4_194_304,
            ),
            table("aggregator", seal_key=seal_key, log_key=log_key),
            table("collect", backoff_min_s=0.2, backoff_max_s=1.0),
            table("clock", synchronised=True),
            extra,
            sources,
        )
        self.agent_settings.write_text("\n".join(tables), encoding="utf-8")
