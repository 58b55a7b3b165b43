"""Whole answers of Converse, both ways. They have no id and, but for a prompt router's, do not name their model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from msgspec import DecodeError

from ringlet_mitm.addons.wire.canonical import Block, Foreign, Json, Native, Reply, ToolCall, ToolResult, fields_of
from ringlet_mitm.addons.wire.codec import AnswerContext, Rendered, Untranslatable, within_depth, write_json
from ringlet_mitm.addons.wire.converse.content import arguments_of, own_block, own_content, parse_content
from ringlet_mitm.addons.wire.converse.families import signer_of
from ringlet_mitm.addons.wire.converse.media import CONVERSE
from ringlet_mitm.addons.wire.faults import error_in
from ringlet_mitm.addons.wire.leftovers import laid_over, leftovers, said_once
from ringlet_mitm.addons.wire.lenient import LenientDecoder
from ringlet_mitm.addons.wire.stops import stop_of, stop_word
from ringlet_mitm.addons.wire.usage_fields import ConverseUsage
from ringlet_mitm.addons.wire.usage_rendering import rendered_usage
from ringlet_mitm.rules.pricing import Usage
from ringlet_mitm.rules.shapes import Loss

MORE_FIELDS = "additionalModelResponseFields"
_usage = LenientDecoder(ConverseUsage)


@within_depth("the answer")
def parse_reply(body: Json, model: str = "") -> Reply:
    """A whole answer; `model` is who was asked, where it is known. Raises Untranslatable where it is none."""
    output = body.get("output")
    said = output.get("message") if isinstance(output, dict) else None
    if not isinstance(said, dict):
        error = error_in(body)
        raise Untranslatable(f"Bedrock says: {error.message}" if error else "Bedrock's answer has no message")
    routed = routed_to(body)
    blocks = parse_content(said.get("content"), signer_of(routed or model))
    reason = body.get("stopReason")
    reason = reason if isinstance(reason, str) else ""
    own = Reply(
        id="",
        model=routed,
        blocks=blocks,
        stop=stop_of(reason, CONVERSE, calls=any(isinstance(block, ToolCall) for block in blocks)),
        usage=usage_of(body.get("usage")),
        stop_sequence=stop_sequence_in(body.get(MORE_FIELDS)),
        stop_said=reason,
        native=Native(CONVERSE, {}),
    )
    return replace(own, native=Native(CONVERSE, leftovers(body, _own_body(own))))


def routed_to(said: Mapping[str, Any]) -> str:
    """The model that a prompt router chose; "" where none did."""
    trace = said.get("trace")
    router = trace.get("promptRouter") if isinstance(trace, dict) else None
    model = router.get("invokedModelId") if isinstance(router, dict) else None
    return model.rpartition("/")[2] if isinstance(model, str) else ""


def usage_of(said: Any) -> Usage | None:
    """The figures; None where there are none."""
    if not isinstance(said, dict):
        return None
    try:
        return _usage.decode(write_json(said)).usage()
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return None


def stop_sequence_in(more: Any) -> str | None:
    """The stop sequence that was hit, which Claude tells if it was asked for."""
    found = more.get("stop_sequence") if isinstance(more, dict) else None
    return found if isinstance(found, str) else None


def _own_body(reply: Reply) -> Json:
    """An answer that came in this format: word for word."""
    body: Json = {"output": {"message": {"role": "assistant", "content": own_content(reply.blocks)}}}
    if reply.stop_said:
        body["stopReason"] = reply.stop_said
    if reply.usage is not None:
        body["usage"] = rendered_usage(CONVERSE, reply.usage)
    return laid_over(body, fields_of(reply.native, CONVERSE))


def render_reply(reply: Reply, context: AnswerContext) -> Rendered:
    """An answer as Converse gives it, and what it could not say."""
    if reply.native is not None and reply.native.format is CONVERSE:
        return Rendered(_own_body(reply))
    losses: list[Loss] = []
    content = [written for block in reply.blocks if (written := answer_block(block, losses)) is not None]
    body: Json = {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": stop_word(reply.stop, CONVERSE),
        "usage": rendered_usage(CONVERSE, reply.usage or Usage()),
        "metrics": {"latencyMs": 0},
    }
    if reply.stop_sequence is not None:
        body[MORE_FIELDS] = {"stop_sequence": reply.stop_sequence}
    return Rendered(body, said_once(losses))


def answer_block(block: Block, losses: list[Loss]) -> Any:
    """A block of an answer; None where Converse has no such block."""
    if isinstance(block, Foreign) and block.format is not CONVERSE:
        losses.append(Loss(block.what, "Converse has nothing like it"))
        return None
    if isinstance(block, ToolResult):
        losses.append(Loss("tool result", "an answer of Converse's holds none of another's"))
        return None
    if isinstance(block, ToolCall):
        return {"toolUse": {"toolUseId": block.id, "name": block.name, "input": arguments_of(block)}}
    return own_block(block)
