"""The one mutable record of a flow: what was asked, decided, tried, answered. Nobody else touches `flow.metadata`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from mitmproxy import flow as mitmproxy_flow

from ringlet_mitm.addons.outbound import Outbound
from ringlet_mitm.addons.queues import Ticket
from ringlet_mitm.addons.relay import Reading, Relay
from ringlet_mitm.addons.splicing import Turn
from ringlet_mitm.addons.stream_port import Gate, Setback, Waiting
from ringlet_mitm.addons.translating import TranslatingRelay
from ringlet_mitm.addons.usage.rows import RequestRow
from ringlet_mitm.rules.failures import Failure, FailureKind
from ringlet_mitm.rules.limits import Limit
from ringlet_mitm.rules.peek import AgentRequest
from ringlet_mitm.rules.reliability import Attempt
from ringlet_mitm.rules.rulebook import RuleBook
from ringlet_mitm.rules.shapes import Loss
from ringlet_mitm.rules.targets import Target

KEY = "ringlet"
# What a finished exchange leaves for those who look at its flow.
ACCOUNT_KEY = "ringlet-account"


@dataclass(slots=True, repr=False)
class Exchange:
    """One request of an agent and its answer. Times are microseconds since the epoch.

    `raw_body` is the body as the agent sent it, still packed. `again_s` says when the next attempt is sent, None for no
    other. `told` is true where the answer is of our making. `skipped` says why fallbacks are not among the `targets`.
    `book` are the rules that decided.
    """

    id: str
    started_us: int
    request: AgentRequest
    turn: Turn | None = None
    targets: tuple[Target, ...] = ()
    skipped: tuple[str, ...] = ()
    outbound: Outbound | None = None
    attempts: list[Attempt] = field(default_factory=list)
    counted_tokens: int | None = None
    calibration: float = 1.0
    decision_us: int = 0
    first_byte_us: int | None = None
    status: int | None = None
    failure: Failure | None = None
    reading: Reading | None = None
    note: str = ""
    relay: Relay | TranslatingRelay | None = None
    waiting: Waiting | None = None
    raw_body: bytes = b""
    gate: Gate | None = None
    setback: Setback | None = None
    again_s: float | None = None
    told: bool = False
    answer_losses: tuple[Loss, ...] = ()
    row: RequestRow | None = None
    ticket: Ticket | None = None
    obeyed: tuple[Limit, ...] = ()
    renews: bool = False
    over: Callable[[Exchange, Attempt], None] | None = None
    book: RuleBook | None = None

    @property
    def target(self) -> Target | None:
        """Where the last attempt that was sent went, or the first will go."""
        for attempt in reversed(self.attempts):
            if attempt.failure is None or attempt.failure.kind is not FailureKind.NOT_SENT:
                return attempt.target
        return self.targets[0] if self.targets else None

    def close_attempt(self, now_us: int) -> None:
        """What is known of the last attempt at its end; only the first time."""
        if self.attempts and self.attempts[-1].ended_us is None:
            self.attempts[-1] = replace(
                self.attempts[-1],
                status=self.status,
                first_byte_us=self.first_byte_us,
                ended_us=now_us,
                failure=self.failure,
            )
            self._is_over(self.attempts[-1])

    def call_off(self) -> None:
        """The agent has gone before the last attempt was sent: it has no row, for nobody was asked."""
        self.failure = Failure(FailureKind.CLIENT_GONE)
        self._is_over(replace(self.attempts.pop(), failure=self.failure))

    def remark(self, text: str) -> None:
        """Add to the note."""
        self.note = f"{self.note}; {text}" if self.note else text

    def _is_over(self, attempt: Attempt) -> None:
        if self.over is not None:
            self.over(self, attempt)

    def forget_answer(self) -> None:
        """Make ready for another attempt: nothing is left of the last one but its place among the attempts."""
        self.outbound = self.reading = self.relay = self.waiting = self.gate = None
        self.first_byte_us = self.status = self.failure = None
        self.answer_losses = ()

    def let_go(self) -> None:
        """Forget what only an attempt needs; the row stays."""
        self.turn = self.outbound = self.relay = self.waiting = self.gate = self.setback = self.over = None
        self.book = None
        self.raw_body = b""
        asked = self.request
        self.request = AgentRequest(
            asked.format, asked.method, asked.scheme, asked.host, asked.port, asked.path, (), b"", asked.direct
        )

    def __repr__(self) -> str:
        """For mitmproxy's `~meta`, which searches in the text of all metadata."""
        return self.id

    def __deepcopy__(self, memo: dict[int, object]) -> str:
        """For copies of a flow, which are what files and mitmweb's undo are made of: nothing of a running request."""
        return self.id


def attach(flow: mitmproxy_flow.Flow, exchange: Exchange) -> None:
    """Make `exchange` the flow's."""
    flow.metadata[KEY] = exchange


def exchange_of(flow: mitmproxy_flow.Flow) -> Exchange | None:
    """The flow's exchange; None where it is not a model call."""
    found = flow.metadata.get(KEY)
    return found if isinstance(found, Exchange) else None


def describe(flow: mitmproxy_flow.Flow, facts: Mapping[str, str], account: bytes) -> None:
    """Leave words on a flow: `facts` for the filter `~meta`, the packed `account` for its content view."""
    flow.metadata.update(facts)
    flow.metadata[ACCOUNT_KEY] = account


def account_in(flow: mitmproxy_flow.Flow) -> bytes:
    """The packed account of a flow; b"" where it has none, or none yet."""
    found = flow.metadata.get(ACCOUNT_KEY)
    return found if isinstance(found, bytes) else b""
