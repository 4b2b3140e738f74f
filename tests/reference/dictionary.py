"""The page of the data dictionary, from ``config/dictionary`` and the documents."""

from __future__ import annotations

from aggregator.service.master.dictionary import Dictionary, FieldEntry, load_dictionary
from aggregator.service.master.documents import DOCUMENTS, EntityKind
from tests.arch.sources import ROOT


def dictionary_page() -> str:
    """Return a page with every field, and the fields of every document."""
    found = load_dictionary(ROOT / "config" / "dictionary")
    return "\n".join(
        [
            "# Data dictionary",
            "",
            f"Version {found.version}, since {found.since}: {found.why}. Written by `./dev docs`",
            "from `config/dictionary`; do not edit. A field means the same in every document that",
            "has it; how the dictionary changes stands in",
            "[the specification](../specs/master-data.md).",
            "",
            "## Fields",
            "",
            "| field | 名称 | meaning | type | unit | valid | class | B2MML | EPCIS | ERP or MES |",
            "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
            *(_row(name, entry) for name, entry in found.fields.items()),
            "",
            "## Documents",
            "",
            "Fields in bold must be given.",
            "",
            "| document | what it is | fields |",
            "| --- | --- | --- |",
            *(_document_row(found, kind) for kind in DOCUMENTS),
            "",
        ]
    )


def _row(name: str, entry: FieldEntry) -> str:
    type_ = f"{entry.type.value}: {', '.join(entry.words)}" if entry.words else entry.type.value
    cells = (
        f"`{name}`",
        entry.zh,
        entry.meaning,
        type_,
        entry.unit or "–",
        entry.rule,
        entry.classification.value,
        entry.b2mml or "–",
        entry.epcis or "–",
        entry.erp or "–",
    )
    return f"| {' | '.join(cells)} |"


def _document_row(dictionary: Dictionary, kind: EntityKind) -> str:
    document = DOCUMENTS[kind]
    own = document.model_fields
    shown = [f"**{name}**" if field.is_required() else name for name, field in own.items()]
    inner = sorted(dictionary.of(kind).keys() - own.keys())
    within = f"; in its lists: {', '.join(inner)}" if inner else ""
    summary = (document.__doc__ or "").partition("\n")[0].rstrip(".")
    return f"| {kind.value} | {summary} | {', '.join(shown)}{within} |"
