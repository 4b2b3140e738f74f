"""ThingsBoard IoT Gateway beside ours: its settings, its process, and the far end that it talks to.

It runs from an environment of its own, with its storage in SQLite, over a broker without TLS. The
far end is as much of a ThingsBoard server as it needs: a client that answers ``getSessionLimits``,
without which it sends nothing for minutes, and that counts every value it is sent.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any, Final

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from plant.broker import mosquitto_path
from plant.network import Proxy
from plant.ports import free_port, listening
from plant.process import Process, ask
from plant.running import Running

_ENVIRONMENT: Final = Path(__file__).resolve().parents[3] / "out" / "thingsboard-env"
_PACKAGES: Final = (
    "thingsboard-gateway==3.8.5",
    # Its connectors install these when they are imported, in just these versions.
    "asyncua==1.1.5",
    "pymodbus==3.9.2",
    "pyserial",
    "pyserial-asyncio",
)
_RPC: Final = "v1/devices/me/rpc/request/"
_TELEMETRY: Final = "v1/gateway/telemetry"


class ThingsBoard(Running):
    """A gateway that may be started, stopped and killed, with its far end and the line between."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.network = Proxy()
        self.far_end = FarEnd(folder / "far-end")
        program = _ENVIRONMENT / "bin" / "thingsboard-gateway"
        # It keeps its logs and data in the folder that it is started from.
        surroundings = ("-C", str(folder), f"TB_GW_CONFIG_DIR={folder}", "PIP_NO_INDEX=1")
        command = ("/usr/bin/env", *surroundings, str(program))
        self.process = Process("thingsboard", command, folder / "thingsboard.log")

    async def set_up(self, name: str, connector: dict[str, Any]) -> None:
        """Install it where it is not, and write its settings with one connector."""
        await _install()
        (self.folder / "logs").mkdir(parents=True, exist_ok=True)
        (self.folder / "data").mkdir(exist_ok=True)
        file = f"{name}.json"
        settings = {
            "thingsboard": {
                "host": "127.0.0.1",
                "port": self.network.port,
                "remoteShell": False,
                "remoteConfiguration": False,
                "statistics": {"enable": False},
                "minPackSendDelayMS": 50,
                "minPackSizeToSend": 500,
                "security": {"type": "accessToken", "accessToken": _TOKEN},
                "qos": 1,
                "reportStrategy": {"type": "ON_RECEIVED"},
            },
            "storage": {"type": "sqlite", "data_file_path": "./data/"},
            "grpc": {"enabled": False},
            "connectors": [{"type": name, "name": name, "configuration": file}],
        }
        quiet = {"version": 1, "root": {"level": "ERROR", "handlers": []}, "loggers": {}}
        for path, content in (("tb_gateway", settings), (name, connector), ("logs", quiet)):
            (self.folder / f"{path}.json").write_text(json.dumps(content), encoding="utf-8")

    async def _begin(self) -> None:
        await self.far_end.__aenter__()
        self.network.target = ("127.0.0.1", self.far_end.port)
        await self.network.__aenter__()

    async def _end(self) -> None:
        await self.process.stop()
        await self.network.__aexit__()
        await self.far_end.__aexit__()


class FarEnd(Running):
    """A broker, and behind it the client that plays the server."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.delivered: Counter[tuple[str, float]] = Counter()  # (key, value) -> how often it came
        self._folder = folder
        self._broker = Process("mosquitto", self._command(), folder / "broker.log")
        self._ready = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, client_id="far-end")
        self._client.username_pw_set("far-end")
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = self._on_message

    async def _begin(self) -> None:
        await self._broker.start()
        await listening(self.port, timeout_s=10)
        self._client.connect("127.0.0.1", self.port)
        self._client.loop_start()
        if not self._ready.wait(10):
            raise RuntimeError(f"the broker does not answer: {self._broker.tail()}")

    async def _end(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        await self._broker.stop()

    def _on_connect(self, client: Client, *_: object) -> None:
        client.subscribe([(f"{_RPC}+", 1), (_TELEMETRY, 1)])

    def _on_message(self, client: Client, _: object, message: MQTTMessage) -> None:
        content = json.loads(message.payload)
        if message.topic != _TELEMETRY:
            answer = message.topic.replace("request", "response")
            client.publish(answer, json.dumps(_NO_LIMITS), qos=1)
            return
        for entries in content.values():  # by device: a list of times with the values of each
            for entry in entries:
                self.delivered.update(entry["values"].items())

    def _command(self) -> tuple[str, ...]:
        self._folder.mkdir(parents=True, exist_ok=True)
        access, settings = self._folder / "access.acl", self._folder / "mosquitto.conf"
        access.write_text(_ACCESS, encoding="utf-8")
        user = "user root" if os.geteuid() == 0 else ""
        settings.write_text(
            _MOSQUITTO.format(port=self.port, access=access, user=user), encoding="utf-8"
        )
        return (str(mosquitto_path()), "-c", str(settings))


def opcua_connector(port: int, keys: list[str], *, devices: int) -> dict[str, Any]:
    """Return the settings that subscribe to the variables ns=2;i=1 and on, named ``keys``."""
    each = len(keys) // devices
    return {
        "server": {
            "url": f"opc.tcp://127.0.0.1:{port}/bench/",
            "enableSubscriptions": True,
            "subCheckPeriodInMillis": 100,
            "scanPeriodInMillis": 3_600_000,
            "security": "None",
            "identity": {"type": "anonymous"},
        },
        "mapping": [
            {
                "deviceNodeSource": "path",
                "deviceNodePattern": "Root\\.Objects\\.Bench",
                "deviceInfo": _device(f"device-{first // each}"),
                "attributes": [],
                "timeseries": [
                    {"key": key, "type": "identifier", "value": f"${{ns=2;i={number}}}"}
                    for number, key in enumerate(keys[first : first + each], first + 1)
                ],
            }
            for first in range(0, len(keys), each)
        ],
    }


def modbus_connector(port: int, keys: list[str], period_s: float) -> dict[str, Any]:
    """Return the settings that poll the holding registers 0 and on, named ``keys``."""
    series = [
        {"tag": key, "type": "16uint", "functionCode": 3, "objectsCount": 1, "address": address}
        for address, key in enumerate(keys)
    ]
    slave = {
        "host": "127.0.0.1",
        "port": port,
        "type": "tcp",
        "method": "socket",
        "unitId": 1,
        "deviceName": "plc",
        "timeout": 10,
        "byteOrder": "BIG",
        "wordOrder": "BIG",
        "retries": 3,
        "pollPeriod": int(period_s * 1000),
        "timeseries": series,
        "attributes": [],
        "attributeUpdates": [],
        "rpc": [],
    }
    return {"master": {"slaves": [slave]}}


def _device(name: str) -> dict[str, str]:
    return {
        "deviceNameExpression": name,
        "deviceNameExpressionSource": "constant",
        "deviceProfileExpression": "default",
        "deviceProfileExpressionSource": "constant",
    }


async def _install() -> None:
    if (_ENVIRONMENT / "bin" / "thingsboard-gateway").exists():
        return
    sys.stderr.write(f"installing {_PACKAGES[0]} into {_ENVIRONMENT}\n")
    await ask((sys.executable, "-m", "venv", str(_ENVIRONMENT)))
    pip = str(_ENVIRONMENT / "bin" / "pip")
    await ask((pip, "install", "--quiet", *_PACKAGES), timeout_s=600)


_TOKEN: Final = "bench"  # no secret: a name that the broker's access list knows
_NO_LIMITS: Final = {"maxPayloadSize": 65536, "maxInflightMessages": 1000, "rateLimits": {}}
# The gateway would take its own questions for the server's, could it read them.
_ACCESS: Final = f"""\
user far-end
topic readwrite #

user {_TOKEN}
topic write v1/#
topic read v1/devices/me/rpc/response/+
topic read v1/devices/me/attributes/response/+
"""
_MOSQUITTO: Final = """\
listener {port} 127.0.0.1
allow_anonymous true
acl_file {access}
{user}
persistence false
max_inflight_messages 1000
max_queued_messages 100000
log_type error
"""
