"""What OPC UA settings refuse, and say."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from protocols.field.opcua.settings import OpcuaSettings
from protocols.wire.reading import Kind

SIGNAL: dict[str, object] = {"name": "t", "address": "ns=2;s=T"}


def settings(signal: dict[str, object] | None = None, **changes: object) -> OpcuaSettings:
    given: dict[str, object] = {
        "endpoint": "opc.tcp://10.0.0.5:4840",
        "security": "None",
        "signals": [SIGNAL | (signal or {})],
    }
    return OpcuaSettings.model_validate(given | changes)


def test_the_least_settings_are_enough() -> None:
    read = settings()
    assert read.signals[0].kind is Kind.FLOAT64
    assert read.signals[0].sampling_s == 0.2


def test_a_row_of_a_table_is_a_signal() -> None:
    row = {"sampling_s": "0.5", "deadband": "0.5", "queue_max": "10", "trigger": "time"}
    signal = settings({**row}).signals[0]
    assert (signal.sampling_s, signal.deadband, signal.queue_max) == (0.5, 0.5, 10)


@pytest.mark.parametrize(
    ("signal", "changes", "said"),
    [
        ({}, {"security": "Basic256Sha256"}, "needs: certificate, private_key, trusted"),
        ({}, {"user": "u", "password": "p"}, "encrypted line only"),
        ({}, {"endpoint": "10.0.0.5:4840"}, "opc.tcp://host:port"),
        ({}, {"endpoint": "opc.tcp://u:p@10.0.0.5:4840"}, "in their own settings"),
        ({}, {"lifetime_s": 10.0}, "three times keepalive_s"),
        ({}, {"signals": [SIGNAL, SIGNAL]}, "given twice: t"),
        ({}, {"signals": []}, "at least 1 item"),
        ({}, {"speed": 1}, "Extra inputs"),
        ({"address": "T"}, {}, "is not a NodeId"),
        ({"kind": Kind.TAG_READ, "deadband": 1.0}, {}, "a deadband needs a number"),
        ({"kind": Kind.TEXT, "deadband": 1.0}, {}, "deadband needs a number"),
        ({"deadband": -1.0}, {}, "greater than or equal to 0"),
    ],
)
def test_what_cannot_work_is_refused(
    signal: dict[str, object], changes: dict[str, object], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        settings(signal, **changes)


def test_a_password_is_not_shown() -> None:
    read = settings(
        security="Basic256Sha256",
        certificate="a.der",
        private_key="a.key",
        trusted="trusted",
        user="u",
        password="hunter2",
    )
    assert "hunter2" not in repr(read)
