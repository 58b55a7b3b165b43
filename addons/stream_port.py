"""What mitmproxy's HttpStream (http_stream.py) and the rest of the addons say to each other about a flow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from mitmproxy import http
from mitmproxy.proxy import commands


class Trouble(StrEnum):
    """What became of an attempt, as far as connections tell."""

    ANSWER = "answer"  # an error status, its body read
    FIRST_EVENT = "first event"  # a stream that begins with an error
    UNREACHABLE = "unreachable"
    BROKEN = "broken"  # gone before an answer was there
    TIMED_OUT = "timed out"
    TURNED_AWAY = "turned away"  # the line for a place at the provider is too long


@dataclass(frozen=True, slots=True)
class Setback:
    """An attempt has failed and nothing has gone to the agent. `body` is what came of an answer."""

    trouble: Trouble
    message: str = ""
    body: bytes = b""


@dataclass
class UpstreamFailedHook(commands.StartHook):
    """Asks what to do after a setback, of which the port was told before."""

    name = "upstream_failed"
    flow: http.HTTPFlow

    def args(self) -> list[Any]:
        """What the addon's method is called with; mitmproxy wants one value, which it can pause."""
        return [self.flow]


@dataclass(slots=True)
class Waiting:
    """How an agent is kept waiting: the first ping so long after it has asked, the others `every_s`.

    `begun` once the head of the answer has gone out with the first.
    """

    after_s: float
    every_s: float
    content_type: str
    ping: Callable[[], bytes]
    begun: bool = False


class Gate(Protocol):
    """Tells answers from failures that look like one. `patience_s` is how long it may take to, 0 for any time."""

    patience_s: float

    def feed(self, data: bytes) -> bool | None:
        """Whether it is an answer; None while that is open."""

    def end(self) -> bool:
        """The same, at the end of the body."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds, 0 for none: to connect, to the first byte, between two pieces, and for all attempts together."""

    connect_s: float = 0.0
    first_byte_s: float = 0.0
    idle_s: float = 0.0
    total_s: float = 0.0


NO_LIMITS = Limits()


class Port:
    """What the stream asks about a flow; this one knows of nothing, as for whatever is no model call."""

    def is_ours(self, flow: http.HTTPFlow) -> bool:
        """Whether failures are asked about."""
        return False

    def limits(self, flow: http.HTTPFlow) -> Limits:
        """How long its attempts may take."""
        return NO_LIMITS

    def gate(self, flow: http.HTTPFlow) -> Gate | None:
        """What its answer has to pass before the agent gets any of it; None for no gate."""
        return None

    def failed(self, flow: http.HTTPFlow, setback: Setback) -> None:
        """An attempt has failed; the hook comes next."""

    def again(self, flow: http.HTTPFlow) -> float | None:
        """After the hook: in how many seconds to send `flow.request`, None to give back what there is."""
        return None

    def is_told(self, flow: http.HTTPFlow) -> bool:
        """After the hook: whether `flow.response` is of our making, in place of what came."""
        return False

    def enters(self, flow: http.HTTPFlow, granted: Callable[[], None]) -> bool | None:
        """Whether `flow.request` may be sent now.

        False where it has to wait in line until `granted` is called, None where the line is too long.
        """
        return True

    def entered(self, flow: http.HTTPFlow) -> None:
        """Its turn in line has come, and it is sent now."""

    def called_off(self, flow: http.HTTPFlow) -> None:
        """The attempt that was planned is not made, since the agent has gone."""

    def fell_silent(self, flow: http.HTTPFlow) -> None:
        """The provider has begun its answer and says no more; the ending is asked for next."""

    def waiting(self, flow: http.HTTPFlow) -> Waiting | None:
        """How its agent is kept waiting."""
        return None

    def ending(self, flow: http.HTTPFlow) -> bytes | None:
        """What ends its agent's stream when the provider is gone; None where mitmproxy's way is right."""
        return None
