"""Assemble the record of a lot, and write it into files in the forms that are asked for."""

from __future__ import annotations

import asyncio
import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from aggregator.access.roles import Actor, Role
from aggregator.app import open_context
from aggregator.cli import shell
from aggregator.cli.shell import AsJson, SettingsFile
from aggregator.errors import ExportError
from aggregator.export.disclosure import Disclosure
from aggregator.export.languages import CATALOGUES, Language
from aggregator.service import export_forms, export_record
from aggregator.service.assemble_record import StoredRecord, assemble_record
from aggregator.service.context import Context
from aggregator.service.export_dossier import export_dossier
from aggregator.settings import Settings

app = typer.Typer(help="Assemble records and take them out.")

Gtin = Annotated[str, typer.Argument(help="GTIN of 8, 12, 13 or 14 digits")]
LotId = Annotated[str, typer.Argument(help="the lot's id; case matters")]


class Form(StrEnum):
    """A form of a record; the value is what `-f` takes and, but for a few, how the file ends."""

    JSON = "json"
    PDF = "pdf"
    CSV = "csv"
    EXCEPTIONS = "exceptions"
    VALUES = "values"
    PARQUET = "parquet"
    EPCIS = "epcis"
    BATCHML = "batchml"
    DOSSIER = "dossier"
    DOSSIER_OWN = "dossier-own"  # with the signals that observed the lot, and no others


@app.command("assemble")
def assemble_command(
    gtin: Gtin, lot: LotId, settings: SettingsFile = None, as_json: AsJson = False
) -> None:
    """Assemble a lot's record from the evidence, every seal verified, and keep it as a version."""

    async def act(chosen: Settings) -> StoredRecord:
        async with open_context(chosen) as context:
            return await assemble_record(context, shell.person(_ROLE), gtin, lot)

    found = shell.do(act(shell.settings(settings))).summary
    if as_json:
        shown = {
            "version": found.version,
            "content_hash": found.content_hash,
            "state": found.state.value,
            "readings": found.readings,
            "exceptions": found.exceptions,
        }
        typer.echo(json.dumps(shown))
        return
    typer.echo(
        f"{found.lot} version {found.version}: {found.state.value}, {found.readings} readings, "
        f"{found.exceptions} exceptions\nSHA-256 {found.content_hash}"
    )


@app.command("export")
def export_command(
    gtin: Gtin,
    lot: LotId,
    *,
    forms: Annotated[
        str, typer.Option("--form", "-f", help=f"one or several of {', '.join(Form)}")
    ] = "pdf",
    out: Annotated[Path, typer.Option("--out", help="the folder to write into")] = Path(),
    lang: Annotated[Language, typer.Option(help="of the PDF")] = Language.ENGLISH,
    settings: SettingsFile = None,
) -> None:
    """Write the newest version of a lot's record into files; each is told to the audit trail."""
    wanted = shell.checked(lambda: _forms(forms))

    async def act(chosen: Settings) -> list[Path]:
        async with open_context(chosen) as context:
            return [await _write(context, gtin, lot, form, lang=lang, out=out) for form in wanted]

    for path in shell.do(act(shell.settings(settings))):
        typer.echo(str(path))


def _forms(text: str) -> list[Form]:
    names = [name.strip() for name in text.split(",")]
    if strange := [name for name in names if name not in set(Form)]:
        raise ExportError(f"there is no form {strange[0]!r}", hint=f"there are {', '.join(Form)}")
    return [Form(name) for name in names]


async def _write(
    context: Context, gtin: str, lot: str, form: Form, *, lang: Language, out: Path
) -> Path:
    path = out / f"{lot.replace('/', '_')}.{_ENDINGS.get(form, form.value)}"
    data = await _export(context, shell.person(_ROLE), gtin, lot, form, lang=lang)
    try:
        await asyncio.to_thread(_put, path, data)
    except OSError as error:
        raise ExportError(f"{path} cannot be written: {error.strerror}") from None
    return path


async def _export(
    context: Context, actor: Actor, gtin: str, lot: str, form: Form, *, lang: Language
) -> bytes:
    match form:
        case Form.JSON:
            return await export_record.export_json(context, actor, gtin, lot)
        case Form.PDF:
            return await export_record.export_pdf(context, actor, gtin, lot, CATALOGUES[lang])
        case Form.CSV:
            table = await export_forms.export_readings(context, actor, gtin, lot)
            return await asyncio.to_thread(b"".join, table)
        case Form.EXCEPTIONS:
            return await export_forms.export_exceptions(context, actor, gtin, lot)
        case Form.VALUES:
            return await export_forms.export_values(context, actor, gtin, lot)
        case Form.PARQUET:
            return await export_forms.export_parquet(context, actor, gtin, lot)
        case Form.EPCIS:
            return await export_forms.export_epcis(context, actor, gtin, lot)
        case Form.BATCHML:
            return await export_forms.export_batchml(context, actor, gtin, lot)
        case Form.DOSSIER | Form.DOSSIER_OWN:
            shown = Disclosure.WHOLE if form is Form.DOSSIER else Disclosure.OWN
            return await export_dossier(context, actor, gtin, lot, shown)


def _put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


_ROLE: Final = Role.INTEGRATION  # assembles and exports, and decides nothing
_ENDINGS: Final = {
    Form.EXCEPTIONS: "exceptions.csv",
    Form.VALUES: "values.csv",
    Form.EPCIS: "epcis.json",
    Form.BATCHML: "batchml.xml",
    Form.DOSSIER_OWN: "own.dossier",
}
