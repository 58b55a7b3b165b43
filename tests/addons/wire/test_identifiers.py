"""Ids, names and seals: what fits stays, what does not gets one of its own, and nothing is remembered."""

from __future__ import annotations

import base64
import re

import pytest
from canonicals import FORMATS, ODD_IDS, ODD_NAMES
from hypothesis import given
from hypothesis import strategies as st
from made_up import TEXTS

from ringlet_mitm.addons.wire.identifiers import (
    IDS,
    NAMES,
    FreshIds,
    fitting_id,
    fitting_name,
    seal,
    seal_base64,
    unseal,
)
from ringlet_mitm.rules.shapes import WireFormat

MESSAGES, CHAT, RESPONSES = WireFormat.MESSAGES, WireFormat.CHAT, WireFormat.RESPONSES
GEMINI, OLLAMA, CONVERSE = WireFormat.GEMINI, WireFormat.OLLAMA, WireFormat.CONVERSE
FORMAT = st.sampled_from(FORMATS)


@given(FORMAT, TEXTS)
def test_a_seal_opens_to_what_was_sealed(signer: WireFormat, payload: str) -> None:
    assert unseal(seal(signer, payload)) == (signer, payload)
    assert unseal(seal_base64(signer, payload)) == (signer, payload)
    assert base64.b64decode(seal_base64(signer, payload), validate=True)


@given(TEXTS)
def test_any_text_can_be_tried(text: str) -> None:
    assert unseal(text) is None or text.startswith("ringlet.")


def test_a_seal_is_told_from_base64_in_either_alphabet() -> None:
    sealed = seal_base64(GEMINI, "??>>~~")
    assert unseal(sealed.replace("+", "-").replace("/", "_")) == (GEMINI, "??>>~~")


@pytest.mark.parametrize(
    "text",
    ["", "ringlet", "ringlet.", "ringlet.gemini", "ringlet.nobody.x", "EqQBCkYIBBgC", "cmluZ2xldC5n*", "cmluZ2xldC5nZ"],
)
def test_what_was_never_sealed_does_not_open(text: str) -> None:
    assert unseal(text) is None


@pytest.mark.parametrize(
    ("call_id", "wire_format", "stays"),
    [
        ("toolu_01A09q90qw90lq917835lq9", MESSAGES, True),
        ("call_" + "a" * 59, MESSAGES, True),
        ("call_" + "a" * 60, MESSAGES, False),
        ("functions.bash:0", MESSAGES, False),
        ("functions.bash:0", CHAT, True),
        ("call_" + "a" * 35, CHAT, True),
        ("call_" + "a" * 36, CHAT, False),
        ("call_" + "a" * 59, RESPONSES, True),
        ("call_1|fc_1", RESPONSES, False),
        ("tooluse_kZJMlvQmRJ6eAyJE5GIl7Q", CONVERSE, True),
        ("any thing", GEMINI, True),
        ("x" * 500, OLLAMA, True),
        ("", GEMINI, True),
        ("", MESSAGES, False),
        ("call_\n", CHAT, False),
        ("日本", CONVERSE, False),
    ],
)
def test_an_id_stays_where_the_vendor_takes_it(call_id: str, wire_format: WireFormat, stays: bool) -> None:
    assert (fitting_id(call_id, wire_format) == call_id) is stays


@given(ODD_IDS, FORMAT)
def test_an_id_fits_and_fits_again(call_id: str, wire_format: WireFormat) -> None:
    fitted = fitting_id(call_id, wire_format)
    assert IDS[wire_format].accepts(fitted)
    assert fitting_id(fitted, wire_format) == fitted


@given(ODD_IDS, ODD_IDS, FORMAT)
def test_two_ids_stay_two(one: str, other: str, wire_format: WireFormat) -> None:
    assert (fitting_id(one, wire_format) == fitting_id(other, wire_format)) is (one == other)


@pytest.mark.parametrize(
    ("name", "wire_format", "fitted"),
    [
        ("Bash", CHAT, "Bash"),
        ("mcp.files.read", CHAT, "mcp_files_read"),
        ("mcp.files.read", GEMINI, "mcp.files.read"),
        ("1st", GEMINI, "tool_1st"),
        ("-x", GEMINI, "tool_-x"),
        ("1st", CHAT, "1st"),
        ("", CHAT, "tool_"),
        ("a" * 128, MESSAGES, "a" * 128),
        ("a b", CONVERSE, "a_b"),
    ],
)
def test_a_name_stays_readable(name: str, wire_format: WireFormat, fitted: str) -> None:
    assert fitting_name(name, wire_format) == fitted


def test_a_long_name_keeps_its_beginning_and_gets_a_hash() -> None:
    fitted = fitting_name("mcp__a_server_of_a_long_name__a_tool_of_a_name_that_is_even_longer", CHAT)
    assert re.fullmatch(r"mcp__a_server_of_a_long_name__a_tool_of_a_name_that_[0-9a-f]{12}", fitted)


@given(st.lists(ODD_NAMES, max_size=6, unique=True), FORMAT)
def test_names_fit_and_no_two_are_one(names: list[str], wire_format: WireFormat) -> None:
    taken: list[str] = []
    for name in names:
        taken.append(fitting_name(name, wire_format, taken))
    assert len(set(taken)) == len(names)
    assert all(NAMES[wire_format].accepts(name) for name in taken)


@given(st.lists(st.sampled_from(["", "0", "call_1", "call_2", "a.b", "a b"]), max_size=12), FORMAT)
def test_fresh_ids_are_each_given_once_and_alike_for_a_longer_list(said: list[str], wire_format: WireFormat) -> None:
    fresh, longer = FreshIds(wire_format), FreshIds(wire_format)
    given_out = [fresh.of(call_id) for call_id in said]
    assert len({*given_out}) == len(said)
    assert all(given_out)
    assert [longer.of(call_id) for call_id in [*said, "0", ""]][: len(said)] == given_out
