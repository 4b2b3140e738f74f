"""A press by open62541 (o6), a node a type.

Lines of JSON on standard input are what the equipment does.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import o6  # type: ignore[import-not-found]  # installed for the tests alone

NODES = {
    "Counter": (o6.UInt32, 0),
    "Temperature": (o6.Double, 20.0),
    "Pressure": (o6.Float, 1.0),
    "Offset": (o6.Int16, 0),
    "Running": (o6.Boolean, False),
    "Lot": (o6.String, ""),
    "Frame": (o6.ByteString, b"\0"),
}


def value_of(name: str, given: Any) -> Any:
    kind, _ = NODES[name]
    return kind(bytes.fromhex(given) if name == "Frame" else given)


def main() -> None:
    port, counted = map(int, sys.argv[1:3])
    # The second namespace of open62541 is the application's URI.
    server = o6.Server(port=port, applicationUri="urn:lotproof:test:press")
    press = server.addObject("Press", server.objects, nodeId="ns=1;s=Press")
    for name, (kind, value) in NODES.items():
        first = counted if name == "Counter" else value
        server.addVariable(name, press, kind(first), nodeId=f"ns=1;s={name}")
    server.start()
    print(port, flush=True)
    for line in sys.stdin:
        given = json.loads(line)
        now = datetime.now(UTC) + timedelta(seconds=given["shift"])  # noqa: TID251 -- equipment's clock
        told = o6.DataValue(
            value=value_of(given["name"], given["value"]),
            status=o6.StatusCode(given["status"]),
            sourceTimestamp=o6.DateTime(now),
        )
        server.write(f"ns=1;s={given['name']}", told)
    server.stop()


if __name__ == "__main__":
    main()
