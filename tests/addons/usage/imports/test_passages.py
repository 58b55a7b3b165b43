from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledgers import NOON, connected, request
from logged import SECOND_US, call, later

from ringlet_mitm.addons.usage.imports.calls import LoggedCall
from ringlet_mitm.addons.usage.imports.passages import Passage, Passages, figures_of, passages
from ringlet_mitm.rules.pricing import Usage

CALL = call()
OTHER = Usage(input_tokens=7, output_tokens=8)


def passage(of: LoggedCall = CALL, seconds: float = 0, number: int = 1, **given: Any) -> Passage:
    """What the proxy saw of a call: it took a second, and was logged at its end."""
    ended_us = of.ended_us + round(seconds * SECOND_US)
    said = {"session": of.session, "model": of.model, "cost": None, "figures": figures_of(of.usage)} | given
    return Passage(id=f"{number}", started_us=ended_us - SECOND_US, ended_us=ended_us, **said)


def ids(found: Sequence[Passage], *calls: LoggedCall) -> list[str | None]:
    return [pair.passage and pair.passage.id for pair in Passages(found).pairs(calls)]


SAME: dict[str, tuple[Passage, bool]] = {
    "at the same time": (passage(), True),
    "9 minutes apart": (passage(seconds=-540), True),
    "11 minutes apart": (passage(seconds=-660), False),
    "of another session": (passage(session="two"), True),
    "of another session, 5 minutes apart": (passage(session="two", seconds=-300), False),
    "other tokens": (passage(figures=figures_of(OTHER)), True),
    "other tokens, half a minute apart": (passage(figures=figures_of(OTHER), seconds=-30), False),
    "other tokens, of another session": (passage(figures=figures_of(OTHER), session="two"), False),
}


@pytest.mark.parametrize(("seen", "same"), SAME.values(), ids=SAME.keys())
def test_which_row_a_call_is(seen: Passage, same: bool) -> None:
    assert ids([replace(seen)], CALL) == ["1" if same else None]


def test_where_the_ledger_does_not_know_the_session_time_and_tokens_tell() -> None:
    seen = [passage(session="a hash", seconds=-100)]
    assert ids(seen, CALL) == ["1"]


def test_the_surest_come_first() -> None:
    """The first call would take the row of the second, whose tokens it has not."""
    first, second = later(CALL, -0.5, usage=OTHER), CALL
    assert ids([passage(number=1)], first, second) == [None, "1"]


def test_equal_calls_have_a_row_each_the_nearest_one() -> None:
    seen = [passage(seconds=place * 20, number=place) for place in range(3)]
    assert ids(seen, *(later(CALL, place * 20) for place in range(4))) == ["0", "1", "2", None]


def test_a_long_answer_is_found_at_its_beginning_and_its_end() -> None:
    long = replace(passage(figures=figures_of(OTHER)), started_us=NOON - 1800 * SECOND_US)
    assert ids([replace(long)], later(CALL, -1700)) == ["1"]
    assert ids([replace(long)], CALL) == ["1"]


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 3)), max_size=12), st.data())
def test_no_row_is_given_out_twice_and_all_that_were_seen_are_found(made: list[tuple[int, int]], data: Any) -> None:
    calls = [
        later(CALL, seconds, key=str(place), usage=Usage(input_tokens=1 + tokens))
        for place, (seconds, tokens) in enumerate(made)
    ]
    through = data.draw(st.lists(st.sampled_from(calls), unique_by=id) if calls else st.just([]))
    found = Passages(passage(one, number=place) for place, one in enumerate(through))
    pairs = found.pairs(calls)
    taken = [pair.passage.id for pair in pairs if pair.passage]
    assert len(taken) == len(set(taken)) == len(through)
    assert list(found.left()) == []


def test_only_rows_of_the_proxy_and_of_this_agent_or_nobodys_are_looked_at() -> None:
    rows = [
        request(id="own", agent="claude", input_tokens=5, cache_write_1h_tokens=7, reasoning_tokens=2),
        request(id="nobodys", agent=""),
        request(id="another's", agent="codex"),
        request(id="a copy", agent="claude", origin="shadow"),
        request(id="imported", agent="claude", origin="import:claude"),
        request(id="old", agent="claude", started_us=0, ended_us=1),
    ]
    with connected(rows) as connection:
        found = {one.id: one for one in passages(connection, "claude", NOON).left()}
    assert set(found) == {"own", "nobodys"}
    assert found["own"].figures == (5, 0, 7, 2)
    assert found["own"].used
    assert not found["nobodys"].used
