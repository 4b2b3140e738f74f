"""The conversation with a reader, as a state machine without sockets.

Each connection goes the same way, whatever the reader remembers: greeted, asked what it can do,
configured, its ROSpecs listed, ours made to stand and run. While it runs the list is looked at
again from time to time, because a reader that lost its ROSpec stays silent and alive.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final


class State(Enum):
    """Where the conversation stands."""

    IDLE = auto()  # no connection
    GREETING = auto()  # connected; the reader has yet to take us
    ASKING = auto()  # asked for its capabilities
    CONFIGURING = auto()  # told of keepalives and events
    LISTING = auto()  # asked for its ROSpecs
    DELETING = auto()  # told to forget what is not ours
    ADDING = auto()  # given our ROSpec
    ENABLING = auto()  # told to enable it
    STARTING = auto()  # told to start it
    RUNNING = auto()  # tag reads come
    CHECKING = auto()  # tag reads come; asked for its ROSpecs again
    CLOSING = auto()  # told that we go
    OVER = auto()  # this connection is of no use any more


class Event(Enum):
    """What can happen."""

    CONNECTED = auto()  # the TCP line (and TLS) stands
    WELCOMED = auto()  # ConnectionAttemptEvent: success
    TURNED_AWAY = auto()  # ConnectionAttemptEvent: anything else
    ACCEPTED = auto()  # the awaited answer, success
    DECLINED = auto()  # the awaited answer, an error
    LISTED_NONE = auto()  # no ROSpec stands
    LISTED_OTHER = auto()  # another one does
    LISTED_DISABLED = auto()  # ours, disabled
    LISTED_INACTIVE = auto()  # ours, enabled but not running
    LISTED_RUNNING = auto()  # ours, running
    ROSPEC_ENDED = auto()  # the reader says that a ROSpec stopped
    KEEPALIVE = auto()  # the reader lives
    CHECK_DUE = auto()  # time to look at the ROSpecs again
    COLLECT_DUE = auto()  # time to fetch what a half-filled report holds
    LEAVE_DUE = auto()  # time to see which carriers left
    SILENT = auto()  # nothing came for too long
    BROKEN = auto()  # the line ended, or brought what is no message
    LEAVE = auto()  # we want to go


class Send(Enum):
    """A message to send."""

    CAPABILITIES = auto()  # GET_READER_CAPABILITIES
    CONFIG = auto()  # SET_READER_CONFIG
    LIST = auto()  # GET_ROSPECS
    DELETE = auto()  # DELETE_ROSPEC, all
    ADD = auto()  # ADD_ROSPEC
    ENABLE = auto()  # ENABLE_ROSPEC
    START = auto()  # START_ROSPEC
    RELEASE = auto()  # ENABLE_EVENTS_AND_REPORTS
    COLLECT = auto()  # GET_REPORT
    ALIVE = auto()  # KEEPALIVE_ACK
    CLOSE = auto()  # CLOSE_CONNECTION


class Do(Enum):
    """What else to do."""

    RESUME = auto()  # tag reads come from now on: close the gap, if there was an interruption
    PAUSE = auto()  # tag reads ceased to come while the line stood
    FAIL = auto()  # give up this connection as a failure
    LET_GO = auto()  # give it up as agreed


Action = Send | Do
Step = tuple[State, tuple[Action, ...]]

UNANSWERED: Final = frozenset({Send.RELEASE, Send.COLLECT, Send.ALIVE})
"""Messages that no answer with their id follows."""


def step(state: State, event: Event) -> Step:
    """Return where an event leads and what to do; one that means nothing here changes nothing."""
    return TRANSITIONS.get((state, event), (state, ()))


_STANDING: Final = (State.RUNNING, State.CHECKING)
_LIVE: Final = tuple(s for s in State if s not in (State.IDLE, State.OVER))
_ANSWERED: Final = tuple(s for s in _LIVE if s not in (State.GREETING, State.RUNNING))

TRANSITIONS: Final[dict[tuple[State, Event], Step]] = {
    (State.IDLE, Event.CONNECTED): (State.GREETING, ()),
    (State.GREETING, Event.WELCOMED): (State.ASKING, (Send.CAPABILITIES,)),
    (State.GREETING, Event.TURNED_AWAY): (State.OVER, (Do.FAIL,)),
    (State.ASKING, Event.ACCEPTED): (State.CONFIGURING, (Send.CONFIG,)),
    (State.CONFIGURING, Event.ACCEPTED): (State.LISTING, (Send.LIST,)),
    (State.LISTING, Event.LISTED_NONE): (State.ADDING, (Send.ADD,)),
    (State.LISTING, Event.LISTED_OTHER): (State.DELETING, (Send.DELETE,)),
    (State.LISTING, Event.LISTED_DISABLED): (State.ENABLING, (Send.ENABLE,)),
    (State.LISTING, Event.LISTED_INACTIVE): (State.STARTING, (Send.START,)),
    (State.LISTING, Event.LISTED_RUNNING): (State.RUNNING, (Do.RESUME, Send.RELEASE)),
    (State.DELETING, Event.ACCEPTED): (State.ADDING, (Send.ADD,)),
    (State.ADDING, Event.ACCEPTED): (State.ENABLING, (Send.ENABLE,)),
    (State.ENABLING, Event.ACCEPTED): (State.STARTING, (Send.START,)),
    (State.STARTING, Event.ACCEPTED): (State.RUNNING, (Do.RESUME, Send.RELEASE)),
    (State.RUNNING, Event.CHECK_DUE): (State.CHECKING, (Send.LIST,)),
    (State.RUNNING, Event.ROSPEC_ENDED): (State.LISTING, (Do.PAUSE, Send.LIST)),
    (State.CHECKING, Event.LISTED_RUNNING): (State.RUNNING, ()),
    (State.CHECKING, Event.LISTED_NONE): (State.ADDING, (Do.PAUSE, Send.ADD)),
    (State.CHECKING, Event.LISTED_OTHER): (State.DELETING, (Do.PAUSE, Send.DELETE)),
    (State.CHECKING, Event.LISTED_DISABLED): (State.ENABLING, (Do.PAUSE, Send.ENABLE)),
    (State.CHECKING, Event.LISTED_INACTIVE): (State.STARTING, (Do.PAUSE, Send.START)),
    # The list that is under way may be older than the end; it is asked for again.
    (State.CHECKING, Event.ROSPEC_ENDED): (State.LISTING, (Do.PAUSE, Send.LIST)),
    **{(s, Event.COLLECT_DUE): (s, (Send.COLLECT,)) for s in _STANDING},
    **{(s, Event.KEEPALIVE): (s, (Send.ALIVE,)) for s in _LIVE},
    **{(s, Event.DECLINED): (State.OVER, (Do.FAIL,)) for s in _ANSWERED},
    **{(s, Event.SILENT): (State.OVER, (Do.FAIL,)) for s in _LIVE},
    **{(s, Event.BROKEN): (State.OVER, (Do.FAIL,)) for s in _LIVE},
    **{(s, Event.LEAVE): (State.CLOSING, (Send.CLOSE,)) for s in _LIVE},
    (State.IDLE, Event.LEAVE): (State.OVER, (Do.LET_GO,)),
    (State.CLOSING, Event.LEAVE): (State.CLOSING, ()),
    **{
        (State.CLOSING, e): (State.OVER, (Do.LET_GO,))
        for e in (Event.ACCEPTED, Event.DECLINED, Event.SILENT, Event.BROKEN)
    },
}
"""Every exit of every state; what is not named here changes nothing."""
