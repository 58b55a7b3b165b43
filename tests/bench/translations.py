"""Translation alone: requests of 500 KB and events of streams, every agent's format to every other; the worst pair is
what counts.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

from conversation import body_of, raw_request
from figures import Figure, Target

from ringlet_mitm.addons.wire.translator import StreamTranslation, Translation, Wanted, parse, translate
from ringlet_mitm.cli.demo.replies import STYLES
from ringlet_mitm.cli.demo.script import Answer
from ringlet_mitm.rules.shapes import WireFormat

Pair = tuple[WireFormat, WireFormat]
MS = 1e6
WORDS = 1_500
MESSAGES, CHAT, RESPONSES, GEMINI = WireFormat.MESSAGES, WireFormat.CHAT, WireFormat.RESPONSES, WireFormat.GEMINI
MODELS = {MESSAGES: "claude-haiku-4-5", CHAT: "llama-3.3-70b", RESPONSES: "gpt-5-mini", GEMINI: "gemini-2.5-flash"}
PATHS = {
    MESSAGES: "/v1/messages",
    CHAT: "/v1/chat/completions",
    RESPONSES: "/v1/responses",
    GEMINI: "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
}
STYLE = {MESSAGES: "messages", CHAT: "chat", RESPONSES: "responses", GEMINI: "gemini"}


def translation_figures(blocks: int) -> list[Figure]:
    """Medians of `blocks` blocks of the slowest pair; there is nothing to compare them with."""
    bodies = _bodies()
    requests: dict[Pair, list[float]] = {}
    events: dict[Pair, list[float]] = {}
    for _ in range(blocks):
        for agent, provider in _pairs():
            started = time.perf_counter_ns()
            translation = _translated(bodies[agent], agent, provider)
            requests.setdefault((agent, provider), []).append((time.perf_counter_ns() - started) / MS)
            events.setdefault((agent, provider), []).append(_per_event(translation, provider))
    slow, request = _slowest(requests)
    slower, event = _slowest(events)
    return [
        Figure(
            f"translating a request of 500 KB ({slow[0]} to {slow[1]}, the slowest pair)",
            "ms",
            (),
            tuple(request),
            Target("≤", 10.0, absolute=True),
        ),
        Figure(
            f"translating an event of a stream ({slower[1]} to {slower[0]}, the slowest pair)",
            "ms",
            (),
            tuple(event),
            Target("≤", 0.1, absolute=True),
        ),
    ]


def _slowest(found: dict[Pair, list[float]]) -> tuple[Pair, list[float]]:
    return max(found.items(), key=lambda item: statistics.median(item[1]))


def _pairs() -> Iterator[Pair]:
    return ((agent, provider) for agent in PATHS for provider in PATHS if agent is not provider)


def _bodies() -> dict[WireFormat, bytes]:
    """The same conversation in every format."""
    original = body_of(raw_request(500, stream=True))
    others = {
        provider: _translated(original, MESSAGES, provider).body for provider in PATHS if provider is not MESSAGES
    }
    return {MESSAGES: original} | {other: _translated(original, MESSAGES, other).body for other in others}


def _translated(body: bytes, agent: WireFormat, provider: WireFormat) -> Translation:
    return translate(parse(body, PATHS[agent], agent), PATHS[agent], agent, Wanted(provider, MODELS[provider]))


def _per_event(translation: Translation, provider: WireFormat) -> float:
    answer = Answer("m", tuple(f" word{number}" for number in range(WORDS)), None, "", 10, 0, 0, 0, WORDS, 0)
    frames = list(STYLES[STYLE[provider]].stream(answer, {"stream_options": {"include_usage": True}}))
    stream = StreamTranslation(translation, translation.context("id", "m", 10, 1))
    started = time.process_time_ns()
    for frame in frames:
        stream.feed(frame)
    stream.close()
    return (time.process_time_ns() - started) / MS / len(frames)
