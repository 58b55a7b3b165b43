"""Reasoning in messages: what comes in goes home, and other formats' signatures travel with it."""

from __future__ import annotations

from typing import Any

from canonicals import SIGNATURES, WORDS
from hypothesis import given, settings
from hypothesis import strategies as st

from ringlet_mitm.addons.wire.canonical import Thinking
from ringlet_mitm.addons.wire.chat.thinking import Packing, thinking_fields, thoughts_in
from ringlet_mitm.rules.shapes import WireFormat

CHAT, MESSAGES, RESPONSES = WireFormat.CHAT, WireFormat.MESSAGES, WireFormat.RESPONSES
PLAIN = WORDS.map(lambda text: text.strip("\n") or "x")
SIGNED = st.builds(
    Thinking, PLAIN | st.just(""), SIGNATURES, st.sampled_from([MESSAGES, RESPONSES]), st.sampled_from(["", "rs_1"])
)
DETAIL = st.fixed_dictionaries(
    {"type": st.just("reasoning.text"), "text": WORDS, "signature": SIGNATURES, "index": st.integers(0, 3)}
)
HIDDEN = st.fixed_dictionaries({"type": st.just("reasoning.encrypted"), "data": SIGNATURES, "id": st.none()})


@settings(deadline=None)
@given(st.lists(SIGNED, min_size=1, max_size=4))
def test_signatures_of_others_come_back_with_the_text_that_they_sign(thoughts: list[Thinking]) -> None:
    assert list(thoughts_in(thinking_fields(thoughts))) == thoughts


@settings(deadline=None)
@given(st.lists(DETAIL | HIDDEN, min_size=1, max_size=4))
def test_details_come_back_as_they_were(details: list[dict[str, Any]]) -> None:
    (thought,) = thoughts_in({"reasoning_details": details})
    assert thinking_fields([thought]).get("reasoning_details") == details


def test_details_of_a_text_that_has_changed_are_worth_nothing() -> None:
    (thought,) = thoughts_in({"reasoning_details": [{"type": "reasoning.text", "text": "abc", "signature": "s"}]})
    changed = Thinking("ab", thought.signature, CHAT)
    assert thinking_fields([changed]) == {"reasoning_content": "ab"}


def test_a_signature_is_as_long_as_what_is_signed_not_as_the_text() -> None:
    packing = Packing()
    for _ in range(1000):
        packing.add([{"type": "reasoning.text", "text": "word " * 100, "index": 0}])
    assert packing.signature == '[{"type":"reasoning.text","text":500000,"index":0}]'


def test_an_agent_that_drops_the_spans_still_brings_back_one_signature() -> None:
    fields = thinking_fields([Thinking("abc", "sig", MESSAGES)])
    for detail in fields["reasoning_details"]:
        del detail["id"]
    assert thoughts_in(fields) == (Thinking("abc", "sig", MESSAGES),)


def test_a_blank_is_no_thought() -> None:
    assert thoughts_in({"reasoning_content": " "}) == ()
