"""From an exchange to the rows it leaves: what was decided, what it used, what that costs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from ringlet_mitm.addons.conversations import Answered, Conversations
from ringlet_mitm.addons.exchange import Exchange
from ringlet_mitm.addons.usage.rows import AttemptRow, RequestRow
from ringlet_mitm.addons.wire.stops import stop_of
from ringlet_mitm.rules.failures import course_of
from ringlet_mitm.rules.peek import RequestFeatures, Unreadable
from ringlet_mitm.rules.pricelist import PriceBook
from ringlet_mitm.rules.pricing import (
    TOKEN_KINDS,
    Cost,
    PriceCard,
    Usage,
    cost,
    cost_as_asked,
    cost_uncached,
    in_order,
    switch_cost,
)
from ringlet_mitm.rules.prompt_caches import held, lives_us
from ringlet_mitm.rules.reliability import Attempt

# Nobody counted: bytes of request text a token, as measured over the captures of five agents.
BYTES_PER_TOKEN = 4
# Characters of a row's note.
SKIPPED_SHOWN = 300


@dataclass(frozen=True, slots=True)
class Bookkeeper:
    """Makes rows for one profile with one price book; `conversations` tell who answered one before.

    Where `keeps_projects` is False, rows do not say what folder the agent works in.
    """

    profile: str
    prices: PriceBook
    conversations: Conversations = field(default_factory=Conversations)
    keeps_projects: bool = True

    def rows(self, exchange: Exchange, now_us: int) -> tuple[RequestRow, tuple[AttemptRow, ...]]:
        """The request's row and one for each attempt; `now_us` is when it ended."""
        attempts = tuple(_attempt_row(exchange.id, attempt) for attempt in exchange.attempts)
        return self._request_row(exchange, now_us), attempts

    def _request_row(self, exchange: Exchange, now_us: int) -> RequestRow:
        request, target, reading = exchange.request, exchange.target, exchange.reading
        usage, source = _usage(exchange)
        card = (
            self.prices.card(target.provider, target.model) if target and target.provider and source != "none" else None
        )
        bill = cost(usage, card)
        counted = exchange.counted_tokens
        return RequestRow(
            id=exchange.id,
            started_us=exchange.started_us,
            first_byte_us=exchange.first_byte_us,
            ended_us=now_us,
            profile=self.profile,
            agent_format=request.format,
            asked_host=request.host,
            path=request.path.partition("?")[0],
            answered_model=reading.model if reading else "",
            stop_reason=_stop(exchange),
            counted_tokens=counted,
            calibration=exchange.calibration,
            estimated_input_tokens=None if counted is None else round(counted * exchange.calibration),
            usage_source=source,
            cost_input=bill.input,
            cost_cache_read=bill.cache_read,
            cost_cache_write=bill.cache_write,
            cost_output=bill.output,
            cost_total=bill.total,
            cost_uncached=cost_uncached(usage, card),
            price_source=card.source if card else "",
            status=exchange.status,
            error_class=exchange.failure.kind if exchange.failure else "",
            attempts=len(exchange.attempts),
            request_bytes=len(request.body),
            response_bytes=reading.bytes_out if reading else 0,
            decision_us=exchange.decision_us,
            losses=_losses(exchange),
            note=_note(exchange),
            **({} if source == "none" else self._compared(exchange, usage, card, bill, now_us)),
            **_routed(exchange),
            **_features(exchange, self.keeps_projects),
            **dict(zip(TOKEN_KINDS, in_order(usage), strict=True)),
        )

    def _compared(
        self, exchange: Exchange, usage: Usage, card: PriceCard | None, bill: Cost, now_us: int
    ) -> dict[str, Any]:
        """Who answered the conversation before this one, if it was another, and what leaving it cost; what the model
        that was asked for would have cost.

        Remembers that this one has answered.
        """
        target, turn = exchange.target, exchange.turn
        if target is None or turn is None or isinstance(turn.peek, Unreadable):
            return {}
        features = turn.peek.features
        lives = lives_us(usage.cache_write_1h_tokens)
        now = Answered(target.provider, target.model, usage.total_input, now_us, held(usage, card), lives)
        before = self.conversations.answered(turn.peek, now)
        cached = before.cached_at(exchange.started_us) if before else 0
        if before and before.name != now.name:
            left_behind = before.held_at(exchange.started_us)
            switch = {"switched_from": before.name, "cost_switch": switch_cost(usage, card, left_behind)}
        elif (target.provider, target.model) == (features.provider, features.model):
            return {"cost_as_asked": bill.total}
        else:
            switch = {}
        asked = self.prices.card(features.provider, features.model) if features.provider else None
        return {**switch, "cost_as_asked": cost_as_asked(usage, asked, cached)}


def _note(exchange: Exchange) -> str:
    """What was odd; and which fallbacks were not there to be tried, where one was called for."""
    failures = (attempt.failure for attempt in exchange.attempts)
    if not exchange.skipped or not any(course_of(failure).moves for failure in failures if failure):
        return exchange.note
    left_out = f"left out: {'; '.join(exchange.skipped)}"
    shown = left_out if len(left_out) <= SKIPPED_SHOWN else f"{left_out[: SKIPPED_SHOWN - 1]}…"
    return "; ".join(filter(None, (exchange.note, shown)))


def _stop(exchange: Exchange) -> str:
    """Why the answer ended, by our own words, in which providers can be compared."""
    said, target = exchange.reading.stop_reason if exchange.reading else "", exchange.target
    return stop_of(said, target.format, calls=False) if said and target else ""


def _losses(exchange: Exchange) -> str:
    asked = exchange.outbound.losses if exchange.outbound else ()
    return ", ".join(dict.fromkeys(loss.what for loss in (*asked, *exchange.answer_losses)))


def _routed(exchange: Exchange) -> dict[str, Any]:
    """Where the rules and what came after them have led it, as far as it came."""
    turn, target = exchange.turn, exchange.target
    found: dict[str, Any] = dict.fromkeys(("rule", "provider", "routed_model", "provider_format"), "")
    if turn is not None:
        decision = turn.decision
        found |= {"rule": decision.label, "arm": decision.arm, "decision_ratio": decision.ratio}
    if target is not None:
        found |= {"provider": target.provider, "routed_model": target.model, "provider_format": target.format}
    return found


def _features(exchange: Exchange, keeps_projects: bool) -> dict[str, Any]:
    if exchange.turn is None or isinstance(exchange.turn.peek, Unreadable):
        return {}
    features: RequestFeatures = exchange.turn.peek.features
    return {
        "agent": features.agent,
        "session": features.session,
        "requested_model": features.model,
        "stream": features.stream,
        "messages": features.messages,
        "tools": features.tools,
        "tool_result": features.tool_result,
        "has_system": features.has_system,
        "thinking": features.thinking,
        "images": features.images,
        "max_output_tokens": features.max_output_tokens,
        "asked_provider": features.provider,
        "project": features.project if keeps_projects else "",
        "tokens_low": features.token_bounds.low,
        "tokens_high": features.token_bounds.high,
    }


def _usage(exchange: Exchange) -> tuple[Usage, str]:
    """What the provider reported; else, for an answer that came, an estimate that is marked as one.

    A stream that broke off reported its output as it was at the beginning, if at all; what was written since is billed
    too.
    """
    reading = exchange.reading
    if reading is not None and reading.usage is not None:
        unsaid = 0 if reading.complete else reading.output_estimate - reading.usage.total_output
        if unsaid <= 0:
            return reading.usage, "reported"
        return replace(reading.usage, output_tokens=reading.usage.output_tokens + unsaid), "estimated"
    if reading is None or exchange.status is None or exchange.status >= 400 or not reading.bytes_out:
        return Usage(), "none"
    counted = exchange.counted_tokens
    if counted is None:
        counted = len(exchange.request.body) // BYTES_PER_TOKEN
    return Usage(input_tokens=round(counted * exchange.calibration), output_tokens=reading.output_estimate), "estimated"


def _attempt_row(request_id: str, attempt: Attempt) -> AttemptRow:
    return AttemptRow(
        request_id=request_id,
        number=attempt.number,
        provider=attempt.target.provider,
        model=attempt.target.model,
        key_label=attempt.key_label,
        status=attempt.status,
        error_class=attempt.failure.kind if attempt.failure else "",
        wait_ms=attempt.wait_ms,
        started_us=attempt.started_us,
        first_byte_us=attempt.first_byte_us,
        ended_us=attempt.ended_us,
    )
