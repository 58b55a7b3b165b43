"""Who may be asked now: providers that rest, limits of the person's own, and places in line.

One answer to three questions, so that dispatch has one door to knock at. What is never done here: turning down what
might work. A provider that rests is asked all the same where there is nobody else; only a limit refuses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ringlet_mitm.addons.breakers import Breakers
from ringlet_mitm.addons.budget import Budget
from ringlet_mitm.addons.exchange import Exchange
from ringlet_mitm.addons.live import Live
from ringlet_mitm.addons.queues import Lanes
from ringlet_mitm.rules.errors import LimitReached
from ringlet_mitm.rules.failures import Failure, FailureKind
from ringlet_mitm.rules.health import State
from ringlet_mitm.rules.limits import Action, Limits, Verdict
from ringlet_mitm.rules.peek import Peek
from ringlet_mitm.rules.reliability import Attempt
from ringlet_mitm.rules.targets import Target

BYTES_PER_TOKEN = 4
NOT_SENT = Failure(FailureKind.NOT_SENT)


@dataclass(frozen=True, slots=True)
class Admission:
    """What the requests of one proxy share."""

    live: Live
    breakers: Breakers
    budget: Budget
    lanes: Lanes = field(default_factory=Lanes)

    async def verdict(self, exchange: Exchange) -> Verdict | None:
        """What the limits say to the exchange's first target; None where there are none."""
        if not self._limits.limits:
            return None
        await self.budget.ready()
        return self._verdict(exchange, exchange.targets[0])

    def first(self, exchange: Exchange) -> Target:
        """The target to begin with, as `admit`; raises LimitReached where the limits let none of them be asked."""
        targets = exchange.targets
        if self._limits.limits:
            targets = tuple(target for target in targets if not self._refusal(exchange, target))
            if not targets:
                raise self._refusal(exchange, exchange.targets[0]) or LimitReached("limit reached")
        found = self.breakers.first(targets)
        if found is not exchange.targets[0]:
            exchange.remark(self._passed_over(exchange))
        self.breakers.sent(found)
        return found

    def rests(self, exchange: Exchange, target: Target) -> bool:
        """Whether somebody else is to be asked first."""
        closed = self._limits.limits and self._verdict(exchange, target).action >= Action.SWITCH
        return bool(closed) or self.breakers.rests(target)

    def admit(self, exchange: Exchange, target: Target) -> None:
        """It is chosen; raises LimitReached where a limit keeps it from being asked."""
        refusal = self._refusal(exchange, target)
        if refusal is not None:
            raise refusal
        self.breakers.sent(target)

    def not_sent(self, target: Target) -> None:
        """It was chosen, but there is no way to ask it."""
        self.breakers.ended(Attempt(0, target, "", 0, failure=NOT_SENT))

    def sent(self, exchange: Exchange, attempt: Attempt) -> None:
        """An attempt is about to leave."""
        if self._limits.limits:
            self.budget.sent(exchange.id, attempt.target.provider, _tokens(exchange))

    def answers(self, exchange: Exchange) -> None:
        """A good answer has begun."""
        if exchange.attempts:
            self.breakers.answers(exchange.attempts[-1].target)

    def over(self, exchange: Exchange, attempt: Attempt) -> None:
        """It has ended, or was never made: its place in line is free."""
        ticket, exchange.ticket = exchange.ticket, None
        self.breakers.ended(replace(attempt, failure=NOT_SENT) if exchange.renews else attempt)
        if ticket is not None:
            ticket.leave()

    def enters(self, exchange: Exchange, granted: Callable[[], None]) -> bool | None:
        """Whether the exchange's attempt may leave now; False: when `granted` is called; None: the line is too long."""
        target = exchange.attempts[-1].target
        most = self._limits.parallel.get(target.provider)
        if most is None:
            return True
        exchange.ticket = self.lanes.enter(target.provider, most, _who(exchange), granted)
        return None if exchange.ticket is None else exchange.ticket.ready

    def report(self) -> dict[str, object]:
        """For `/health`: providers that rest, lines that somebody is in, all limits."""
        return {
            "resting": [door for door in self.breakers.report() if door["state"] != State.SOUND],
            "lines": [{"provider": line.pop("lane"), **line} for line in self.lanes.report()],
            "limits": self.budget.report(self._limits),
        }

    @property
    def _limits(self) -> Limits:
        return self.live.ruling.book.limits

    def _verdict(self, exchange: Exchange, target: Target) -> Verdict:
        return self.budget.check(self._limits, target.provider, target.model, obeyed=exchange.obeyed)

    def _refusal(self, exchange: Exchange, target: Target) -> LimitReached | None:
        said = self._verdict(exchange, target) if self._limits.limits else None
        refused = said is not None and said.action is Action.REFUSE
        return LimitReached(said.said, said.retry_after_s) if said is not None and refused else None

    def _passed_over(self, exchange: Exchange) -> str:
        """Why the first of its targets is not asked first."""
        target = exchange.targets[0]
        refusal = self._refusal(exchange, target)
        return str(refusal or f"{target.provider or target.endpoint.host} {self.breakers.why(target)}")


def _tokens(exchange: Exchange) -> int:
    """The estimate of its input."""
    if exchange.counted_tokens is not None:
        return round(exchange.counted_tokens * exchange.calibration)
    return len(exchange.request.body) // BYTES_PER_TOKEN


def _who(exchange: Exchange) -> str:
    """In whose name it stands in line: its session, so that one with many requests does not keep others waiting."""
    seen = exchange.turn.peek if exchange.turn is not None else None
    return seen.features.session if isinstance(seen, Peek) else ""
