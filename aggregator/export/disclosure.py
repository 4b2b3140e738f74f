"""How much of its bundles a dossier shows: all of them, or the signals of its own lot alone."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from protocols.wire.bundle import open_body, peek_header, split_bundle
from protocols.wire.column import decode_column
from protocols.wire.dossier.holding import Held, disclose
from protocols.wire.reading import SignalName


class Disclosure(StrEnum):
    """What of the bundles goes into a dossier."""

    WHOLE = "whole"  # everything, other lots' signals with it: no word of ours is needed
    OWN = "own"  # the columns of signals that observed the lot; the others are withheld


def held_in_part(data: bytes, own: Collection[SignalName]) -> Held:
    """Return a stored bundle with the columns of the signals ``own``, and nothing of the others.

    Each column comes with the path that leads to the sealed header's root
    (docs/specs/dossier.md, "Bundles"). One that has no others is held whole: it hides nothing, and
    a whole one needs nobody's word.
    """
    bundle = split_bundle(data)
    body = open_body(peek_header(bundle.sealed_header)[1], bundle.body)
    shown = [at for at, column in enumerate(body.columns) if decode_column(column).signal in own]
    if len(shown) == len(body.columns):
        return Held.whole(data)
    return Held(sealed_header=bundle.sealed_header, content=disclose(body, shown))
