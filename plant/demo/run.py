"""The demo's course: a site, two lots of one order, their records, and the verifier's word."""

from __future__ import annotations

import asyncio
import shlex
import shutil
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from plant.clock import monotonic
from plant.demo import orders
from plant.demo.teller import Teller
from plant.line import Line
from plant.process import ask, our_command
from plant.script import Trouble, play, script
from plant.site import GATEWAY, Site

SEED: Final = 42
LOT_SECONDS: Final = 7.0
TROUBLES: Final = ((Trouble.NETWORK_CUT,), (Trouble.EXCURSION,))  # of each lot
PERSONS: Final = (("li.wei", "Li Wei", "qa"), ("chen.jie", "Chen Jie", "releaser"))
FIRST_READING_S: Final = 10.0
RECORD_S: Final = 40.0


class StepError(Exception):
    """A step of the demo did not hold; the message says which and what was seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What may be asked of a demo."""

    port: int | None = None  # of the page; None takes a free one
    embedded_broker: bool | None = None  # None: mosquitto where it is
    patience: float = 1.0  # multiplies the times within which things must happen


class Demo:
    """A site that makes two lots and proves them, as a context."""

    def __init__(self, folder: Path, out: Path, teller: Teller, wishes: Wishes) -> None:
        """Work in ``folder``, leave records in ``out``."""
        self.out = out
        self.teller = teller
        self.patience = wishes.patience
        self.site = Site(folder / "site", embedded_broker=wishes.embedded_broker, port=wishes.port)
        self.line = Line(folder / "site", self.site.ca, seed=SEED)
        self._running = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self.out.mkdir(parents=True, exist_ok=True)
        self.teller.say("Lotproof: from a PLC's register to a batch record that proves itself\n")
        async with AsyncExitStack() as stack:
            await self._start(stack)
            self._running = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._running.aclose()

    async def _start(self, stack: AsyncExitStack) -> None:
        self.line.press.model.warm_up()
        await stack.enter_async_context(self.line)
        await stack.enter_async_context(self.site)
        self.teller.tick(f"plant CA made, broker started with mutual TLS: {self.site.broker.name}")
        await self.site.set_up(self.line.describe())
        self.teller.tick("keys made, gateway registered, settings written")
        self.teller.begin()
        await self.site.aggregator.start()
        await self.site.agent.start()
        self.teller.tick(
            "press (OPC UA), clean room (Modbus), portal (LLRP), agent, aggregator run"
        )

    async def produce(self) -> None:
        """Make both lots, assemble their records and have them verified; StepError if one fails."""
        self.line.portal.arrive(bytes.fromhex(orders.CARRIERS[0]), 1)
        await self._first_readings()
        await self._put(
            orders.master_data(self.patience), "equipment, signals, product and limits put"
        )
        await self._put(orders.lots(), f"work order {orders.ORDER} with {len(orders.LOTS)} lots")
        for number, lot in enumerate(orders.LOTS):
            await self._make(lot, orders.CARRIERS[number], TROUBLES[number])
        for lot in orders.LOTS:
            await self._prove(lot)
        within = RECORD_S * self.patience
        self._in_time(within, f"records proved within {within:.0f} s")

    async def invite(self) -> None:
        """Say where the page is and what else can be tried."""
        link = await self.site.login_link("visitor", "qa")
        settings = shlex.quote(str(self.site.aggregator_settings))
        persons = "".join(
            f"  .venv/bin/lotproof-aggregator user add {user} --name {name!r} --role {role} "
            f"-s {settings}\n"
            for user, name, role in PERSONS
        )
        self.teller.say(
            f"\nThe console, to look around as QA (the link opens once): {link}\n"
            f"To review and release: make two persons, who log in at {self.site.client.base}/login "
            "with what each\ncommand prints, and an authenticator:\n"
            f"{persons}"
            "While this runs, try in another terminal:\n"
            "  ./dev demo cut-network   what a cut of the network loses\n"
            "  ./dev demo kill-agent    what a kill -9 of the agent loses\n"
            "  ./dev demo tamper        what the verifier says of an altered reading\n"
            "Ctrl-C ends it."
        )

    async def _first_readings(self) -> None:
        def from_all(answer: Any) -> dict[str, Any] | None:
            seen = {
                item["signal"].partition("/")[0] for item in answer["items"] if item["readings"]
            }
            return answer if {"press-1", "cleanroom-1", "portal-1"} <= seen else None

        await self._until("/readings/latest", from_all, 30.0, "first verified readings")
        within = FIRST_READING_S * self.patience
        self._in_time(
            within,
            f"first verified readings of all three protocols are stored, within {within:.0f} s",
        )

    async def _make(self, lot: str, carrier: str, troubles: tuple[Trouble, ...]) -> None:
        await self.site.client.post(
            "/facts",
            {
                "kind": "association",
                "carrier": carrier,
                "lot": {"gtin": orders.GTIN, "lot": lot},
                "reason": "loaded at the rack",
            },
        )
        self.line.portal.arrive(bytes.fromhex(carrier), 1)
        await self.line.press.start_lot(lot, orders.ORDER)
        self.teller.tick(f"lot {lot} started at the press; its carrier arrived")
        ends = monotonic() + LOT_SECONDS
        events = script(SEED, troubles, lot_seconds=LOT_SECONDS)
        async for event in play(events, self.line, self.site.network):
            self.teller.tick(str(event))
        await asyncio.sleep(max(0.0, ends - monotonic()))
        await self.line.press.end_lot()
        self.line.portal.leave(bytes.fromhex(carrier))
        self.teller.tick(f"lot {lot} ended")
        await asyncio.sleep(0.5)  # a moment of an empty press between the lots

    async def _prove(self, lot: str) -> None:
        client, path = self.site.client, f"/records/{orders.GTIN}/{lot}"

        def complete(answer: Any) -> dict[str, Any] | None:
            return answer if answer["state"] == "complete" else None

        counts = await self._until(f"{path}/preview", complete, 20.0, f"completeness of {lot}")
        await client.post(path)
        self.teller.tick(
            f"record of {lot}: {counts['readings']:,} readings, {counts['seals']} seals verified, "
            f"{counts['exceptions']} exceptions, {counts['excursions']} excursions"
        )
        expected = Trouble.EXCURSION in TROUBLES[orders.LOTS.index(lot)]
        self._hold(
            (counts["excursions"] > 0) is expected,
            "the excursion is in the record" if expected else "no excursion is in the record",
        )
        if not expected:
            self._hold(counts["exceptions"] == 0, "the cut of the network has left no gap in it")
        for ending in ("json", "pdf", "dossier"):
            (self.out / f"{lot}.{ending}").write_bytes(await client.fetch(f"{path}.{ending}"))
        shutil.copyfile(self.site.policy, self.out / "trust.toml")
        await self._verify(lot)

    async def _verify(self, lot: str) -> None:
        dossier = self.out / f"{lot}.dossier"
        command = our_command("verifier", str(dossier), "--trust", str(self.out / "trust.toml"))
        try:
            said = await ask(command)
        except RuntimeError as error:
            raise StepError(f"the verifier refused {dossier}: {error}") from None
        self.teller.tick(said.splitlines()[0])
        self.teller.say(f"            {self.out}/{lot}.pdf  .json  .dossier")

    async def _put(self, documents: Any, told: str) -> None:
        for path, document in documents:
            await self.site.client.put(path, document, reason="set up by the demo")
        self.teller.tick(told)

    async def _until(
        self, path: str, holds: Callable[[Any], Any], timeout_s: float, what: str
    ) -> Any:
        try:
            return await self.site.client.until(path, holds, timeout_s=timeout_s * self.patience)
        except TimeoutError as error:
            logs = (
                f"agent: {self.site.agent.tail(800)}\naggregator: {self.site.aggregator.tail(800)}"
            )
            raise StepError(f"{what} did not come: {error}\n{logs}") from None

    def _in_time(self, within: float, text: str) -> None:
        held = self.teller.seconds <= within
        self._hold(held, text if held else f"{text}; on a busy machine try --patience 2")

    def _hold(self, held: bool, text: str) -> None:
        if not held:
            raise StepError(f"not so: {text} ({self.teller.seconds:.1f} s, gateway {GATEWAY})")
        self.teller.tick(text)
