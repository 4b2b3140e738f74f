"""The words of the house (docs/reference/words.md), kept in the names that we give.

Only names that our code defines are looked at: a library may call its things what it likes.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import Final

from tests.arch.sources import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Misused:
    """A word that means something else here."""

    say: str  # what to say instead
    within: tuple[str, ...] = ()  # longer terms in which it is right
    homes: Mapping[str, str] = field(default_factory=dict)  # path pattern -> why it is right there


EPCIS_AND_LLRP = "the term of the LLRP and EPCIS standards"
OPC_UA = "the term of OPC UA"
CBOR = "the term of RFC 8949"
GS1 = "the term of GS1 (GIAI, GRAI)"
TREE = "the term of RFC 9162, or of a syntax tree"
CURVE = "a point of an elliptic curve"
MQTT = "the term of MQTT"
SPARKPLUG = "the term of Sparkplug"
PEER = "a peer's own word for what it measures"

MISUSED: Final[Mapping[str, Misused]] = {
    "asset": Misused(
        say="equipment",
        within=("physical_asset",),
        homes={"protocols/identifiers/*": GS1, "tests/*identifiers*": GS1},
    ),
    "machine": Misused(say="equipment", within=("state_machine",)),
    "node": Misused(
        say="gateway",
        within=("node_id",),
        homes={
            "protocols/field/opcua*": OPC_UA,
            "protocols/field/mqtt/*": SPARKPLUG,
            "tests/*mqtt*": SPARKPLUG,
            "plant/*": OPC_UA,
            "tests/*opcua*": OPC_UA,
            "tests/*press*": OPC_UA,
            "*/tlog*": TREE,
            "aggregator/store/log*": TREE,
            "tests/*tlog*": TREE,
            "tests/arch/*": TREE,
            "tests/reference/*": TREE,
        },
    ),
    "tag": Misused(
        say="signal, or tag read",
        within=("tag_read", "tag_reads"),
        homes={
            "protocols/wire/cbor*": CBOR,
            "protocols/wire/seal*": CBOR,
            "protocols/wire/values/*": CBOR,
            "tests/*cbor*": CBOR,
            "tests/*seal*": CBOR,
            "protocols/field/llrp*": EPCIS_AND_LLRP,
            "protocols/identifiers/epc*": "the term of GS1 (EPC Tag URI)",
            "plant/*": EPCIS_AND_LLRP,
            "tests/*llrp*": EPCIS_AND_LLRP,
            "tests/*identifiers_epc*": "the term of GS1 (EPC Tag URI)",
        },
    ),
    "point": Misused(
        say="signal, or read point",
        within=("read_point", "entry_point", "set_point", "code_point", "decimal_point"),
        homes={"protocols/wire/seal*": CURVE, "tests/*seal*": CURVE},
    ),
    "sample": Misused(
        say="reading",
        within=("sample_settings",),
        homes={
            "tests/reference/*": "sample settings",
            "tests/arch/test_reference.py": "sample settings",
            "tests/bench/*": PEER,
        },
    ),
    "measurement": Misused(say="reading"),
    "quality": Misused(
        say="status", homes={"protocols/field/mqtt/*": SPARKPLUG, "tests/*mqtt*": SPARKPLUG}
    ),
    "timestamp": Misused(
        say="source_time, gateway_time or record_time",
        homes={"protocols/field/opcua*": OPC_UA, "protocols/field/llrp*": EPCIS_AND_LLRP},
    ),
    "packet": Misused(
        say="bundle, or frame on a field bus",
        homes={"aggregator/ingest/*": MQTT, "edge_agent/uplink/*": MQTT},
    ),
    "lineage": Misused(say="genealogy"),
    "alarm": Misused(say="excursion, or alert"),
    "validate": Misused(say="check (input) or verify (cryptography)"),
    "validator": Misused(
        say="check (input) or verify (cryptography)",
        homes={"plant/equipment/press.py": OPC_UA},
    ),
    "exception": Misused(
        say="error; an exception is what a person must look at in a batch record",
        homes={
            "aggregator/*": "an exception of the batch record",
            "plant/*": "the same",
            "tests/*": "the same; a test of an error says error",
        },
    ),
    "batch": Misused(
        say="lot, bundle or chunk; a batch is a run of a recipe",
        within=("batch_record", "batch_number"),
        homes={
            "aggregator/model/*": "a run of a recipe (ISA-88)",
            "aggregator/service/*": "a run of a recipe (ISA-88)",
            "aggregator/export/*": "a run of a recipe (ISA-88)",
            "plant/*": "recorded batches are runs of a recipe (ISA-88)",
            "tests/*": "recorded batches are runs of a recipe (ISA-88)",
        },
    ),
}


def misused_words(source: Source) -> Iterator[str]:
    """Yield a message for each name, defined in this file, that uses a word for another thing."""
    for name in sorted(_defined(source)):
        for word, misused in MISUSED.items():
            if _uses(name, word, misused) and not any(
                fnmatch(source.path, pattern) for pattern in misused.homes
            ):
                yield f"{source.path}: {name!r} says {word!r}; say {misused.say}"


def _uses(name: str, word: str, misused: Misused) -> bool:
    words = f"_{'_'.join(_words(name))}_"
    for term in misused.within:
        words = re.sub(f"_{term}s?_", "_", words)
    return re.search(f"_{word}s?_", words) is not None


def _words(name: str) -> list[str]:
    """Split ``snake_case`` and ``CamelCase`` into lower-case words."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)]


def _defined(source: Source) -> set[str]:
    names = {source.path.rpartition("/")[2].removesuffix(".py")}
    for node in ast.walk(source.tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                names.add(name)
            case ast.ClassDef(name=name) | ast.ExceptHandler(name=str(name)):
                names.add(name)
            case ast.arg(arg=name) | ast.alias(asname=str(name)):
                names.add(name)
            case ast.Name(id=name, ctx=ast.Store()):
                names.add(name)
            case ast.Attribute(attr=name, ctx=ast.Store()):
                names.add(name)
            case _:
                pass
    return names
