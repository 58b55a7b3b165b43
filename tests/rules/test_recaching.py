"""Tokens at another place: what a cache there would have held."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledgers import NOON
from past import BIG, CARDS, FAST, GPT, MINUTE, turn

from ringlet_mitm.rules.pricing import TOKEN_KINDS
from ringlet_mitm.rules.recaching import DAY_US, Caches, Tariff, Warm, counts_there, day_of, left_by, thread_of

counts = st.lists(st.integers(0, 10**6), min_size=len(TOKEN_KINDS), max_size=len(TOKEN_KINDS))
warms = st.none() | st.builds(Warm, st.just("w"), st.integers(0, 9), st.just(1), st.integers(0, 10**7), st.just(0))


@given(counts, st.booleans(), st.booleans(), st.sampled_from([0.5, 1.0, 1.4]), warms, warms)
def test_no_token_is_lost_or_made_up(
    kinds: list[int], marked: bool, marks: bool, scale: float, warm_then: Warm | None, warm_now: Warm | None
) -> None:
    then = turn(1, **dict(zip(TOKEN_KINDS, kinds, strict=True)))
    there = dict(zip(TOKEN_KINDS, counts_there(then, marked, marks, scale, warm_then, warm_now), strict=True))
    text = ("input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens")
    assert sum(there[kind] for kind in text) == round(sum(getattr(then, kind) for kind in text) * scale)
    assert all(there[kind] == getattr(then, kind) for kind in TOKEN_KINDS if kind not in text)
    assert min(there.values()) >= 0
    assert there["cache_read_tokens"] <= (warm_now.tokens if warm_now else 0)
    assert marks or not there["cache_write_5m_tokens"] + there["cache_write_1h_tokens"]


def test_what_stood_behind_the_last_mark_is_not_written_elsewhere_either() -> None:
    then = turn(1, text=300, read=5_000, write=700)
    warm = Warm("w", NOON, 1, 5_000, 0)
    assert counts_there(then, True, True, 1.0, warm, warm)[:6] == (300, 0, 0, 5_000, 700, 0)
    assert counts_there(then, True, True, 1.0, None, None)[:6] == (300, 0, 0, 0, 5_700, 0)
    assert counts_there(then, True, False, 1.0, None, warm)[:6] == (1_000, 0, 0, 5_000, 0, 0)


def test_a_short_prompt_is_not_cached() -> None:
    assert counts_there(turn(1, write=1_023), True, True, 1.0, None, None)[:6] == (1_023, 0, 0, 0, 0, 0)


def test_no_more_is_read_than_a_later_request_had_in_common() -> None:
    then, older, newer = turn(3, read=4_000, write=6_000), Warm("1", 1, 1, 9_000, 0), Warm("2", 2, 3, 9_500, 0)
    assert counts_there(then, True, False, 1.0, newer, older)[3] == 4_000
    assert counts_there(then, True, False, 1.0, older, newer)[3] == 9_500


@pytest.mark.parametrize(("place", "marks"), [(BIG, True), (FAST, False), (GPT, False)])
def test_who_has_to_be_asked_for_a_cache(place: object, marks: bool) -> None:
    assert Tariff.of(CARDS[place]).marks is marks  # type: ignore[index]


def test_without_a_card_nothing_is_known() -> None:
    assert Tariff.of(None) == Tariff(None, False)


class TestCaches:
    def test_each_place_has_its_own(self) -> None:
        caches, first, second = Caches(), turn(1, text=5_000), turn(2, text=6_000)
        caches.feed(thread_of(first), GPT, left_by(first, 5_000))
        assert caches.warm(second, thread_of(second), GPT) == Warm("r1", first.ended_us, 1, 5_000, 5 * MINUTE)
        assert caches.warm(second, thread_of(second), FAST) is None

    def test_an_hour_is_paid_for(self) -> None:
        left = left_by(turn(1, cache_write_1h_tokens=1), 5_000)
        assert left is not None and left.lives_us == 60 * MINUTE

    def test_what_used_no_token_leaves_nothing(self) -> None:
        caches, first = Caches(), turn(1, text=5_000)
        assert left_by(turn(2, source="none"), 5_000) is None
        caches.feed(thread_of(first), GPT, left_by(first, 5_000))
        caches.feed(thread_of(first), GPT, None)
        assert caches.warm(first, thread_of(first), GPT) is not None

    @pytest.mark.parametrize(
        ("given_", "warm"),
        [
            pytest.param({}, True, id="the next turn"),
            pytest.param({"started_us": NOON + MINUTE + 1_000_000 + 5 * MINUTE}, True, id="just in time"),
            pytest.param({"started_us": NOON + MINUTE + 1_000_001 + 5 * MINUTE}, False, id="too late"),
            pytest.param({"messages": 1}, True, id="the same once more"),
            pytest.param({"messages": 0}, False, id="begun anew"),
            pytest.param({"session": "t"}, False, id="another session"),
            pytest.param({"requested": "small"}, False, id="another model asked for"),
            pytest.param({"tools": 3}, False, id="other tools"),
        ],
    )
    def test_who_finds_what(self, given_: dict[str, object], warm: bool) -> None:
        caches, first = Caches(), turn(1, text=5_000)
        caches.feed(thread_of(first), GPT, left_by(first, 5_000))
        second = turn(2, **given_)  # type: ignore[arg-type]
        assert (caches.warm(second, thread_of(second), GPT) is not None) is warm


@given(st.dates(date(1970, 1, 1), date(2100, 1, 1)), st.integers(0, DAY_US - 1))
def test_days(day: date, us: int) -> None:
    assert day_of(((day - date(1970, 1, 1)).days * DAY_US + us) // DAY_US) == day
