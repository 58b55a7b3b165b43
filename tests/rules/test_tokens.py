"""Bounds that hold for any text, a memory that counts only what is new, a ratio that settles."""

from __future__ import annotations

import json
import random
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import pytest
from bodies import Body, asked, captures, host_as_provider, png, seen
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import TEXTS, any_bodies
from msgspec import Raw

from ringlet_mitm.rules.encoder import Encoder, load_encoder
from ringlet_mitm.rules.peek import Peek, peek
from ringlet_mitm.rules.shapes import SHAPES, WireFormat
from ringlet_mitm.rules.tokens import (
    Calibration,
    RatioEstimate,
    TextParts,
    TokenBounds,
    TokenMemo,
    bounds,
    count,
)


@cache
def encoder() -> Encoder:
    return load_encoder()


class Counting:
    """A token is a word; remembers what it was asked about."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def count(self, text: str) -> int:
        self.asked.append(text)
        return len(text.split())


def parts(*texts: str, fixed: int = 0) -> TextParts:
    return TextParts(tuple(Raw(json.dumps(text).encode()) for text in texts), fixed)


def within(found: Peek) -> bool:
    exact = count(found.parts, TokenMemo(), encoder())
    return found.features.token_bounds.low <= exact <= found.features.token_bounds.high


# bounds


@settings(max_examples=300, deadline=None)
@given(any_bodies(), st.booleans())
def test_the_exact_count_is_within_the_bounds(made: tuple[WireFormat, Body], escaped: bool) -> None:
    wire_format, body = made
    raw = json.dumps(body, ensure_ascii=escaped).encode("utf-8", "surrogatepass")
    assert within(seen(wire_format, raw))


@settings(max_examples=200, deadline=None)
@given(st.lists(TEXTS, max_size=5), st.booleans())
def test_of_texts_alone(texts: list[str], escaped: bool) -> None:
    raw = [json.dumps(text, ensure_ascii=escaped).encode("utf-8", "surrogatepass") for text in texts]
    segments = TextParts(tuple(map(Raw, raw)), 7)
    known = bounds(segments)
    assert known.low <= count(segments, TokenMemo(), encoder()) <= known.high


@pytest.mark.parametrize("name", sorted(captures()))
def test_of_captures(name: str) -> None:
    found = peek(captures()[name], host_as_provider)
    assert isinstance(found, Peek)
    assert within(found)


HARD = {
    "spaces": " " * 100_000,
    "line ends": "\n" * 100_000,
    "emoji": "😀👩‍👩‍👧" * 10_000,
    "CJK": "漢字かな交じり文" * 5_000,
    "one letter": "a" * 100_000,
    "control characters": "\x00\x1b\x7f" * 10_000,
    "private use": "\U00100000" * 20_000,
}


@pytest.mark.parametrize("text", HARD.values(), ids=HARD)
@pytest.mark.parametrize("escaped", [False, True])
def test_of_long_runs(text: str, escaped: bool) -> None:
    raw = json.dumps({"messages": [{"role": "user", "content": text}]}, ensure_ascii=escaped).encode()
    assert within(seen(WireFormat.CHAT, raw))


def test_an_image_counts_what_its_size_says_on_both_sides() -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": png(1000, 750) * 50}}
    found = seen(
        WireFormat.MESSAGES, {"messages": [{"role": "user", "content": [image, {"type": "text", "text": "x"}]}]}
    )
    assert found.features.token_bounds.low == 1000
    assert count(found.parts, TokenMemo(), encoder()) == 1001


def test_bounds_of_nothing() -> None:
    assert bounds(parts()) == TokenBounds(0, 0)


# what is counted


def test_a_turn_counts_only_what_is_new() -> None:
    memo, encoder = TokenMemo(), Counting()
    first = parts("a system prompt", "hello there")
    assert (memo.survey(first).exact, count(first, memo, encoder), memo.survey(first).exact) == (None, 5, 5)
    second = parts("a system prompt", "hello there", "four words of answer")
    survey = memo.survey(second)
    assert (survey.exact, [segment for _, segment in survey.missing]) == (None, [second.segments[2]])
    assert survey.missing_bytes == len(second.segments[2])
    assert count(second, memo, encoder) == 9
    assert encoder.asked == ["a system prompt", "hello there", "four words of answer"]


def test_the_same_text_twice_is_counted_once_and_added_twice() -> None:
    memo, encoder = TokenMemo(), Counting()
    assert count(parts("one two", "one two", fixed=100), memo, encoder) == 104
    assert encoder.asked == ["one two"]


def test_digests_that_are_given_are_the_keys() -> None:
    text = Raw(b'"x"')
    assert TextParts((text,), 0, (b"digest",)).keys == (b"digest",)
    assert TextParts((text,)).keys == TextParts((Raw(b' "x"'[1:]),)).keys != TextParts((Raw(b'"y"'),)).keys


def test_what_was_not_asked_for_is_forgotten() -> None:
    memo, encoder = TokenMemo(max_entries=4), Counting()
    old = parts("old words here")
    count(old, memo, encoder)
    for number in range(4):
        count(parts(f"new {number}"), memo, encoder)
    assert memo.survey(old).exact is None
    assert count(old, memo, encoder) == 3


def test_what_is_asked_for_again_stays() -> None:
    memo, encoder = TokenMemo(max_entries=4), Counting()
    system = parts("the system prompt")
    count(system, memo, encoder)
    for number in range(20):
        count(parts("the system prompt", f"new {number}"), memo, encoder)
    assert encoder.asked.count("the system prompt") == 1


@pytest.mark.parametrize("max_entries", [1, 2, 3, 8])
def test_a_memory_smaller_than_a_request(max_entries: int) -> None:
    memo, encoder = TokenMemo(max_entries), Counting()
    many = parts(*(f"word number {number}" for number in range(10)), fixed=1)
    assert [count(many, memo, encoder) for _ in range(3)] == [31, 31, 31]


def test_two_threads_share_a_memory() -> None:
    memo = TokenMemo(max_entries=64)
    texts = [f"{number} " + "word " * (number % 7) for number in range(100)]

    def turn(seed: int) -> bool:
        some = random.Random(seed).choices(texts, k=20)
        return count(parts(*some), memo, Counting()) == sum(len(text.split()) for text in some)

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(turn, range(400)))


@pytest.mark.parametrize("wire_format", SHAPES)
def test_the_same_words_count_the_same_in_every_turn(wire_format: WireFormat) -> None:
    """A body is another object every time; the memory must know the text, not the object."""
    memo, encoder = TokenMemo(), Counting()
    body = {"messages": [{"role": "user", "content": "hi"}], "input": [{"role": "user", "content": "hi"}]}
    body |= {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
    for _ in range(2):
        assert count(seen(wire_format, body).parts, memo, encoder) == 1
    assert encoder.asked == ["hi"]


def test_nothing_of_a_request_is_left_out() -> None:
    """System prompt, tools, the answer's form and messages are what a vendor counts."""
    request = asked(
        WireFormat.MESSAGES,
        {
            "system": "alpha",
            "tools": [{"name": "beta", "input_schema": {"properties": {"gamma": {"description": "delta"}}}}],
            "output_config": {"format": {"type": "json_schema", "schema": {"properties": {"epsilon": {}}}}},
            "messages": [{"role": "user", "content": [{"type": "text", "text": "zeta"}]}],
            "metadata": {"user_id": "eta"},
        },
    )
    encoder = Counting()
    found = peek(request, host_as_provider)
    assert isinstance(found, Peek)
    count(found.parts, TokenMemo(), encoder)
    words = set(" ".join(encoder.asked).split())
    assert {"alpha", "beta", "gamma", "delta", "epsilon", "zeta"} <= words
    assert "eta" not in words


# the ratio


RATIOS = {
    "of the model": ("anthropic", "m", 1.3, True),
    "of the vendor's other models": ("anthropic", "new", 1.2, True),
    "of a vendor without any": ("openai", "m", 1.0, False),
}


@pytest.mark.parametrize(("provider", "model", "ratio", "known"), RATIOS.values(), ids=RATIOS)
def test_ratios(provider: str, model: str, ratio: float, known: bool) -> None:
    learned = Calibration({("anthropic", "m"): 1.3, ("anthropic", "n"): 1.2, ("anthropic", "o"): 0.9})
    assert (learned.ratio(provider, model), learned.knows(provider, model)) == (ratio, known)


@pytest.mark.parametrize(("counted", "reported"), [(99, 150), (0, 5), (1000, 0), (1000, -3)])
def test_what_says_nothing_is_not_learned_from(counted: int, reported: int) -> None:
    assert RatioEstimate().observe(counted, reported) == RatioEstimate()


def test_the_first_request_is_believed() -> None:
    assert RatioEstimate().observe(1000, 1300).ratio == 1.3


def test_an_estimate_stored_without_its_latest_goes_on_from_its_ratio() -> None:
    stored = RatioEstimate(1.3, 40)
    assert stored.observe(1000, 3000).ratio == 1.3
    for _ in range(8):
        stored = stored.observe(1000, 2000)
    assert (stored.ratio, stored.samples) == (2.0, 48)


@given(st.floats(0.3, 3), st.data())
def test_up_to_seven_absurd_reports_of_fifteen_do_not_move_it_out(true: float, data: st.DataObject) -> None:
    honest = [round(1_000_000 * true)] * 8
    absurd = data.draw(st.lists(st.integers(1, 10**12), min_size=7, max_size=7))
    estimate = RatioEstimate()
    for reported in data.draw(st.permutations(honest + absurd)):
        estimate = estimate.observe(1_000_000, reported)
    assert abs(estimate.ratio - true) < 1e-5


@settings(max_examples=100, deadline=None)
@given(
    ratio=st.floats(0.5, 2),
    spread=st.floats(0, 0.04),
    overhead=st.integers(0, 400),
    nonsense=st.floats(0, 0.05),
    seed=st.integers(0, 2**32),
)
def test_after_20_requests_the_estimate_is_within_10_percent_for_95(
    ratio: float, spread: float, overhead: int, nonsense: float, seed: int
) -> None:
    """A vendor whose tokenizer differs by a ratio, by text, and by what it adds; requests as agents send them."""
    chance = random.Random(seed)
    estimate, near = RatioEstimate(), 0
    for turn in range(220):
        counted = int(chance.lognormvariate(10, 0.6)) + 8_000
        reported = counted * ratio * chance.gauss(1, spread) + overhead
        if turn >= 20:
            near += abs(counted * estimate.ratio - reported) <= 0.1 * reported
        estimate = estimate.observe(counted, int(reported * 0.01 if chance.random() < nonsense else reported))
    assert near >= 190


def test_another_tokenizer_settles() -> None:
    """One that takes every four UTF-8 bytes for a token, over what real agents sent."""
    names = [name for name in captures() if name.startswith(("claude", "opencode"))]
    memo, estimate = TokenMemo(), RatioEstimate()
    off = []
    for name in names * 5:
        found = peek(captures()[name], host_as_provider)
        assert isinstance(found, Peek)
        counted = count(found.parts, memo, encoder())
        reported = sum(len(bytes(segment)) for segment in found.parts.segments) // 4
        off.append(abs(counted * estimate.ratio / reported - 1))
        estimate = estimate.observe(counted, reported)
    late = off[20:]
    assert sum(one <= 0.1 for one in late) >= 0.95 * len(late)
