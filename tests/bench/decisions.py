"""The decision alone, at 500 KB with token thresholds: everything remembered, one new turn, nothing remembered."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace

from conversation import NEW_TURN, body_of, raw_request
from figures import Figure, Target
from proxies import ROUTING

from ringlet_mitm.rules.encoder import load_encoder
from ringlet_mitm.rules.peek import AgentRequest, Peek, peek
from ringlet_mitm.rules.providers import registry
from ringlet_mitm.rules.routing import NEED_TOKENS, decide
from ringlet_mitm.rules.rulebook import load_rulebook
from ringlet_mitm.rules.shapes import WireFormat
from ringlet_mitm.rules.tokens import Calibration, TokenMemo

MS = 1e6
ROUNDS = 20
OWN = {"bench.toml": 'name = "bench"\nshape = "anthropic"\nendpoint = "http://127.0.0.1:1"\nkey-env = "BENCH_KEY"\n'}


def decision_figures(blocks: int) -> list[Figure]:
    """Medians of `blocks` blocks; there is nothing to compare them with."""
    encoder, providers = load_encoder(), registry(OWN, {})
    book = load_rulebook(ROUTING, "routing.toml", providers)
    body = body_of(raw_request(500))
    memo = TokenMemo()
    turns = iter(range(1, 10**9))

    def decided(text: bytes, memory: TokenMemo) -> None:
        request = AgentRequest(WireFormat.MESSAGES, "POST", "https", "api.anthropic.com", 443, "/v1/messages", (), text)
        seen = peek(request, providers.by_host)
        assert isinstance(seen, Peek)
        survey = memory.survey(seen.parts)
        features = replace(seen.features, exact_tokens=survey.exact) if survey.exact is not None else seen.features
        if decide(book, features, Calibration()) is NEED_TOKENS:
            features = replace(features, exact_tokens=memory.learn(survey, encoder))
            assert decide(book, features, Calibration()) is not NEED_TOKENS

    def fresh() -> bytes:
        return body.replace(NEW_TURN.encode(), b"@n=%016d" % next(turns))

    cases: dict[str, tuple[Callable[[], None], Target]] = {
        "decision at 500 KB, all counted before": (
            lambda: decided(body, memo),
            Target("≤", 0.4, absolute=True),
        ),
        "decision at 500 KB, a new turn": (lambda: decided(fresh(), memo), Target("≤", 1.0, absolute=True)),
        "decision at 500 KB, nothing counted before": (
            lambda: decided(body, TokenMemo()),
            Target("≤", 25.0, absolute=True),
        ),
    }
    decided(body, memo)
    return [Figure(name, "ms", (), _timed(run, blocks), target) for name, (run, target) in cases.items()]


def _timed(run: Callable[[], None], blocks: int) -> tuple[float, ...]:
    found = []
    for _ in range(blocks):
        times = []
        for _ in range(ROUNDS):
            started = time.perf_counter_ns()
            run()
            times.append(time.perf_counter_ns() - started)
        found.append(statistics.median(times) / MS)
    return tuple(found)
