"""The batch record on paper: PDF/A-3 by typst, with the record's JSON attached.

Everything that the page shows goes in as JSON, never as markup. The document's time is that of the
version, and only the fonts within typst and in our own folder are used: the same record is the same
bytes anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Final

import typst

from aggregator.errors import ExportError
from aggregator.export.charts import Chart
from aggregator.export.pdf.view import Version, view
from aggregator.export.words import ENGLISH, Words
from aggregator.model.signature import Signature
from protocols.wire.reading import SECOND

STANDARD: Final = "a-3a"


def print_record(
    record: bytes,
    version: Version,
    charts: Mapping[str, Chart],
    words: Words = ENGLISH,
    signatures: Sequence[Signature] = (),
) -> bytes:
    """Return the PDF of a stored version of a record, with the signatures about its lot.

    ``record`` are the bytes that were hashed; they are attached as ``record.json``. Takes about a
    second: call it in a thread. Raises ExportError where typst refuses.
    """
    document: dict[str, Any] = json.loads(record)
    template = (files("aggregator.export.pdf") / "record.typ").read_bytes()
    try:
        return typst.compile(
            template,
            sys_inputs={
                "view": json.dumps(view(document, version, charts, words, signatures)),
                "record": record.decode(),
            },
            pdf_standards=[STANDARD],
            font_paths=_fonts(),
            timestamp=version.recorded // SECOND,
        )
    except typst.TypstError as error:
        raise ExportError(
            f"the record could not be printed: {error.message}",
            hint="export it as JSON, and report this",
        ) from None


@cache
def _fonts() -> typst.Fonts:
    """Return the fonts within typst and those in our own folder, and none of the system's."""
    folder = str(files("aggregator.export") / "fonts")
    return typst.Fonts(include_system_fonts=False, font_paths=[folder])
