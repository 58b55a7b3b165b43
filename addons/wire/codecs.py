"""The wire formats, each as the functions of its folder: the one place that lists them."""

from __future__ import annotations

from ringlet_mitm.addons.wire.anthropic import reply as anthropic_reply
from ringlet_mitm.addons.wire.anthropic import request as anthropic_request
from ringlet_mitm.addons.wire.anthropic import stream as anthropic_stream
from ringlet_mitm.addons.wire.chat import reply as chat_reply
from ringlet_mitm.addons.wire.chat import request as chat_request
from ringlet_mitm.addons.wire.chat import stream as chat_stream
from ringlet_mitm.addons.wire.codec import Codec
from ringlet_mitm.addons.wire.converse import reply as converse_reply
from ringlet_mitm.addons.wire.converse import request as converse_request
from ringlet_mitm.addons.wire.converse import stream as converse_stream
from ringlet_mitm.addons.wire.gemini import reply as gemini_reply
from ringlet_mitm.addons.wire.gemini import request as gemini_request
from ringlet_mitm.addons.wire.gemini import stream as gemini_stream
from ringlet_mitm.addons.wire.ollama import reply as ollama_reply
from ringlet_mitm.addons.wire.ollama import request as ollama_request
from ringlet_mitm.addons.wire.ollama import stream as ollama_stream
from ringlet_mitm.addons.wire.responses import reply as responses_reply
from ringlet_mitm.addons.wire.responses import request as responses_request
from ringlet_mitm.addons.wire.responses import stream as responses_stream
from ringlet_mitm.rules.shapes import WireFormat

EVENTS = "text/event-stream"

CODECS: dict[WireFormat, Codec] = {
    codec.format: codec
    for codec in (
        Codec(
            format=WireFormat.MESSAGES,
            content_type=EVENTS,
            parse_request=anthropic_request.parse_request,
            render_request=anthropic_request.render_request,
            parse_reply=anthropic_reply.parse_reply,
            render_reply=anthropic_reply.render_reply,
            parser=anthropic_stream.Parser,
            renderer=anthropic_stream.Renderer,
        ),
        Codec(
            format=WireFormat.CHAT,
            content_type=EVENTS,
            parse_request=chat_request.parse_request,
            render_request=chat_request.render_request,
            parse_reply=chat_reply.parse_reply,
            render_reply=chat_reply.render_reply,
            parser=chat_stream.Parser,
            renderer=chat_stream.Renderer,
        ),
        Codec(
            format=WireFormat.RESPONSES,
            content_type=EVENTS,
            parse_request=responses_request.parse_request,
            render_request=responses_request.render_request,
            parse_reply=responses_reply.parse_reply,
            render_reply=responses_reply.render_reply,
            parser=responses_stream.Parser,
            renderer=responses_stream.Renderer,
        ),
        Codec(
            format=WireFormat.GEMINI,
            content_type=EVENTS,
            parse_request=gemini_request.parse_request,
            render_request=gemini_request.render_request,
            parse_reply=gemini_reply.parse_reply,
            render_reply=gemini_reply.render_reply,
            parser=gemini_stream.Parser,
            renderer=gemini_stream.Renderer,
        ),
        Codec(
            format=WireFormat.OLLAMA,
            content_type="application/x-ndjson",
            parse_request=ollama_request.parse_request,
            render_request=ollama_request.render_request,
            parse_reply=ollama_reply.parse_reply,
            render_reply=ollama_reply.render_reply,
            parser=ollama_stream.Parser,
            renderer=ollama_stream.Renderer,
        ),
        Codec(
            format=WireFormat.CONVERSE,
            content_type="application/vnd.amazon.eventstream",
            parse_request=converse_request.parse_request,
            render_request=converse_request.render_request,
            parse_reply=converse_reply.parse_reply,
            render_reply=converse_reply.render_reply,
            parser=converse_stream.Parser,
            renderer=converse_stream.Renderer,
        ),
    )
}
