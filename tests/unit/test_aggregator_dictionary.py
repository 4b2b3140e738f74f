"""The data dictionary: every field of every document and no other, and no change unseen."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field

from aggregator.errors import SettingsError
from aggregator.service import audit_trail
from aggregator.service.context import Context
from aggregator.service.master.dictionary import System, adopt, load_dictionary
from aggregator.service.master.document import EntityKind, Instant
from aggregator.service.master.documents import DOCUMENTS
from aggregator.service.master.fields import FieldType, field_type, fields_of_documents
from aggregator.settings import MasterKind, MasterSettings
from tests.recorded_plant import QA
from tests.rigs.context import running_context
from tests.rigs.master_documents import DOCUMENTS_OF

FOLDER = Path(__file__).parents[2] / "config" / "dictionary"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FOLDER, tmp_path / "dictionary"))


@pytest.fixture
async def context(tmp_path: Path) -> AsyncIterator[Context]:
    async with running_context(tmp_path) as opened:
        yield opened


def using(context: Context, folder: Path) -> Context:
    """Return the context as it is after a new start with the folder."""
    load_dictionary.cache_clear()
    master = MasterSettings(dictionary_folder=folder)
    return replace(context, settings=context.settings.model_copy(update={"master": master}))


def edit(folder: Path, name: str, change: Callable[[str], str]) -> None:
    path = folder / name
    before = path.read_text(encoding="utf-8")
    after = change(before)
    assert after != before
    path.write_text(after, encoding="utf-8")


@pytest.mark.req(3)
@pytest.mark.req(4)
def test_every_field_of_every_document_is_in_it_and_vice_versa() -> None:
    dictionary = load_dictionary(FOLDER)
    assert dictionary.fields.keys() == fields_of_documents().keys()
    for kind, document in DOCUMENTS.items():
        assert set(document.model_fields) <= set(dictionary.of(kind))
        assert set(DOCUMENTS_OF[kind][1]) <= set(document.model_fields)


@pytest.mark.req(33)
def test_every_field_has_a_class_a_rule_and_a_chinese_name() -> None:
    for name, entry in load_dictionary(FOLDER).fields.items():
        assert any("\u4e00" <= letter <= "\u9fff" for letter in entry.zh), name
        assert entry.rule
        assert (entry.type is FieldType.WORD) is bool(entry.words), name


def test_no_two_fields_of_a_document_have_one_name_in_erp() -> None:
    dictionary = load_dictionary(FOLDER)
    for kind in EntityKind:
        names = dictionary.names(kind, System.ERP)
        assert len(set(names.values())) == len(names), kind
    assert dictionary.names(EntityKind.LOT, System.ERP)["lot"] == "Batch.batch_id"


def test_what_may_need_approval_is_a_kind_of_master_data() -> None:
    assert {each.value for each in MasterKind} <= {each.value for each in EntityKind}


@pytest.mark.parametrize(
    ("annotation", "type_"),
    [
        (str, FieldType.TEXT),
        (Annotated[str, Field(min_length=1)], FieldType.TEXT),
        (Instant, FieldType.TIME),
        (Instant | None, FieldType.TIME),
        (float | None, FieldType.NUMBER),
        (int, FieldType.INTEGER),
        (tuple[int, ...], FieldType.LIST),
        (FieldType, FieldType.WORD),
    ],
)
def test_the_type_of_a_field_is_read_from_its_definition(
    annotation: object, type_: FieldType
) -> None:
    assert field_type(annotation)[0] is type_


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("places.toml", lambda text: text.replace("[gln]", "[globe]"), "gln of equipment is not"),
        ("places.toml", lambda text: text.replace("[gln]", "[globe]"), "globe is in no document"),
        (
            "work.toml",
            lambda text: text.replace('type = "integer"', 'type = "text"'),
            "run is a integer in the documents, not a text",
        ),
        (
            "products.toml",
            lambda text: text.replace('["anybody", "qualified"]', '["anybody"]'),
            "personnel is one of anybody, qualified",
        ),
        (
            "products.toml",
            lambda text: text.replace('documents = ["lot", "sublot"]', 'documents = ["lot"]'),
            "quantity is a field of lot, sublot",
        ),
        (
            "work.toml",
            lambda text: text + '\n[gtin]\nzh = "码"\n',
            "gtin has a meaning already in another file",
        ),
        (
            "work.toml",
            lambda text: text.replace('classification = "critical"', 'classification = "secret"'),
            "work.toml: lots: classification",
        ),
        ("dictionary.toml", lambda text: text.replace("version = ", "number = "), "is missing"),
    ],
)
def test_what_is_wrong_with_it_is_named(
    folder: Path, name: str, change: Callable[[str], str], message: str
) -> None:
    edit(folder, name, change)
    with pytest.raises(SettingsError) as raised:
        load_dictionary(folder)
    assert message in str(raised.value)
    assert raised.value.hint


def test_a_folder_without_it_and_a_file_that_is_no_toml_are_told(folder: Path) -> None:
    with pytest.raises(SettingsError, match=r"dictionary\.toml is missing"):
        load_dictionary(folder / "nowhere")
    (folder / "work.toml").write_text("[order", encoding="utf-8")
    with pytest.raises(SettingsError, match="is not TOML"):
        load_dictionary(folder)


async def test_a_version_is_begun_once_and_stands_in_the_trail(
    context: Context, folder: Path
) -> None:
    first = await adopt(using(context, folder))
    await adopt(using(context, folder))
    (entry,) = await audit_trail.page(context, QA, after=-1, count=10)
    assert (entry["what"], entry["why"]) == ("data dictionary", first.why)
    assert entry["after"] == {"version": first.version, "hash": first.hash}


@pytest.mark.req(7)
async def test_it_changes_by_a_new_version_alone(context: Context, folder: Path) -> None:
    now = (await adopt(using(context, folder))).version
    edit(folder, "work.toml", lambda text: text.replace("Work Order.name", "Auftrag.nummer"))
    with pytest.raises(
        SettingsError, match=f"version {now} of the data dictionary is not what it was"
    ):
        await adopt(using(context, folder))
    edit(folder, "dictionary.toml", lambda text: text.replace(f"version = {now}", "version = 99"))
    assert (await adopt(using(context, folder))).version == 99
    with pytest.raises(SettingsError, match=f"is of version {now}, and was of version 99 already"):
        await adopt(using(context, FOLDER))
