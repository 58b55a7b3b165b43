"""What changes in a body that keeps its format: a listed set of edits, every byte between them as the agent sent it.

The model's name; usage, which a Chat stream says only when asked; and what another model of the same vendor refuses.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from msgspec import Raw

from ringlet_mitm.addons.wire.anthropic.losses import Losses
from ringlet_mitm.addons.wire.anthropic.regeneration import refitted
from ringlet_mitm.addons.wire.anthropic.request import parse_request
from ringlet_mitm.addons.wire.canonical import Message
from ringlet_mitm.addons.wire.codec import Untranslatable, read_json, write_json
from ringlet_mitm.rules.peek import AgentRequest, Peek, Unreadable
from ringlet_mitm.rules.routing import Decision
from ringlet_mitm.rules.shapes import Loss, WireFormat
from ringlet_mitm.rules.targets import Target
from ringlet_mitm.rules.turns import MODEL_ROLES, item_of

ASK_FOR_USAGE = b'"stream_options":{"include_usage":true},'
# Results of parallel calls may come in several messages behind the model's own.
LOOK_BACK = 16


@dataclass(frozen=True, slots=True)
class Edit:
    """Bytes `start` to `end` (exclusive) of the original body become `new`; an insertion where both are equal."""

    start: int
    end: int
    new: bytes


@dataclass(frozen=True, slots=True)
class Turn:
    """All that an attempt is made of, whichever target it goes to."""

    request: AgentRequest
    peek: Peek | Unreadable
    decision: Decision


def apply_edits(body: bytes, edits: tuple[Edit, ...]) -> bytes:
    """`body` with the edits made; they do not overlap, and are in the order of their places."""
    view = memoryview(body)  # so that nothing is copied twice
    pieces: list[bytes | memoryview] = []
    done = 0
    for edit in edits:
        pieces += (view[done : edit.start], edit.new)
        done = edit.end
    pieces.append(view[done:])
    return b"".join(pieces)


def model_edit(turn: Turn, target: Target) -> Edit | None:
    """The model's name, where the target's is another."""
    if isinstance(turn.peek, Unreadable):
        return None
    span = turn.peek.spans.model
    if span is None or not target.model or target.model == turn.peek.features.model:
        return None
    return Edit(span.start, span.end, json.dumps(target.model).encode())


def usage_edit(turn: Turn, target: Target) -> Edit | None:
    """Chat streams say their usage only when asked; the agent that did not ask does not see the extra chunk.

    A host that is no provider's is not asked: some refuse keys that they do not know, and the agent's turn goes first.
    One that is known to refuse the question says it unasked.
    """
    if isinstance(turn.peek, Unreadable) or not target.provider or "stream_options" in target.demands.refuse:
        return None
    features, spans, body = turn.peek.features, turn.peek.spans, turn.request.body
    if features.format is not WireFormat.CHAT or not features.stream:
        return None
    span = spans.stream_options
    if span is None:
        return Edit(spans.after_brace, spans.after_brace, ASK_FOR_USAGE)  # a key follows: at least `stream`
    try:
        options = json.loads(body[span.start : span.end])
    except (ValueError, RecursionError):
        return None
    if options is not None and not isinstance(options, dict):
        return None
    options = options or {}
    if options.get("include_usage") is True:
        return None
    return Edit(span.start, span.end, json.dumps({**options, "include_usage": True}).encode())


def refit_edits(turn: Turn, target: Target) -> tuple[tuple[Edit, ...], tuple[Loss, ...]]:
    """What the target's model refuses of what the requested one was asked for, and what is lost with it."""
    if isinstance(turn.peek, Unreadable) or not turn.peek.spans.follow_model:
        return (), ()
    body, spans = turn.request.body, dict(turn.peek.spans.follow_model)
    try:
        asked = {key: read_json(body[span.start : span.end]) for key, span in spans.items()}
    except ValueError:
        return (), ()
    losses = Losses()
    changed = refitted(asked, _last_said(turn.peek), target.model, losses)
    edits = (Edit(spans[key].start, spans[key].end, write_json(value)) for key, value in changed.items())
    return tuple(edits), tuple(losses.found)


def _last_said(seen: Peek) -> tuple[Message, ...]:
    """The model's last message, which says whether it was thinking."""
    last = map(Raw, seen.parts.segments[: -LOOK_BACK - 1 : -1])
    raw = next((raw for raw in last if item_of(raw).role in MODEL_ROLES), None)
    if raw is None:
        return ()
    try:
        return parse_request({"messages": [read_json(bytes(raw))]}, "").messages
    except (ValueError, Untranslatable):
        return ()
