"""What a document of settings changes on its gateways, key by key, secrets hidden."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from aggregator.access.roles import Actor
from aggregator.service.context import Context
from aggregator.service.rollout import offer

HIDDEN: Final = "…"
"""Stands for a value that nobody is to read on a page."""

_SECRET: Final = re.compile(r"password|passwd|secret|token|credential|private|(^|_)(key|pin)($|_)")


class Change(NamedTuple):
    """A key that two documents say differently; JSON, None where one does not say it."""

    key: str
    before: str | None
    after: str | None


class Changes(NamedTuple):
    """What a document changes on gateways that have the same in force."""

    gateways: tuple[str, ...]
    changes: tuple[Change, ...]


async def on_gateways(context: Context, actor: Actor, rollout: str) -> list[Changes]:
    """Return what an offered document changes, against what is in force now; NotFoundError."""
    found = await offer.read(context, actor, rollout)
    document = json.loads(found.document)
    same: dict[tuple[Change, ...], list[str]] = {}
    for version in found.versions:
        own = await offer.of_gateway(context, actor, version.gateway)
        said = tuple(differences(offer.in_force(own), document))
        same.setdefault(said, []).append(version.gateway)
    return [Changes(tuple(names), said) for said, names in same.items()]


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    """Yield each key that two documents say differently, by source and signal, in order."""
    old, new = dict(_flat((), before)), dict(_flat((), after))
    for path in sorted(old.keys() | new.keys()):
        if old.get(path) != new.get(path) or (path in old) is not (path in new):
            yield Change(_name(path), _shown(path, old), _shown(path, new))


def _shown(path: tuple[str, ...], said: Mapping[tuple[str, ...], Any]) -> str | None:
    if path not in said:
        return None
    if any(_SECRET.search(part.lower()) for part in path if not part.startswith("[")):
        return HIDDEN
    return json.dumps(said[path], ensure_ascii=False)


def _name(path: Sequence[str]) -> str:
    return ".".join(path).replace(".[", "[")


def _flat(path: tuple[str, ...], value: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    match value:
        case dict():
            for name, inner in value.items():
                yield from _flat((*path, name), inner)
        case list():
            for at, inner in enumerate(value):
                named = inner.get("name", at) if isinstance(inner, dict) else at
                yield from _flat((*path, f"[{named}]"), inner)
        case _:
            yield path, value
