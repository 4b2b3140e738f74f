"""The plant's MQTT broker with mutual TLS: mosquitto where it is installed, else the embedded one.

It keeps nothing over a restart on purpose: Lotproof must not need it to.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from plant.ca import Credentials
from plant.ports import free_port, listening
from plant.process import Process, our_command
from plant.running import Running

ACCESS_LIST = Path(__file__).resolve().parent.parent / "deploy" / "mosquitto" / "lotproof.acl"
_START_S = 60.0


def mosquitto_path() -> str | None:
    """Return where mosquitto is; Debian puts it in a folder that a user's PATH may lack."""
    return shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


class Broker(Running):
    """A broker process on one port of loopback; may be killed and started again."""

    def __init__(
        self, folder: Path, credentials: Credentials, *, embedded: bool | None = None
    ) -> None:
        """Keep files in ``folder``; ``embedded`` None takes mosquitto if it is there."""
        self.folder = folder
        self.port = free_port()
        self.embedded = mosquitto_path() is None if embedded is None else embedded
        self._credentials = credentials
        folder.mkdir(parents=True, exist_ok=True)
        self._process = Process(self.name, self._command(), folder / "broker.log")

    @property
    def name(self) -> str:
        """Which broker this is, for a person."""
        return "amqtt (embedded)" if self.embedded else "mosquitto"

    @property
    def pid(self) -> int:
        """Process id of the running broker."""
        return self._process.pid

    async def start(self) -> None:
        """Start and wait until it listens; RuntimeError with its log if it does not."""
        await self._process.start()
        try:
            await listening(self.port, timeout_s=_START_S)
        except TimeoutError:
            await self.stop()
            raise RuntimeError(f"{self.name} did not start: {self._process.tail()}") from None

    async def stop(self) -> None:
        """End it in good order."""
        await self._process.stop()

    async def kill(self) -> None:
        """End it as a power cut would."""
        await self._process.kill()

    async def _begin(self) -> None:
        await self.start()

    async def _end(self) -> None:
        await self.stop()

    def _command(self) -> tuple[str, ...]:
        issued = self._credentials
        if self.embedded:
            arguments = (self.port, issued.certificate, issued.key, issued.ca, ACCESS_LIST)
            return our_command("plant.embedded_broker", *map(str, arguments))
        access_list = self.folder / "lotproof.acl"
        shutil.copyfile(ACCESS_LIST, access_list)
        settings = self.folder / "mosquitto.conf"
        settings.write_text(
            _MOSQUITTO.format(
                port=self.port,
                ca=issued.ca,
                certificate=issued.certificate,
                key=issued.key,
                acl=access_list,
                user="user root" if os.geteuid() == 0 else "",
            ),
            encoding="utf-8",
        )
        return (str(mosquitto_path()), "-c", str(settings))


_MOSQUITTO = """\
listener {port} 127.0.0.1
cafile {ca}
certfile {certificate}
keyfile {key}
tls_version tlsv1.2
require_certificate true
use_identity_as_username true
allow_anonymous false
acl_file {acl}
{user}
persistence false
max_inflight_messages 1000
max_queued_messages 100000
message_size_limit 1048576
log_type error
log_type warning
"""
