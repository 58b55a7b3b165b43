"""Whole answers of the Messages API, both ways.

Towards the agent a thought of another vendor carries its signature sealed, so that the next turn brings it back; one
whom it told not to think gets no thoughts.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ringlet_mitm.addons.wire.anthropic.content import parse_block, render_block
from ringlet_mitm.addons.wire.anthropic.losses import Losses
from ringlet_mitm.addons.wire.canonical import (
    Block,
    Effort,
    Foreign,
    Json,
    Media,
    Native,
    Refusal,
    Reply,
    Stop,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    fields_of,
)
from ringlet_mitm.addons.wire.codec import AnswerContext, Rendered, Untranslatable, within_depth, write_json
from ringlet_mitm.addons.wire.identifiers import seal
from ringlet_mitm.addons.wire.leftovers import remembered
from ringlet_mitm.addons.wire.lenient import LenientDecoder
from ringlet_mitm.addons.wire.stops import stop_of, stop_word
from ringlet_mitm.addons.wire.usage_fields import MessagesUsage
from ringlet_mitm.addons.wire.usage_rendering import rendered_usage
from ringlet_mitm.rules.pricing import Usage
from ringlet_mitm.rules.shapes import WireFormat

HERE = WireFormat.MESSAGES
BYTES_PER_TOKEN = 4
# With calls in the answer an agent makes them only after `tool_use`; without, it would wait for ever.
ENDS = (Stop.END, Stop.TOOL_CALLS, Stop.STOP_SEQUENCE, Stop.OTHER)
_usage = LenientDecoder(MessagesUsage)


@within_depth("the answer")
def parse_reply(body: Json) -> Reply:
    """An answer. Raises Untranslatable where there is none in it."""
    content = body.get("content")
    if not isinstance(content, list):
        raise Untranslatable("the answer has no list of content")
    return _parsed(body, content)


def _parsed(body: Json, content: list[Any]) -> Reply:
    blocks = tuple(parse_block(said) for said in content if isinstance(said, dict))
    said, sequence = body.get("stop_reason"), body.get("stop_sequence")
    word = said if isinstance(said, str) else ""
    calls = any(isinstance(block, ToolCall) for block in blocks)
    usage = usage_in(body.get("usage"))
    reply = Reply(
        id=_text(body.get("id")),
        model=_text(body.get("model")),
        blocks=blocks,
        stop=stop_of(word, HERE, calls=calls),
        usage=usage,
        stop_sequence=sequence if isinstance(sequence, str) else None,
        stop_said=word,
    )
    written = {
        **_head(reply.id, reply.model),
        "content": content if len(blocks) == len(content) else [],
        "stop_reason": word,
        "stop_sequence": reply.stop_sequence,
        "usage": rendered_usage(HERE, usage) if usage is not None else None,
    }
    native = remembered(HERE, body, written) or Native(HERE, {})
    return replace(reply, native=native)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def usage_in(said: Any) -> Usage | None:
    """The figures of a usage object; None where there is none."""
    return _usage.decode(write_json(said)).usage() if isinstance(said, dict) else None


def render_reply(reply: Reply, context: AnswerContext) -> Rendered:
    """An answer as the agent reads it."""
    losses = Losses()
    here = reply.native is not None and reply.native.format is HERE
    quiet = wants_no_thoughts(context) and not here
    blocks = [found for block in reply.blocks if (found := for_agent(block, quiet, losses)) is not None]
    blocks = [block for block in blocks if here or not is_blank(block)]
    content = [written for block in blocks if (written := render_block(block, losses)) is not None]
    calls = any(item.get("type") == "tool_use" for item in content)
    body = {
        **_head(reply.id or context.id, reply.model or context.model),
        "content": content,
        "stop_reason": reply.stop_said if here and reply.stop_said else word_for(reply.stop, calls),
        "stop_sequence": reply.stop_sequence,
        "usage": rendered_usage(HERE, shown_usage(reply.usage, context, sum(map(_size, blocks)))),
    }
    body.update(fields_of(reply.native, HERE))
    return Rendered(body, losses.found)


def _head(answer_id: str, model: str) -> Json:
    return {"id": answer_id, "type": "message", "role": "assistant", "model": model}


def _size(block: Block) -> int:
    match block:
        case Text(text) | Thinking(text):
            return len(text)
        case ToolCall():
            return len(block.arguments)
    return 0


def wants_no_thoughts(context: AnswerContext) -> bool:
    """Whether the agent turned thinking off; it may read the first block as the answer."""
    reasoning = context.conversation.reasoning
    return reasoning is not None and reasoning.effort is Effort.NONE


def for_agent(block: Block, quiet: bool, losses: Losses) -> Block | None:
    """A block as an answer of Messages can hold it; None where it cannot."""
    match block:
        case Thinking():
            return None if quiet else sealed(block)
        case Media():
            losses.note(f"{block.kind.value} in an answer", "an answer of Messages is text and calls")
            return None
        case ToolResult():
            losses.note("tool result in an answer", "an answer of Messages has none")
            return None
        case Foreign(wire_format) if wire_format is not HERE:
            losses.note(block.what, "only its own vendor knows this block")
            return None
        case Refusal(text):
            return Text(text)
    return block


def is_blank(block: Block) -> bool:
    """Whether there is nothing in it; sent back to Anthropic, an empty text is refused."""
    return (isinstance(block, Text) and not block.text) or (
        isinstance(block, Thinking) and not block.text and not block.signature
    )


def sealed(block: Thinking) -> Thinking:
    """A thought with a signature that this agent can bring back, whoever signed it."""
    if block.redacted and block.signer is HERE:
        return block
    signer, signature = block.signer or HERE, block.signature
    if signer is not HERE:
        signature = seal(signer, signature)
    return Thinking(block.text, signature, HERE, native=block.native)


def word_for(stop: Stop, calls: bool) -> str:
    """The stop reason that an agent acts upon rightly."""
    if stop in ENDS and calls:
        return stop_word(Stop.TOOL_CALLS, HERE)
    return stop_word(Stop.END if stop is Stop.TOOL_CALLS else stop, HERE)


def shown_usage(usage: Usage | None, context: AnswerContext, written: int) -> Usage:
    """What was reported; estimates where nothing was, for an agent that measures its context by it."""
    if usage is None:
        return Usage(input_tokens=context.estimated_input, output_tokens=-(-written // BYTES_PER_TOKEN))
    return usage if usage.total_input else replace(usage, input_tokens=context.estimated_input)
