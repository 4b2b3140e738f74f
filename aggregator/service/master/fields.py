"""The fields of all documents, as their definitions say them: type, words, and who has each."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, StrEnum
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import AfterValidator, BaseModel

from aggregator.service.master.document import EntityKind, check_instant
from aggregator.service.master.documents import DOCUMENTS


class FieldType(StrEnum):
    """What a field's value is."""

    TEXT = "text"
    TIME = "time"  # RFC 3339 with its zone
    INTEGER = "integer"
    NUMBER = "number"  # binary64
    DECIMAL = "decimal"  # exact
    WORD = "word"  # one of a few
    LIST = "list"  # of what has fields itself


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentField:
    """One field, over all documents that have it."""

    type: FieldType
    words: tuple[str, ...]
    documents: frozenset[EntityKind]


def fields_of_documents() -> Mapping[str, DocumentField]:
    """Return every field of every document by name; TypeError for one that has two types.

    Fields of what stands in a list are among them, for they mean the same there.
    """
    found: dict[str, DocumentField] = {}
    for kind, document in DOCUMENTS.items():
        for name, type_, words in _walk(document):
            before = found.get(name)
            if before is not None and (before.type, before.words) != (type_, words):
                raise TypeError(f"{name} is a {before.type} and, in {kind}, a {type_}")
            documents = frozenset({kind}) | (before.documents if before else frozenset())
            found[name] = DocumentField(type=type_, words=words, documents=documents)
    return found


@cache
def types_of(kind: EntityKind) -> Mapping[str, FieldType]:
    """Return the type of each field of a document, in its order; lists are not entered."""
    return {name: type_ for name, type_, _ in _own(DOCUMENTS[kind])}


def field_type(annotation: Any) -> tuple[FieldType, tuple[str, ...]]:
    """Return the type of a field and, of a word, what it may be."""
    if get_origin(annotation) is Annotated:
        inner, *metadata = get_args(annotation)
        if any(isinstance(m, AfterValidator) and m.func is check_instant for m in metadata):
            return FieldType.TIME, ()
        return field_type(inner)
    if get_origin(annotation) in (Union, types.UnionType):
        (inner,) = (each for each in get_args(annotation) if each is not type(None))
        return field_type(inner)
    if get_origin(annotation) is Literal:
        return FieldType.WORD, get_args(annotation)
    if get_origin(annotation) is tuple:
        return FieldType.LIST, ()
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return FieldType.WORD, tuple(member.value for member in annotation)
    return _SIMPLE[annotation], ()


def _own(document: type[BaseModel]) -> Iterator[tuple[str, FieldType, tuple[str, ...]]]:
    for name, field in document.model_fields.items():
        # Pydantic takes the outermost Annotated apart; put together again, all look alike.
        whole = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
        yield name, *field_type(whole)


def _walk(document: type[BaseModel]) -> Iterator[tuple[str, FieldType, tuple[str, ...]]]:
    for name, type_, words in _own(document):
        yield name, type_, words
        if type_ is FieldType.LIST:
            yield from _walk(get_args(document.model_fields[name].annotation)[0])


_SIMPLE = {
    str: FieldType.TEXT,
    int: FieldType.INTEGER,
    float: FieldType.NUMBER,
    Decimal: FieldType.DECIMAL,
}
