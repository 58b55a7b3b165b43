"""Whole answers, both ways. One that is written in full is a stream that nobody hears, so both say the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ringlet_mitm.addons.wire.accumulating import events_of
from ringlet_mitm.addons.wire.canonical import Json, Reply, Stop
from ringlet_mitm.addons.wire.codec import AnswerContext, Rendered, Untranslatable, within_depth, write_json
from ringlet_mitm.addons.wire.leftovers import leftovers
from ringlet_mitm.addons.wire.lenient import LenientDecoder
from ringlet_mitm.addons.wire.responses.answers import blocks_of, declines, has_calls, items_of
from ringlet_mitm.addons.wire.responses.envelope import COMPLETED, FAILED
from ringlet_mitm.addons.wire.responses.failing import error_of
from ringlet_mitm.addons.wire.responses.marks import FORMAT, Losses, own, said, string
from ringlet_mitm.addons.wire.responses.writing import Renderer
from ringlet_mitm.addons.wire.stops import stop_of
from ringlet_mitm.addons.wire.usage_fields import ResponsesUsage
from ringlet_mitm.addons.wire.usage_rendering import rendered_usage
from ringlet_mitm.rules.pricing import Usage

_decode_usage = LenientDecoder(ResponsesUsage).decode


@within_depth("the answer")
def parse_reply(body: Json) -> Reply:
    """A whole answer.

    Raises Untranslatable where it tells of a failure, has no output, or is nested too deep.
    """
    if not isinstance(body, dict):
        raise Untranslatable("the answer is not a JSON object")
    if body.get("status") == FAILED or not isinstance(body.get("output"), list):
        raise Untranslatable(f"the provider gave no answer: {error_of(body).message}")
    return _parse(body)


def _parse(body: Json) -> Reply:
    blocks = tuple(block for item in body["output"] if isinstance(item, dict) for block in blocks_of(item))
    created, reason = body.get("created_at"), stop_reason(body)
    made = int(created) if isinstance(created, (int, float)) and abs(created) < _LAST_SECOND else None
    usage = usage_in(body)
    stop = stop_at(reason, calls=has_calls(blocks), refuses=declines(blocks))
    reply = Reply(string(body, "id"), string(body, "model"), blocks, stop, usage, None, reason, made)
    return replace(reply, native=said(leftovers(body, _bare(reply, Losses()) or {})))


_LAST_SECOND = 1 << 40  # infinity and what is no time of day have no place as a whole number


def stop_reason(response: Mapping[str, Any]) -> str:
    """The status, or the reason of an answer that is incomplete."""
    details = response.get("incomplete_details")
    reason = string(details, "reason") if isinstance(details, dict) else ""
    return reason or string(response, "status") or COMPLETED


def stop_at(reason: str, *, calls: bool, refuses: bool) -> Stop:
    """Why the model stopped; calls and refusals have no word of their own, they are seen."""
    stop = stop_of(reason, FORMAT, calls=calls)
    return Stop.REFUSAL if stop is Stop.END and refuses else stop


def usage_in(response: Mapping[str, Any]) -> Usage | None:
    """The figures of a response."""
    found = response.get("usage")
    return _decode_usage(write_json(found)).usage() if isinstance(found, dict) else None


def render_reply(reply: Reply, context: AnswerContext) -> Rendered:
    """A whole answer; one of this format as it came."""
    losses = Losses()
    fields = own(reply.native)
    bare = None if fields is None else _bare(reply, losses)
    if fields is not None and bare is not None:
        return Rendered(bare | fields, losses.listed())
    renderer = Renderer(context)
    for event in events_of(reply):
        renderer.feed(event)
    return Rendered(renderer.response, tuple(renderer.losses))


def _bare(reply: Reply, losses: Losses) -> Json | None:
    """What the answer says and no more; None where its items are not those that came."""
    output = items_of(reply.blocks, losses)
    if output is None:
        return None
    told: Json = {
        "id": reply.id or None,
        "model": reply.model or None,
        "created_at": reply.created,
        "output": output,
        "usage": None if reply.usage is None else rendered_usage(FORMAT, reply.usage),
    }
    return {key: value for key, value in told.items() if value is not None}
