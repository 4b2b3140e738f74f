"""Records by the command line: assembled, and written into files in every form."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from aggregator.__main__ import app
from tests.recorded_plant import GTIN, bundles_of, recorded_plant


@pytest.fixture
async def settings(tmp_path: Path) -> Path:
    async with recorded_plant(tmp_path) as plant:
        await plant.take(bundles_of(plant))
    path = tmp_path / "aggregator.toml"
    path.write_text(
        f'keys_folder = "{tmp_path}/keys"\n[store]\nurl = "sqlite:///{tmp_path}/aggregator.db"\n'
    )
    return path


async def record(settings: Path, *arguments: str) -> Result:
    return await asyncio.to_thread(
        CliRunner().invoke, app, ["record", *arguments, "--settings", str(settings)]
    )


async def test_a_record_is_assembled_and_written_in_every_form(
    settings: Path, tmp_path: Path
) -> None:
    made = await record(settings, "assemble", GTIN, "L-1", "--json")
    assert made.exit_code == 0, made.output
    assert json.loads(made.stdout)["state"] == "complete"
    forms = "json,pdf,csv,exceptions,values,parquet,epcis,batchml,dossier,dossier-own"
    out = tmp_path / "new" / "folder"
    written = await record(settings, "export", GTIN, "L-1", "-f", forms, "--out", str(out))
    assert written.exit_code == 0, written.output
    names = {
        *("L-1.json", "L-1.pdf", "L-1.csv", "L-1.exceptions.csv", "L-1.values.csv", "L-1.parquet"),
        *("L-1.epcis.json", "L-1.batchml.xml", "L-1.dossier"),
        "L-1.own.dossier",
    }
    assert {path.name for path in out.iterdir()} == names
    assert {Path(line).name for line in written.stdout.split()} == names
    assert (out / "L-1.csv").read_bytes().count(b"\r\n") == 1 + json.loads(made.stdout)["readings"]


async def test_a_form_that_is_none_is_told_with_those_that_are(settings: Path) -> None:
    result = await record(settings, "export", GTIN, "L-1", "-f", "csv,doc")
    assert result.exit_code == 2
    assert "there is no form 'doc'" in result.output
    assert "parquet, epcis, batchml" in result.output
