"""Sums of two ways to send the same requests."""

from __future__ import annotations

from decimal import Decimal

from past import BIG, FAST, GPT, turn

from ringlet_mitm.rules.comparison import Comparison, Outcome, Tally, Undecided
from ringlet_mitm.rules.redeciding import Doubt

ONE, TWO = Decimal(1), Decimal(2)


def made(*pairs: tuple[Outcome | Undecided, Outcome | Undecided], keep: bool = False) -> Comparison:
    found = Comparison()
    for number, (was, now) in enumerate(pairs):
        found.add(turn(number + 1), was, now, keep=keep)
    return found


STAYS = (Outcome("a", BIG, TWO), Outcome("a", BIG, TWO))
MOVES = (Outcome("a", BIG, TWO), Outcome("b", FAST, ONE, (Doubt.TOKENIZER,), True, ONE))
RECACHED = (Outcome("a", BIG, TWO), Outcome("a", BIG, ONE, (), True, ONE))
UNPRICED = (Outcome("a", BIG, TWO), Outcome("b", GPT, None, (), True))


def test_a_request_that_stays() -> None:
    assert made(STAYS).total == Tally(requests=1, was=TWO, now=TWO)


def test_one_that_moves() -> None:
    found = made(MOVES, keep=True)
    tally = Tally(requests=1, moved=1, estimated=1, was=TWO, now=ONE, change=-ONE, output_usd=ONE)
    assert found.total == tally
    assert found.moves == {(BIG, FAST): tally}
    assert found.doubts == {Doubt.TOKENIZER: 1}
    assert [(one.was, one.now) for one in found.moved] == [MOVES]


def test_one_whose_cache_is_another() -> None:
    found = made(RECACHED)
    assert (found.recached, found.total.moved, found.moves) == (1, 0, {})


def test_an_unknown_price_takes_no_part_in_the_change() -> None:
    total = made(MOVES, UNPRICED).total
    assert (total.was, total.now, total.now_unpriced) == (Decimal(4), ONE, 1)
    assert (total.change, total.change_unpriced) == (-ONE, 1)


def test_what_is_undecided_takes_part_in_nothing() -> None:
    found = made(STAYS, (Outcome("a", BIG, TWO), Undecided("b")), (Undecided("c"), Outcome("a", BIG, TWO)))
    assert (found.total.requests, found.undecided) == (1, {"b": 1, "c": 1})


def test_rules_stand_in_the_order_of_the_book_with_those_that_take_nothing() -> None:
    found = made(MOVES, (Outcome("gone", BIG, TWO), Outcome("b", BIG, TWO)))
    assert {label: tally.requests for label, tally in found.rules(["x", "b"]).items()} == {
        "x": 0, "b": 2, "a": 0, "gone": 0,
    }  # fmt: skip
    assert found.before == {"a": 1, "gone": 1}


def test_the_most_moved_come_first() -> None:
    assert list(made(UNPRICED, MOVES, MOVES).moves) == [(BIG, FAST), (BIG, GPT)]


def test_when_the_first_and_the_last_arrived() -> None:
    found = made(STAYS, STAYS)
    assert (found.first_us, found.last_us) == (turn(1).started_us, turn(2).started_us)
