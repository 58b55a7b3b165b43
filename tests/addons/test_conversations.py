"""What is remembered of conversations, for how long, and of which."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from bodies import asked, host_as_provider

from ringlet_mitm.addons.conversations import CACHE_LIVES_US, Answered, Conversations
from ringlet_mitm.rules.peek import Peek, peek
from ringlet_mitm.rules.prompt_caches import LIVES_LONG_US, LIVES_US
from ringlet_mitm.rules.shapes import WireFormat

SMALL, LARGE = "small → groq", "large → anthropic"
GROQ = Answered("groq", "llama", 1000, 5)
CACHED = {"cache_control": {"type": "ephemeral"}}
FIRST = {"role": "user", "content": "first words"}


def seen(session: str = "s-1", model: str = "claude-opus-4-8", messages: Any = None, **more: Any) -> Peek:
    """A request of a conversation."""
    body = {"model": model, "max_tokens": 9, "messages": messages or [FIRST], **more}
    found = peek(asked(WireFormat.MESSAGES, body), host_as_provider)
    assert isinstance(found, Peek)
    return replace(found, features=replace(found.features, session=session))


def test_what_took_a_conversation_keeps_it() -> None:
    memory = Conversations()
    assert memory.kept(seen().features) == frozenset()
    for label in (SMALL, LARGE, SMALL):
        memory.took(seen().features, label)
    assert memory.kept(seen(messages=[FIRST, FIRST]).features) == {SMALL, LARGE}


def test_the_last_answer_is_the_one_that_counts() -> None:
    memory = Conversations()
    claude = Answered("anthropic", "claude", 1, 1)
    assert [memory.answered(seen(), one) for one in (claude, GROQ, GROQ, claude)] == [None, claude, GROQ, GROQ]


OTHERS = [
    pytest.param(seen(session="s-2"), id="another session"),
    pytest.param(seen(model="claude-haiku-4-5"), id="a side call to another model"),
    pytest.param(seen(session="s-1claude", model="-opus-4-8"), id="a session that ends as the model begins"),
    pytest.param(seen(session=""), id="no session"),
]


@pytest.mark.parametrize("other", OTHERS)
def test_another_conversation_has_nothing_of_it(other: Peek) -> None:
    memory = Conversations()
    memory.took(seen().features, SMALL)
    memory.answered(seen(), GROQ)
    assert (memory.kept(other.features), memory.answered(other, GROQ)) == (frozenset(), None)


def _said(text: str, **more: Any) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "text", "text": text, **more}]}


ANSWER = {"role": "assistant", "content": "an answer"}
THREADS = {
    "the next turn": ([_said("first"), ANSWER, _said("more")], {}, True),
    "the mark of the cache has moved on": ([_said("first"), ANSWER, _said("more", **CACHED)], {}, True),
    "other tools, another system prompt": (
        [_said("first")],
        {"system": "s", "tools": [{"name": "t", "input_schema": {}}]},
        True,
    ),
    "a subagent, or a new beginning": ([_said("second")], {}, False),
    "something before it": ([_said("zeroth"), ANSWER, _said("first")], {}, False),
}


@pytest.mark.parametrize(("messages", "more", "same"), THREADS.values(), ids=THREADS)
def test_threads_of_a_conversation(messages: list[Any], more: dict[str, Any], same: bool) -> None:
    memory = Conversations()
    begun = seen(messages=[_said("first", **CACHED)])
    memory.answered(begun, GROQ)
    memory.took(begun.features, SMALL)
    assert memory.answered(seen(messages=messages, **more), GROQ) == (GROQ if same else None)
    assert memory.kept(seen(messages=messages, **more).features) == {SMALL}, "a rule keeps all threads"


def test_requests_without_a_session_are_of_no_conversation() -> None:
    memory = Conversations()
    memory.took(seen(session="").features, SMALL)
    assert [memory.answered(seen(session=""), GROQ) for _ in range(2)] == [None, None]
    assert memory.kept(seen(session="").features) == frozenset()


def test_it_is_bounded_and_what_goes_on_stays() -> None:
    memory = Conversations(most=100)
    features = seen().features
    memory.took(replace(features, session="goes on"), SMALL)
    memory.took(replace(features, session="is over"), SMALL)
    others = [replace(features, session=f"other {number}") for number in range(1000)]
    for other in others:
        memory.took(other, LARGE)
        assert memory.kept(replace(features, session="goes on")) == {SMALL}
    assert memory.kept(replace(features, session="is over")) == frozenset()
    assert len([other for other in others if memory.kept(other)]) <= 100


def test_a_session_may_be_called_anything() -> None:
    memory = Conversations()
    memory.took(seen(session="\ud800" + "x" * 100_000).features, SMALL)
    assert memory.kept(seen(session="\ud800" + "x" * 100_000).features) == {SMALL}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"model": "m", "messages": []}, id="no messages"),
        pytest.param({"model": "m", "messages": [7, None]}, id="messages that are none"),
        pytest.param({"model": "m", "messages": "hello"}, id="a text"),
        pytest.param({"model": "m", "messages": [{"role": "user", "content": "\ud800"}]}, id="half a letter"),
        pytest.param({"model": "m"}, id="nothing"),
    ],
)
@pytest.mark.parametrize("wire_format", list(WireFormat)[:4])
def test_whatever_a_body_says_it_has_a_thread(body: Any, wire_format: WireFormat) -> None:
    found = peek(asked(wire_format, body), host_as_provider)
    if isinstance(found, Peek):
        one = replace(found, features=replace(found.features, session="s"))
        memory = Conversations()
        assert [memory.answered(one, GROQ) for _ in range(2)] == [None, GROQ]


@pytest.mark.parametrize(
    ("later_us", "tokens"), [(0, 1000), (-60, 1000), (CACHE_LIVES_US, 1000), (CACHE_LIVES_US + 1, 0)]
)
def test_a_cache_is_gone_after_an_hour(later_us: int, tokens: int) -> None:
    assert GROQ.cached_at(GROQ.ended_us + later_us) == tokens


@pytest.mark.parametrize("lives_us", [LIVES_US, LIVES_LONG_US])
@pytest.mark.parametrize(("more_us", "tokens"), [(-1, 700), (0, 700), (1, 0)])
def test_what_is_held_is_gone_when_its_cache_is(lives_us: int, more_us: int, tokens: int) -> None:
    held = replace(GROQ, held_tokens=700, lives_us=lives_us)
    assert held.held_at(held.ended_us + lives_us + more_us) == tokens


@pytest.mark.parametrize(("provider", "name"), [("groq", "groq/m"), ("", "passthrough/m")])
def test_names(provider: str, name: str) -> None:
    assert Answered(provider, "m", 1, 1).name == name
