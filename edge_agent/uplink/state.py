"""The uplink's states, and what each event leads to; no socket, no clock.

OFFLINE -DUE-> CONNECTING -CONNECTED-> SUBSCRIBING -SUBSCRIBED-> COMPARING -AGREED-> SENDING
   ^               |                       |                         |                  |
   +----- LOST ----+-----------------------+-------------------------+-- CONTRADICTED --+
                                                                          -> RENEWING -RENEWED->
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import Final


class State(Enum):
    """Where the uplink is; its only exits are those of ``TRANSITIONS``."""

    OFFLINE = auto()  # not connected; a timer runs
    CONNECTING = auto()  # TCP, TLS and MQTT are being opened
    SUBSCRIBING = auto()  # connected; asks for its receipts first
    COMPARING = auto()  # waits for the retained receipt, to compare heads
    SENDING = auto()  # live bundles first, then the backlog under its budget
    RENEWING = auto()  # the aggregator contradicts our chain: a new epoch is being opened
    STOPPED = auto()  # the agent ends


class Event(Enum):
    """What happens to it."""

    DUE = auto()  # the timer of OFFLINE ran out
    CONNECTED = auto()  # the broker accepted us
    SUBSCRIBED = auto()  # the broker took the subscription
    AGREED = auto()  # heads fit, or no receipt was retained
    CONTRADICTED = auto()  # the aggregator is ahead of us, has another leaf, or closed the epoch
    RENEWED = auto()  # a new epoch is open, by us or by a buffer that had to be replaced
    LOST = auto()  # refused, timed out, disconnected
    STOP = auto()  # the agent ends


class Action(Enum):
    """What is to be done on the way."""

    CONNECT = auto()
    SUBSCRIBE = auto()
    AWAIT_RECEIPT = auto()
    SEND = auto()  # birth first
    RENEW = auto()
    DISCONNECT = auto()  # after a death of our own where the agent ends
    BACK_OFF = auto()


_TO: Final[Mapping[tuple[State, Event], tuple[State, tuple[Action, ...]]]] = {
    (State.OFFLINE, Event.DUE): (State.CONNECTING, (Action.CONNECT,)),
    (State.CONNECTING, Event.CONNECTED): (State.SUBSCRIBING, (Action.SUBSCRIBE,)),
    (State.SUBSCRIBING, Event.SUBSCRIBED): (State.COMPARING, (Action.AWAIT_RECEIPT,)),
    (State.COMPARING, Event.AGREED): (State.SENDING, (Action.SEND,)),
    (State.RENEWING, Event.RENEWED): (State.OFFLINE, (Action.BACK_OFF,)),
}
_LINED: Final = (State.CONNECTING, State.SUBSCRIBING, State.COMPARING, State.SENDING)
_HEARING: Final = (State.SUBSCRIBING, State.COMPARING, State.SENDING)

TRANSITIONS: Final[Mapping[tuple[State, Event], tuple[State, tuple[Action, ...]]]] = {
    **_TO,
    **{
        (state, Event.LOST): (State.OFFLINE, (Action.DISCONNECT, Action.BACK_OFF))
        for state in _LINED
    },
    **{
        (state, Event.RENEWED): (State.OFFLINE, (Action.DISCONNECT, Action.BACK_OFF))
        for state in _LINED
    },
    **{
        (state, Event.CONTRADICTED): (State.RENEWING, (Action.DISCONNECT, Action.RENEW))
        for state in _HEARING
    },
    **{
        (state, Event.STOP): (State.STOPPED, (Action.DISCONNECT,))
        for state in State
        if state is not State.STOPPED
    },
}


def step(state: State, event: Event) -> tuple[State, tuple[Action, ...]]:
    """Return the next state and what to do; an event that has no place changes nothing."""
    return TRANSITIONS.get((state, event), (state, ()))
