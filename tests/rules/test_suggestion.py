"""Thresholds from history."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledgers import NOON
from past import FAST, GPT, MINUTE, book, ground, turn

from ringlet_mitm.rules import suggestion
from ringlet_mitm.rules.backtest import replay
from ringlet_mitm.rules.recorded import Recorded
from ringlet_mitm.rules.routes import Route
from ringlet_mitm.rules.rulebook import RuleBook
from ringlet_mitm.rules.suggestion import (
    LEVERS,
    Curve,
    Point,
    Suggestions,
    destinations,
    knee,
    rounded,
    suggest,
    thresholds,
)

DAY = 24 * 60 * MINUTE
TO_FAST = Route("groq", "fast")
RULES = '[[rule]]\nmatch = { tool-use = true }\nto = "groq/fast"\nfallback = ["openai/gpt"]\n'


def singles(count: int, days: int = 30) -> list[Recorded]:
    """Requests of 100, 200, 300 … tokens, each of its own session, over so many days."""
    return [
        turn(1, text=100 * (place + 1), session=f"s{place}", id=f"r{place:05}")._replace(
            started_us=NOON + place * days * DAY // max(1, count - 1), counted=100 * (place + 1)
        )
        for place in range(count)
    ]


def suggested(history: list[Recorded], *to: Route, rules: str = "") -> Suggestions:
    def load(rule: str) -> RuleBook:
        return book(f"{rules}\n{rule}")

    return suggest(history, book(rules), load, ground(), to or (TO_FAST,))


class TestThresholds:
    def test_are_round_and_go_up(self) -> None:
        assert list(thresholds(range(100, 10_000, 7))) == [1100, 2100, 3100, 4100, 5100, 6100, 7100, 8100, 9100]

    def test_tell_some_from_others(self) -> None:
        assert list(thresholds([3] * 50)) == []
        assert list(thresholds([3] * 50 + [9] * 50)) == [4]
        assert list(thresholds([])) == []

    @given(st.lists(st.integers(0, 10**6), max_size=40))
    def test_every_one_has_values_on_both_sides(self, values: list[int]) -> None:
        found = list(thresholds(sorted(values)))
        assert found == sorted(set(found))
        below = [sum(value < one for value in values) for one in found]
        assert all(0 < count < len(values) for count in below) and below == sorted(set(below))

    @pytest.mark.parametrize(
        ("number", "to"), [(1, 1), (9, 9), (99, 99), (100, 100), (101, 110), (1999, 2000), (20_001, 21_000), (0, 0)]
    )
    def test_rounding(self, number: int, to: int) -> None:
        assert rounded(number) == to


def points(*pairs: tuple[int, str | None]) -> list[Point]:
    return [
        Point(place, moved, moved / 100, None if usd is None else Decimal(usd))
        for place, (moved, usd) in enumerate(pairs)
    ]


class TestKnee:
    def test_is_where_more_requests_stop_to_bring_more_money(self) -> None:
        curve = points((10, "10"), (20, "30"), (30, "34"), (90, "40"))
        assert knee(curve) is curve[1]  # three quarters of the money for 22 % of the requests

    def test_is_not_where_money_is_lost_or_unknown(self) -> None:
        curve = points((10, "-5"), (20, None), (30, "1"), (90, "0"))
        assert knee(curve) is curve[2]

    def test_is_nowhere_where_nothing_is_saved(self) -> None:
        assert knee(points((10, "-5"), (20, "0"), (30, None))) is None
        assert knee([]) is None


def test_what_is_suggested_saves_what_its_backtest_says() -> None:
    history = singles(200)
    found = suggested(history)
    curve = next(one for one in found.curves if one.lever is LEVERS[0])
    for point in curve.points:
        made = replay(history, book(curve.rule(point)), ground(), against=book(""))
        assert made.total.moved == point.moved == round(point.share * len(history))
        assert point.saved_a_month == pytest.approx(-made.total.change)
    assert [point.threshold for point in curve.points] == [2200, 4200, 6200, 8200, 11000, 13000, 15000, 17000, 19000]


def test_a_month_is_thirty_days() -> None:
    whole, half = (suggested(singles(200, days)).curves[0].points[0] for days in (30, 15))
    assert whole.saved_a_month is not None and half.saved_a_month is not None
    assert half.saved_a_month == pytest.approx(2 * whole.saved_a_month)


@pytest.mark.parametrize(
    ("place", "match"),
    [(0, "{ input-tokens-lt = 40 }"), (1, "{ not = { messages-gt = 40 } }"), (2, "{ not = { tools-gte = 40 } }")],
)
def test_the_rule_as_it_is_written(place: int, match: str) -> None:
    rule = Curve(LEVERS[place], TO_FAST, (), None).rule(Point(40, 0, 0.0, None))
    assert rule == f'[[rule]]\nmatch = {match}\nto = "groq"\nmodel = "fast"\n'
    assert book(rule).rules[0].route == TO_FAST


def test_without_a_model() -> None:
    rule = Curve(LEVERS[0], Route("groq"), (), None).rule(Point(40, 0, 0.0, None))
    assert rule == '[[rule]]\nmatch = { input-tokens-lt = 40 }\nto = "groq"\n'


def test_the_cheapest_of_several_places() -> None:
    assert {curve.to for curve in suggested(singles(50), Route("openai", "gpt"), TO_FAST).curves} == {TO_FAST}


def test_nothing_is_suggested_that_costs_more() -> None:
    dear = [one._replace(provider="groq", model="fast", cost=one.cost) for one in singles(50)]
    away = '[default]\nto = "groq/fast"\n'
    assert suggested(dear, Route("anthropic", "big"), rules=away).curves == ()


def test_nothing_is_suggested_without_a_price() -> None:
    assert suggested(singles(50), Route("minimax", "dear")).curves == ()


def test_what_rules_take_is_left_to_them() -> None:
    history = [one._replace(tools=place % 2) for place, one in enumerate(singles(100))]
    found = suggested(history, rules=RULES)
    assert (found.requests, found.open_requests) == (100, 50)
    assert all(point.moved <= 50 for curve in found.curves for point in curve.points)


def test_a_few_requests_are_no_habit() -> None:
    assert suggested(singles(10)) == Suggestions(10, 10, 10, 30.0)


def test_nowhere_to_go() -> None:
    found = suggest(singles(50), book(""), book, ground(), ())
    assert (found.open_requests, found.curves) == (50, ())


def test_a_history_of_nothing() -> None:
    assert suggested([]) == Suggestions(0, 0, 0, 0.0)


def test_a_long_history_is_sampled_by_whole_conversations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suggestion, "SAMPLE", 400)
    history = singles(500)
    twice = sorted((*history, *(one._replace(id=f"{one.id}b", messages=3) for one in history)), key=lambda one: one.id)
    found = suggested(twice)
    assert found.requests == len(twice)
    assert found.sampled % 2 == 0 and found.sampled < len(twice) / 2
    assert found.open_requests == pytest.approx(len(twice), rel=0.1)
    worked_out = found.curves[0].points[4]
    whole = replay(twice, book(found.curves[0].rule(worked_out)), ground(), against=book(""))
    assert worked_out.share == pytest.approx(whole.total.moved / len(twice), abs=0.03)
    assert float(worked_out.saved_a_month or 0) == pytest.approx(float(-whole.total.change), rel=0.1)


def test_places_that_the_rules_name() -> None:
    split = '[[rule]]\nmatch = { stream = true }\nsplit = { "groq/fast" = 1, "minimax/m" = 1 }\n'
    assert destinations(book(RULES + split)) == (Route(*FAST), Route(*GPT), Route("minimax", "m"))
    assert destinations(book("")) == ()
