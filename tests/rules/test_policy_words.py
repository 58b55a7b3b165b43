"""A chain and a policy in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ringlet_mitm.rules.keys import KeyRef
from ringlet_mitm.rules.policy_words import chain_words, duration, patience_words
from ringlet_mitm.rules.providers import Endpoint
from ringlet_mitm.rules.reliability import Policy, Timeouts
from ringlet_mitm.rules.shapes import WireFormat
from ringlet_mitm.rules.targets import Target


def target(name: str, key: str = "K") -> Target:
    """`>` before it says that it is the host that the agent asked for."""
    provider, _, model = name.removeprefix(">").partition("/")
    there = Endpoint("https", "x.example", 443, "/")
    return Target(provider, model, WireFormat.CHAT, there, "bearer", KeyRef((key,)), as_asked=name.startswith(">"))


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["groq/m"], ""),
        (["groq/m", "openrouter/a/b", ">anthropic/m"], "openrouter/a/b, then anthropic/m"),
        ([">anthropic/m", ">anthropic/n", "openai/o"], "anthropic/n, then openai/o"),
        (["groq/m", ">/m"], "passthrough/m"),
        ([">anthropic/m", "anthropic/m"], "the same with a key of ours"),
        (["anthropic/m", ">anthropic/m"], "the same with the key of the agent"),
        ([">anthropic/m", "anthropic/m", "anthropic/m"], "the same with a key of ours, then the same with another key"),
        (["groq/m", "groq/m"], "the same with another key"),
        (["groq/m", "groq/m", "groq/m", "groq/n"], "the same with 2 further keys, then groq/n"),
        (["groq/m", "gw/n", "gw/n"], "gw/n, then the same with another key"),
        ([], ""),
    ],
)
def test_chains(names: list[str], words: str) -> None:
    assert chain_words([target(name, str(number)) for number, name in enumerate(names)]) == words


@pytest.mark.parametrize(
    ("policy", "each", "words"),
    [
        (Policy(), True, ["up to 2 retries each, 500 ms doubling"]),
        (Policy(retries=1, backoff_ms=2000), False, ["up to 1 retry, 2 s doubling"]),
        (Policy(retries=3, backoff_ms=0), False, ["up to 3 retries at once"]),
        (Policy(retries=0), True, ["no retries"]),
        (
            Policy(timeouts=Timeouts(connect_ms=1500, first_byte_ms=0, total_ms=900_000)),
            False,
            [
                "up to 2 retries, 500 ms doubling",
                "time-outs: 1500 ms to connect, no limit to the first byte, 15 min in all",
            ],
        ),
    ],
)
def test_policies(policy: Policy, each: bool, words: list[str]) -> None:
    assert patience_words(policy, each=each) == words


def test_a_time_out_of_the_first_provider_itself() -> None:
    patient = replace(target("ollama/m"), timeout_s=600.0)
    words = patience_words(Policy(retries=0), each=True, first=patient)
    assert words == ["no retries", "time-outs: 10 min to the first byte, 10 min between two pieces"]


@pytest.mark.parametrize(
    ("ms", "words"), [(0, "no limit"), (1, "1 ms"), (90_000, "90 s"), (300_000, "5 min"), (7_200_000, "2 h")]
)
def test_durations(ms: int, words: str) -> None:
    assert duration(ms) == words
