"""Mapping: what another system's document means in the words of the data dictionary.

An adapter is data: for each of our fields the place in the foreign document where it stands, and
how its text is to be read. Nothing is guessed: a value that the adapter does not know does not fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from zoneinfo import ZoneInfo

from aggregator.errors import InvalidError
from protocols.wire.dossier.instant import format_time
from protocols.wire.errors import MalformedError
from protocols.wire.reading import SECOND

JsonPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRule:
    """Where one of our fields stands in the foreign document, and how it is read."""

    to: str  # its name in the dictionary: ``lot.gtin``
    source: JsonPath = ()  # empty: always ``constant``
    constant: str = ""
    is_required: bool = True
    values: Mapping[str, str] = field(default_factory=dict)  # foreign text to ours; any other: no
    date_form: str = ""  # as strptime reads it; the result is a time of RFC 3339 in UTC
    zone: str = "UTC"  # of times that name none
    append: JsonPath = ()  # another place whose text is put behind it, after a space: a unit
    append_values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """How the documents of one foreign form are read."""

    name: str
    title: str
    becomes: str  # interface that takes the result: orders, lots, test-results
    items: JsonPath  # where the list of items stands; empty: the document is the list, or the item
    only: Mapping[JsonPath, frozenset[str]]  # items with other texts there are passed over
    fields: tuple[FieldRule, ...]
    refresh: str  # how often the source is asked, or sends (requirement 49)
    takes_changes: bool  # whether the source may change what it sent before


def items_in(adapter: Adapter, document: Any) -> list[Any]:
    """Return the items of a foreign document; InvalidError where they are not where they ought."""
    found = _at(document, adapter.items)
    if isinstance(found, list):
        return found
    if isinstance(found, Mapping):
        return [found]
    raise InvalidError(
        f"a document of {adapter.title} has no items at {_text(adapter.items)}",
        hint="see the mapping document of the adapter",
    )


def concerns_us(adapter: Adapter, item: Any) -> bool:
    """Tell whether an item is in a state that is taken at all (a draft is not)."""
    return all(str(_at(item, path)) in wanted for path, wanted in adapter.only.items())


def mapped(adapter: Adapter, item: Any) -> dict[str, str]:
    """Return an item's values by their names in the dictionary, all as text.

    Raises InvalidError that names every field that is missing or is not understood.
    """
    found: dict[str, str] = {}
    faults = []
    for rule in adapter.fields:
        try:
            value = _value(rule, item)
        except InvalidError as error:
            faults.append(f"{rule.to}: {error}")
            continue
        if value:
            found[rule.to] = value
        elif rule.is_required:
            faults.append(f"{rule.to}: nothing stands at {_text(rule.source)}")
    if faults:
        raise InvalidError(
            "; ".join(faults), hint="correct it at the source, or the mapping document"
        )
    return found


def _value(rule: FieldRule, item: Any) -> str:
    if not rule.source:
        return rule.constant
    text = _plain(_at(item, rule.source))
    if not text:
        return ""
    if rule.values:
        text = _known(rule.source, rule.values, text)
    if rule.date_form:
        text = _time(rule, text)
    if rule.append:
        behind = _plain(_at(item, rule.append))
        if rule.append_values:
            behind = _known(rule.append, rule.append_values, behind)
        text = f"{text} {behind}".strip()
    return text


def _known(path: JsonPath, values: Mapping[str, str], text: str) -> str:
    if text not in values:
        raise InvalidError(f"{text[:80]!r} at {_text(path)} is not in the adapter's values")
    return values[text]


def _time(rule: FieldRule, text: str) -> str:
    try:
        moment = datetime.strptime(text, rule.date_form)  # noqa: DTZ007 # its zone comes next
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=ZoneInfo(rule.zone))
        seconds, rest = divmod(moment.astimezone(UTC) - _EPOCH, timedelta(seconds=1))
        return format_time(seconds * SECOND + rest.microseconds * 1_000)
    except (ValueError, MalformedError):
        raise InvalidError(
            f"{text[:80]!r} at {_text(rule.source)} is no time like {rule.date_form}"
        ) from None


def _at(document: Any, path: JsonPath) -> Any:
    """Return what stands at a path, None where nothing does."""
    found = document
    for step in path:
        if isinstance(found, Mapping) and isinstance(step, str):
            found = found.get(step)
        elif isinstance(found, list) and isinstance(step, int) and step < len(found):
            found = found[step]
        else:
            return None
    return found


def _plain(value: Any) -> str:
    """Return a JSON value as the text that means it; "" for none, and for Odoo's ``false``."""
    if value is None or value is False:
        return ""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool | Mapping | list):
        raise InvalidError(f"{str(value)[:80]!r} is no single value")
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise InvalidError(f"{str(value)[:80]!r} is no number") from None
    plain = f"{number:f}"  # 500.0 is 500, and 1E+3 is 1000
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def _text(path: JsonPath) -> str:
    return ".".join(map(str, path)) or "the top"


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
