from __future__ import annotations

from ringlet_mitm.addons.sessions import Sessions
from ringlet_mitm.addons.wire.canonical import Media, MediaKind, Message, Role, Text, ToolResult


def said(text: str) -> tuple[Message, ...]:
    return (Message(Role.USER, (Text(text),)),)


def test_an_answer_is_found_by_its_id_with_and_without_prefix() -> None:
    sessions = Sessions()
    sessions.keep("abc", said("hello"))
    assert sessions.recall("abc") == sessions.recall("resp_abc") == said("hello")
    assert sessions.recall("resp_other") is None


def test_the_oldest_are_forgotten_first() -> None:
    sessions = Sessions(most_answers=2)
    for name in "abc":
        sessions.keep(name, said(name))
    assert [sessions.recall(name) for name in "abc"] == [None, said("b"), said("c")]


def test_memory_is_bounded_by_bytes() -> None:
    sessions = Sessions(most_bytes=3_000)
    sessions.keep("a", said("x" * 1_000))
    sessions.keep("b", said("x" * 1_000))
    sessions.keep("c", said("x" * 1_500))
    assert [sessions.recall(name) is not None for name in "abc"] == [False, True, True]


def test_what_is_larger_than_all_memory_is_not_kept_and_drops_nothing() -> None:
    sessions = Sessions(most_bytes=2_000)
    sessions.keep("a", said("x"))
    picture = ToolResult("c1", (Media(MediaKind.IMAGE, "image/png", data="x" * 5_000),))
    sessions.keep("b", (Message(Role.USER, (picture,)),))
    assert sessions.recall("a") == said("x")
    assert sessions.recall("b") is None


def test_keeping_again_replaces() -> None:
    sessions = Sessions(most_bytes=1_000)
    for _ in range(10):
        sessions.keep("a", said("x" * 600))
    assert sessions.recall("a") == said("x" * 600)
