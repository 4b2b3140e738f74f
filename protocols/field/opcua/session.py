"""A session with an OPC UA server, over asyncua's lower level.

asyncua's own subscription recreates itself after a cut, and its publish loop asks with one
request at a time; this session gives the services one by one, so that the driver can go on with
the old subscription (docs/decisions/opcua-asyncua.md). asyncua's errors end here: what leaves is
a DriverError.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

import structlog
from asyncua import Client, ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary

from protocols.field.driver import DriverError
from protocols.field.opcua.address import Address, EndpointAddress, PathAddress
from protocols.field.opcua.change import nanoseconds
from protocols.field.opcua.notification import (
    Notification,
    Published,
    read_publish,
    read_republish,
)
from protocols.field.opcua.refusal import RefusedError, told
from protocols.field.opcua.requests import (
    BAD_NODE_UNKNOWN,
    Item,
    browse_path,
    monitored_item,
    node_of,
    target,
)
from protocols.field.opcua.security.securing import application_uri_of, offered_endpoint, secure
from protocols.field.opcua.security.trust import Identity
from protocols.field.opcua.settings import OpcuaSettings
from protocols.wire.reading import Nanoseconds

_log = structlog.get_logger(__name__)

# What asyncua logs of a broken line reaches us as an error, which is said once.
for _chatter in ("asyncua.client", "asyncua.common.connection", "asyncua.crypto"):
    logging.getLogger(_chatter).setLevel(logging.CRITICAL)


class UnreadableError(DriverError):
    """An answer came whole and makes no sense."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A subscription as the server granted it."""

    number: int
    keepalive_s: float


class Session:
    """An activated session; use ``connect`` to make one."""

    def __init__(self, client: Client, settings: OpcuaSettings) -> None:
        self._client = client
        self._settings = settings
        self.reached = False  # whether the last attempt to open a channel got as far as the server
        self.server_certificate = b""  # DER; empty on a line that is not encrypted
        self._services = client.uaclient.session
        self._namespaces: list[str] = []
        # When the server was started, by its own clock: another time is another server.
        self.started: Nanoseconds | None = None
        self._per_call: dict[int, int] = {}  # operation limit -> operations allowed in a request

    @classmethod
    async def connect(
        cls, settings: OpcuaSettings, identity: Identity | None, now_ns: Nanoseconds | None
    ) -> Session:
        """Open a channel and a session; DriverError says what the server or we refused."""
        client = Client(settings.endpoint, timeout=settings.timeout_s)
        client.name = client.description = "Lotproof gateway"
        client.application_uri = application_uri_of(settings, identity)
        client.product_uri = "urn:lotproof"
        client.max_messagesize = _MESSAGE_BYTES_MAX
        client.session_timeout = int(settings.lifetime_s * 1000)
        session = cls(client, settings)
        try:
            with told("connecting"):
                endpoint = await offered_endpoint(client, settings)
                if identity is not None:
                    session.server_certificate = await secure(
                        client, settings, endpoint, identity, now_ns
                    )
                await session._open_channel()
                await client.create_session()
                await session._activate()
            await session._learn()
        except BaseException:
            await session.close()  # a session left behind is one of few that a server has
            raise
        return session

    async def resume(self) -> None:
        """Open a new channel and activate the same session on it (OPC 10000-4 section 6.7).

        Raises RefusedError where the server no longer has it, DriverError where the line is down.
        """
        try:
            with told("resuming the session"):
                await self._open_channel()
                self._services.rebind_authentication_token()
                await self._activate()
            if await self._read_started() != self.started:
                raise RefusedError(
                    "the server was restarted", hint="none needed: the driver connects anew", code=0
                )
        except BaseException:
            self.drop()
            raise

    @property
    def services(self) -> Any:
        """The services of asyncua on this session, for what only commissioning asks."""
        return self._services

    @property
    def namespaces(self) -> Sequence[str]:
        """The server's namespace URIs, by index."""
        return self._namespaces

    async def operation_limit(self, limit: int) -> int:
        """Return how many operations a request may hold; ``limit`` is the node that tells it."""
        return min(int(await self._read_one(limit) or 0) or _PER_CALL_MAX, _PER_CALL_MAX)

    @property
    def renew_seconds(self) -> float:
        """After how long the channel's keys must be renewed (OPC 10000-4 section 5.6.2)."""
        return float(self._client.secure_channel_timeout) * 0.75 / 1000

    async def renew(self) -> None:
        """Renew the channel's keys."""
        with told("renewing the secure channel"):
            await self._client.open_secure_channel(renew=True)
            self._client.uaclient.revolve_security_token()

    async def resolve(self, addresses: Sequence[Address]) -> list[ua.NodeId | int]:
        """Return each address's NodeId, or the bad status code that it met."""
        found: list[ua.NodeId | int] = [BAD_NODE_UNKNOWN] * len(addresses)
        paths: list[tuple[int, ua.BrowsePath]] = []
        for index, address in enumerate(addresses):
            if isinstance(address, EndpointAddress):
                continue  # nobody resolves what is not at the server
            if isinstance(address, PathAddress):
                path = browse_path(address, self._namespaces)
                if path is not None:
                    paths.append((index, path))
                continue
            node = node_of(address, self._namespaces)
            if node is not None:
                found[index] = node
        with told("translating browse paths"):
            for part in self._parts(paths, _LIMIT_TRANSLATE):
                results = await self._services.translate_browsepaths_to_nodeids(
                    [path for _, path in part]
                )
                for (index, _), result in zip(part, results, strict=True):
                    found[index] = target(result)
        return found

    async def subscribe(self) -> Subscription:
        """Create a subscription without items."""
        wanted = self._settings
        request = ua.CreateSubscriptionRequest()
        params = request.Parameters
        params.RequestedPublishingInterval = wanted.publishing_s * 1000
        params.RequestedMaxKeepAliveCount = _count(wanted.keepalive_s, wanted.publishing_s)
        params.RequestedLifetimeCount = _count(wanted.lifetime_s, wanted.publishing_s)
        params.MaxNotificationsPerPublish = 0
        params.PublishingEnabled = True
        with told("creating the subscription"):
            granted = await self._ask(request, _read_granted)
        interval = float(granted.RevisedPublishingInterval) / 1000
        return Subscription(
            number=int(granted.SubscriptionId),
            keepalive_s=interval * int(granted.RevisedMaxKeepAliveCount),
        )

    async def monitor(self, subscription: Subscription, items: Sequence[Item]) -> list[int]:
        """Monitor the items; return each one's status code."""
        codes: list[int] = []
        with told("creating monitored items"):
            for part in self._parts(items, _LIMIT_MONITOR):
                params = ua.CreateMonitoredItemsParameters()
                params.SubscriptionId = subscription.number
                params.TimestampsToReturn = ua.TimestampsToReturn.Both
                params.ItemsToCreate = [monitored_item(item) for item in part]
                results = await self._services.create_monitored_items(params)
                _tell_revised(part, results)
                codes += [int(result.StatusCode.value) for result in results]
        return codes

    async def refresh_conditions(self, subscription: Subscription) -> None:
        """Have conditions that stand told once more; a server without any has nothing to refuse."""
        call = ua.CallMethodRequest()
        call.ObjectId = ua.NodeId(ua.ObjectIds.ConditionType)
        call.MethodId = ua.NodeId(ua.ObjectIds.ConditionType_ConditionRefresh)
        call.InputArguments = [ua.Variant(subscription.number, ua.VariantType.UInt32)]
        with contextlib.suppress(RefusedError), told("asking for the conditions that stand"):
            await self._services.call([call])

    async def still_has(self, subscription: Subscription) -> bool:
        """Whether the server still has the subscription, for this session."""
        params = ua.SetPublishingModeParameters()
        params.PublishingEnabled = True
        params.SubscriptionIds = [subscription.number]
        with told("asking for the subscription"):
            results = await self._services.set_publishing_mode(params)
        return all(result.is_good() for result in results)

    async def take_over(self, subscription: Subscription) -> bool:
        """Transfer the subscription of a session that is gone to this one; tell whether it came."""
        params = ua.TransferSubscriptionsParameters()
        params.SubscriptionIds = [subscription.number]
        params.SendInitialValues = False
        try:
            with told("transferring the subscription"):
                results = await self._services.transfer_subscriptions(params)
        except RefusedError:
            return False
        return bool(results) and all(result.StatusCode.is_good() for result in results)

    async def publish(self, acks: Sequence[tuple[int, int]]) -> Published:
        """Wait for the next message of any subscription; acknowledge (subscription, sequence)."""
        request = ua.PublishRequest()
        request.Parameters.SubscriptionAcknowledgements = [
            ua.SubscriptionAcknowledgement(SubscriptionId=subscription, SequenceNumber=sequence)
            for subscription, sequence in acks
        ]
        with told("waiting for notifications"):
            return await self._ask(request, read_publish, timeout=0)

    async def republish(self, subscription: Subscription, sequence: int) -> Notification | None:
        """Return a message once more, or None where the server no longer has it."""
        request = ua.RepublishRequest()
        request.Parameters.SubscriptionId = subscription.number
        request.Parameters.RetransmitSequenceNumber = sequence
        try:
            with told("asking for a message once more"):
                message = await self._ask(request, read_republish)
        except UnreadableError:
            return None  # asking again would bring the same, for ever
        except RefusedError as refusal:
            if refusal.code == ua.StatusCodes.BadMessageNotAvailable:
                return None
            raise
        # Some servers answer with an empty message instead of BadMessageNotAvailable.
        return None if message.is_keepalive else message

    async def close(self) -> None:
        """Close session and channel as well as the line allows; never raises."""
        with contextlib.suppress(Exception):
            async with asyncio.timeout(self._settings.timeout_s):
                self._client.uaclient.pre_request_hook = None
                await self._client.uaclient.close_session(True)
                await self._client.close_secure_channel()
        self.drop()

    def drop(self) -> None:
        """Let go of the line and keep what ``resume`` needs."""
        protocol = self._client.uaclient.protocol
        if protocol is not None and protocol.transport is not None:
            protocol.transport.abort()
        self._client.disconnect_socket()

    async def _open_channel(self) -> None:
        self.reached = False
        await self._client.connect_socket()
        self.reached = True
        await self._client.send_hello()
        await self._client.open_secure_channel()

    async def _activate(self) -> None:
        password = self._settings.password
        await self._client.activate_session(
            username=self._settings.user,
            password=password.get_secret_value() if password is not None else None,
        )

    async def _learn(self) -> None:
        """Read what the server is: its start, its namespaces, its operation limits."""
        self.started = await self._read_started()
        namespaces = await self._read_one(ua.ObjectIds.Server_NamespaceArray)
        self._namespaces = [str(uri) for uri in namespaces or []]
        for limit in (_LIMIT_TRANSLATE, _LIMIT_MONITOR):
            self._per_call[limit] = await self.operation_limit(limit)

    async def _read_started(self) -> Nanoseconds | None:
        time = await self._read_one(ua.ObjectIds.Server_ServerStatus_StartTime)
        return nanoseconds(time) if isinstance(time, datetime) else None

    async def _read_one(self, node: int) -> Any:
        """Return the value of a standard node, one a request: no limit is lower than that."""
        with told("reading the server's own nodes"):
            values = await self._services.read_attributes([ua.NodeId(node)], _VALUE)
        value = values[0].Value if values else None
        return value.Value if value is not None else None

    async def _ask(
        self, request: Any, read: Callable[[Buffer], _T], timeout: float | None = None
    ) -> _T:
        """Send a request and return its answer; ``timeout`` 0: however long it takes."""
        protocol = self._client.uaclient.protocol
        if protocol is None:
            raise ConnectionError("the line is not open")
        octets = await protocol.send_request(request, timeout)
        try:
            return read(octets)
        except ua.UaStatusCodeError:
            raise
        except Exception as error:  # whatever a decoder of hostile bytes may raise
            raise UnreadableError(
                f"the server's answer to {type(request).__name__} cannot be read: {error}",
                hint="keep a capture of the line and report it",
            ) from error

    def _parts(self, whole: Sequence[_T], limit: int) -> Iterator[Sequence[_T]]:
        size = self._per_call[limit]
        for start in range(0, len(whole), size):
            yield whole[start : start + size]


_T = TypeVar("_T")
_VALUE: Final = ua.AttributeIds.Value
_PER_CALL_MAX: Final = 1000
_MESSAGE_BYTES_MAX: Final = 64 * 1024 * 1024  # told to the server, which must not exceed it
_LIMITS: Final = "Server_ServerCapabilities_OperationLimits_"
_LIMIT_TRANSLATE: Final = int(
    getattr(ua.ObjectIds, _LIMITS + "MaxNodesPerTranslateBrowsePathsToNodeIds")
)
_LIMIT_MONITOR: Final = int(getattr(ua.ObjectIds, _LIMITS + "MaxMonitoredItemsPerCall"))


def _read_granted(data: Buffer) -> Any:
    response = struct_from_binary(ua.CreateSubscriptionResponse, data)
    response.ResponseHeader.ServiceResult.check()
    return response.Parameters


def _tell_revised(items: Sequence[Item], results: Sequence[Any]) -> None:
    """Say where the server looks less often, or keeps less, than it was asked to."""
    for item, result in zip(items, results, strict=False):
        signal, seconds = item.signal, result.RevisedSamplingInterval / 1000
        if result.StatusCode.is_good() and item.events is None and seconds > signal.sampling_s:
            _log.info(
                "the server looks less often than asked",
                signal=signal.name,
                sampling_s=seconds,
                asked_s=signal.sampling_s,
            )


def _count(seconds: float, publishing_s: float) -> int:
    return max(1, math.ceil(seconds / publishing_s))
