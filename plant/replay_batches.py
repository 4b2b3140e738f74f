"""Replay recorded batches through the whole line: ``python -m plant.replay_batches FILE``.

The rows of a CSV (``plant/equipment/recorded.py``) are served over Modbus, one row a poll; an agent
reads, seals and sends them, the aggregator cuts lots by the batch number that the equipment itself
shows, and the verifier judges every record. What was dirty in the file comes out as gaps and
exceptions.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, Final, Self

from plant.demo.teller import Teller
from plant.equipment.recorded import Pace, Recorded, RecordedServer, Row
from plant.line import table
from plant.process import ask, our_command
from plant.site import GATEWAY, Site
from protocols.wire.reading import SECOND

GTIN: Final = "09506000134369"
EQUIPMENT: Final = "demo/recorded/unit-1"
SOURCE: Final = "unit-1"
COUNTERS: Final = frozenset({"produced", "waste"})
PERIODS_MAX: Final = 3
"""A parameter owes a valid reading every so many polls."""
_PATIENCE_S: Final = 30.0
_STEP_S: Final = 15.0  # a longer step in time is a hole: recorded rows are 10 s apart
_HOLE_S: Final = 8.0  # what a stop and a new connection may take, at most


class BatchReplay:
    """A site whose one equipment shows recorded rows, as a context."""

    def __init__(
        self,
        folder: Path,
        columns: Sequence[str],
        rows: Sequence[Row],
        *,
        period_s: float = 0.02,
        embedded_broker: bool | None = None,
    ) -> None:
        """Keep everything in ``folder``; a row is shown until it was read, every ``period_s``."""
        self.columns = tuple(columns)
        self.rows = tuple(rows)
        self.period_s = period_s
        self.site = Site(folder, embedded_broker=embedded_broker)
        self.server = RecordedServer(
            columns, [*rows, _end(rows)], row_period_s=0.0, pace=Pace.READ, hole_s=_STEP_S
        )
        self._running = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.site)
            await stack.enter_async_context(self.server)
            self._running = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._running.aclose()

    @property
    def batches(self) -> tuple[int, ...]:
        """The batch numbers, in the order of the file."""
        return tuple(dict.fromkeys(row.batch for row in self.rows if row.batch is not None))

    async def run(self) -> None:
        """Set the site up and replay all rows; TimeoutError if they do not arrive."""
        site, last = self.site, self.rows[-1].number + 1
        await site.set_up(self._describe())
        await site.aggregator.start()
        await site.client.until("/lots", lambda _: True, timeout_s=_PATIENCE_S)
        for path, document in self._master_data():
            await site.client.put(path, document, reason="recorded batches")
        await site.agent.start()
        # A poll takes its period, or as long as it takes on a machine with other work to do.
        patience = _PATIENCE_S + 4 * len(self.rows) * self.period_s + _HOLE_S * self._holes()
        async with asyncio.timeout(patience):
            await self.server.finished.wait()
        await site.client.until(
            "/readings/latest", lambda answer: _newest_row(answer) == last, timeout_s=_PATIENCE_S
        )

    async def record(self, batch: int) -> dict[str, Any]:
        """Wait until the batch's record is complete, assemble it and return it."""
        client, path = self.site.client, f"/records/{GTIN}/{batch}"
        await client.until(
            f"{path}/preview",
            lambda answer: answer["state"] == "complete",
            timeout_s=_PATIENCE_S,
        )
        await client.post(path)
        found: dict[str, Any] = await client.get(f"{path}.json")
        return found

    async def export(self, batch: int, out: Path) -> str:
        """Leave the record in ``out`` and return the verifier's verdict; RuntimeError if bad."""
        for ending in ("json", "pdf", "dossier"):
            data = await self.site.client.fetch(f"/records/{GTIN}/{batch}.{ending}")
            (out / f"{batch}.{ending}").write_bytes(data)
        shutil.copyfile(self.site.policy, out / "trust.toml")
        dossier, policy = out / f"{batch}.dossier", out / "trust.toml"
        judged = await ask(our_command("verifier", str(dossier), "--trust", str(policy)))
        return judged.splitlines()[0]

    def _holes(self) -> int:
        times = [row.time for row in self.rows if row.time is not None]
        return sum(abs(after - before) > _STEP_S * SECOND for before, after in pairwise(times))

    def _describe(self) -> str:
        signals = self.server.signals(prefix=f"{SOURCE}/")
        path = self.site.folder / f"{SOURCE}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, ("name", "address", "type", "unit"))
            writer.writeheader()
            writer.writerows(signals)
        return table(
            "[source]",
            name=SOURCE,
            driver="modbus",
            host=self.server.host,
            port=self.server.port,
            period_s=self.period_s,
            signals_csv=path.name,
        )

    def _master_data(self) -> Iterator[tuple[str, dict[str, Any]]]:
        yield f"/equipment/{EQUIPMENT}", {"path": EQUIPMENT, "name": "Recorded unit"}
        for name, kind, role in (
            ("row", "uint", "variable"),
            ("batch", "uint", "lot_id"),
            ("campaign", "uint", "variable"),
            ("time", "uint", "variable"),
            *((name, "float64", _role(name)) for name in self.columns),
        ):
            document = {
                "gateway": GATEWAY,
                "signal": f"{SOURCE}/{name}",
                "equipment": EQUIPMENT,
                "value_kind": kind,
                "unit": "ns" if name == "time" else "",
                "role": role,
            }
            yield f"/signals/{GATEWAY}/{SOURCE}/{name}", document
        yield f"/materials/{GTIN}", {"gtin": GTIN, "name": "Recorded product"}
        for name in self.columns:
            limit: dict[str, Any] = {
                "gtin": GTIN,
                "parameter": name,
                "gateway": GATEWAY,
                "signal": f"{SOURCE}/{name}",
                "unit": "",
                "period_s": self.period_s,
                "gap_max_s": PERIODS_MAX * self.period_s,
            }
            yield f"/limits/{GTIN}/{name}", limit
        for batch in self.batches:
            lot = {"gtin": GTIN, "lot": str(batch), "material": "Recorded product"}
            yield f"/lots/{GTIN}/{batch}", lot


def read_batches(
    path: Path, *, batches: int | None = None, rows_max: int | None = None
) -> tuple[Recorded, list[Row]]:
    """Return the file and its rows: of the first ``batches`` the first ``rows_max`` each."""
    recorded = Recorded(path)
    rows: list[Row] = []
    for count, (_, run) in enumerate(groupby(recorded, key=lambda row: row.batch), 1):
        if batches is not None and count > batches:
            break
        rows += list(run)[:rows_max]
    return recorded, rows


def main() -> int:
    """Replay a file, leave the records in the out folder, tell what became of each batch."""
    asked = _arguments()
    try:
        recorded, rows = read_batches(asked.file, batches=asked.batches, rows_max=asked.rows)
    except (OSError, ValueError) as error:
        print(f"{asked.file} cannot be read as recorded batches: {error}")
        return 2
    if not rows or not any(row.batch for row in rows):
        print(f"{asked.file} names no batch; it needs a column batch or batch_id")
        return 2
    asked.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="lotproof-replay-") as folder:
        replay = BatchReplay(Path(folder), recorded.columns, rows, period_s=asked.period)
        return asyncio.run(_tell(replay, asked.out))


async def _tell(replay: BatchReplay, out: Path) -> int:
    teller = Teller()
    teller.begin()
    held = True
    async with replay:
        await replay.run()
        teller.tick(f"{len(replay.rows):,} rows replayed, {replay.server.holes} holes in time")
        for batch in replay.batches:
            record = await replay.record(batch)
            verdict = await replay.export(batch, out)
            rows = sum(row.batch == batch for row in replay.rows)
            arrived = next(
                each["readings"] for each in record["signals"] if each["signal"] == f"{SOURCE}/row"
            )
            kinds = sorted({each["kind"] for each in record["exceptions"]})
            told = (
                f"batch {batch}: {rows} rows in the file, {arrived} in the record, "
                f"exceptions: {', '.join(kinds) or 'none'}; {verdict}"
            )
            held &= arrived == rows
            (teller.tick if arrived == rows else teller.cross)(told)
    teller.say(f"            records, dossiers and the policy that judges them: {out}/")
    return 0 if held else 1


def _end(rows: Sequence[Row]) -> Row:
    """Return a row after the last, of no batch, so that the last batch ends."""
    last = rows[-1]
    return Row(
        number=last.number + 1,
        time=last.time,
        campaign=None,
        batch=None,
        values=dict.fromkeys(last.values, 0.0),
    )


def _role(name: str) -> str:
    return "counter" if name in COUNTERS else "variable"


def _newest_row(answer: Any) -> int | None:
    for item in answer["items"]:
        if item["signal"] == f"{SOURCE}/row" and item["values"]:
            number: int = item["values"][-1]
            return number
    return None


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m plant.replay_batches", description=__doc__)
    parser.add_argument("file", type=Path, help="CSV of recorded batches, also as .gz")
    parser.add_argument("--batches", type=int, help="replay the first N batches; else all")
    parser.add_argument("--rows", type=int, help="replay the first N rows of each batch; else all")
    parser.add_argument("--period", type=float, default=0.02, help="seconds a row (default 0.02)")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of what is left")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
