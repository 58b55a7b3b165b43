"""A stream of Responses: server-sent events, each with a `type`, a `sequence_number` and, mostly, a place.

    state        event                                   goes to
    before       response.created                        begun
    begun        response.in_progress, queued            begun
    begun        output_item.added: message              message
    message      content_part.added                      part
    part         output_text.delta, refusal.delta        part
    part         output_text.done, refusal.done          part        (the whole text again)
    part         content_part.done                       message
    begun        output_item.added: function_call,       call
                 custom_tool_call
    call         function_call_arguments.delta,          call
                 custom_tool_call_input.delta
    call         function_call_arguments.done,           call        (all of them again)
                 custom_tool_call_input.done
    begun        output_item.added: reasoning            thoughts
    thoughts     reasoning_summary_part.added            summary
    summary      reasoning_summary_text.delta, .done     summary
    summary      reasoning_summary_part.done             thoughts
    thoughts     reasoning_text.delta                    thoughts    (models that think openly)
    any item     output_item.done                        begun       (the whole item, with encrypted content)
    begun        response.completed, incomplete          over        (the whole answer, with usage)
    any          response.failed, error                  over

Read, items may interleave, parts and items may begin unannounced (some servers), and the last event may be the only
one. Written, one item follows the other, and the sequence is exactly the above.

Source: OpenAI "Streaming events", accessed 2026-11-21.
"""

from __future__ import annotations

from ringlet_mitm.addons.wire.responses.reading import Parser
from ringlet_mitm.addons.wire.responses.writing import Renderer

__all__ = ["Parser", "Renderer"]
