"""What a lot's making rested on, as its batch record says it: the edges of kind ``use``.

So a sensor, a calibration of it, a gateway's key, settings, a recipe, a limit, equipment or a
person leads to every lot whose record they stand in, and from there to all that was made of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from aggregator.errors import InvalidError
from aggregator.model.binding.fact import Authority, FactKind
from aggregator.model.genealogy.edge import Edge, EdgeKind, Part
from aggregator.model.genealogy.item import Item, ItemKind, check_item, lot_item
from aggregator.model.master.lot import check_lot_key
from protocols.wire.dossier.instant import parse_time
from protocols.wire.reading import Nanoseconds


def uses_of(
    document: Mapping[str, Any], keys: Mapping[str, list[str]], *, source: str
) -> list[Edge]:
    """Return the edges that a batch record says; none for a record without a window.

    ``keys`` gives for each ``gateway/epoch`` the kids that sealed what the record rests on;
    ``source`` names the version of the record.
    """
    lot = check_lot_key(document["lot"]["gtin"], document["lot"]["lot"])
    start, end = (_time(document["window"][name]) for name in ("start", "end"))
    if start is None:
        return []
    made = (Part(item=lot_item(lot)),)
    items = sorted({*_items(document), *_keys(document, keys)})
    edges = [
        Edge(
            kind=EdgeKind.ASSOCIATION,
            start=since,
            end=until,
            inputs=(Part(item=carrier),),
            outputs=made,
            source=source,
            uncertainty=uncertainty,
        )
        for carrier, since, until, uncertainty in sorted(
            set(_carriers(document, str(lot))), key=str
        )
    ]
    if items:
        edges.append(
            Edge(
                kind=EdgeKind.USE,
                start=start,
                end=_last(document) if end is None else end,
                inputs=tuple(Part(item=item) for item in items),
                outputs=made,
                source=source,
            )
        )
    return edges


def _items(document: Mapping[str, Any]) -> Iterator[Item]:
    gtin = document["lot"]["gtin"]
    for parameter in (*document["parameters"], *document["other_parameters"]):
        yield from _named(ItemKind.SIGNAL, f"{parameter['gateway']}/{parameter['signal']}")
        yield from _named(ItemKind.EQUIPMENT, parameter["equipment"])
        yield from _named(ItemKind.RECIPE, f"{gtin}/{parameter['revision']}")
        for each in parameter.get("instruments", ()):
            if each["certificate"]:
                yield from _named(ItemKind.CALIBRATION, each["certificate"])
    for signal in document["signals"]:
        yield from _named(ItemKind.SIGNAL, f"{signal['gateway']}/{signal['signal']}")
        yield from _named(ItemKind.EQUIPMENT, signal["equipment"])
    for window in document["windows"]:
        yield from _named(ItemKind.EQUIPMENT, window["equipment"])
    for chain in document["chains"]:
        for change in chain["settings"]:
            yield from _named(ItemKind.SETTINGS, change["hash"])
    for name, version in document["master"].items():
        kind, _, key = name.partition(" ")
        if kind == "limit":
            yield from _named(ItemKind.LIMIT, f"{key}@{version}")
    for fact in document["facts"]:
        if fact["authority"] == Authority.OPERATOR.name.lower():
            yield from _named(ItemKind.OPERATOR, fact["source"])
    for entry in document.get("entries", ()):
        yield from _named(ItemKind.OPERATOR, entry["source"])
        if entry["check"]:
            yield from _named(ItemKind.OPERATOR, entry["check"]["by"])


def _keys(document: Mapping[str, Any], keys: Mapping[str, list[str]]) -> Iterator[Item]:
    for chain in document["chains"]:
        for kid in keys.get(f"{chain['gateway']}/{chain['epoch']}", []):
            yield from _named(ItemKind.GATEWAY_KEY, f"{chain['gateway']}/{kid}")


def _carriers(
    document: Mapping[str, Any], lot: str
) -> Iterator[tuple[Item, Nanoseconds, Nanoseconds | None, int]]:
    for fact in document["facts"]:
        own = (
            fact["lot"] is not None and f"(01){fact['lot']['gtin']}(10){fact['lot']['lot']}" == lot
        )
        since = _time(fact["start"])
        if own and fact["kind"] == FactKind.ASSOCIATION and fact["carrier"] and since is not None:
            for item in _named(ItemKind.CARRIER, fact["carrier"]):
                yield item, since, _time(fact["end"]), fact["uncertainty_ns"]


def _named(kind: ItemKind, key: str) -> Iterator[Item]:
    """Yield the item, or nothing where equipment gave it a name that no item can have."""
    try:
        yield check_item(kind.value, key)
    except InvalidError:
        return


def _last(document: Mapping[str, Any]) -> Nanoseconds:
    """Return the latest time that a record without an end knows of."""
    known = [_time(parameter["figures"]["max_time"]) for parameter in document["parameters"]]
    start = _time(document["window"]["start"]) or 0
    return max([start, *(time for time in known if time is not None)])


def _time(text: str | None) -> Nanoseconds | None:
    return None if text is None else parse_time(text)
