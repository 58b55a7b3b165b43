"""What other rules would have cost: small histories worked out by hand, and what holds for all of them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from past import BIG, FAST, GPT, MINUTE, REGISTRY, book, ground, recorded, turn

from ringlet_mitm.rules.backtest import Replay, compared, happened, replay
from ringlet_mitm.rules.comparison import Comparison, Outcome, Undecided
from ringlet_mitm.rules.recorded import Recorded
from ringlet_mitm.rules.redeciding import Doubt
from ringlet_mitm.rules.routing import NEED_TOKENS, Decision, decide
from ringlet_mitm.rules.targets import Place, ProfilePin, places
from ringlet_mitm.rules.tokens import Calibration

# Three turns at the big model, each reading from the cache what the one before left there.
# Cost: 10,000 written at 12.5 and 100 out at 50 = 0.130; 10,000 read at 1, 2,000 written = 0.040; 0.0595.
STEADY = [turn(1, write=10_000), turn(2, read=10_000, write=2_000), turn(3, read=12_000, write=3_000, out=200)]
# The second went to groq, for 0.0122, so that the third had to write more: 0.0825.
HOVERING = [
    turn(1, write=10_000),
    turn(2, text=12_000, place=FAST, rule="cheap → groq"),
    turn(3, read=10_000, write=5_000, out=200),
]


def rule(match: str, to: str, more: str = "") -> str:
    return f'[[rule]]\nmatch = {{ {match} }}\nto = "{to}"\n{more}\n'


def outcomes(history: list[Recorded], rules: str, **given: Any) -> list[Outcome]:
    """Of each request; all of them have to be decided."""
    taker = Replay(book(rules), ground(**given)).take
    found = [taker(one) for one in history]
    assert all(isinstance(one, Outcome) for one in found)
    return [one for one in found if isinstance(one, Outcome)]


def usd(found: list[Outcome]) -> list[Decimal | None]:
    return [one.cost for one in found]


def amounts(*texts: str) -> list[Decimal]:
    return [Decimal(text) for text in texts]


def test_the_history_costs_what_it_says() -> None:
    assert [one.cost for one in STEADY] == amounts("0.130", "0.040", "0.0595")
    assert [one.cost for one in HOVERING] == amounts("0.130", "0.0122", "0.0825")


CASES: dict[str, tuple[list[Recorded], str, list[Place], list[Decimal]]] = {
    "the rules that were in force": (STEADY, "", [BIG, BIG, BIG], amounts("0.130", "0.040", "0.0595")),
    "the end of a conversation goes where nothing is cached": (
        STEADY,
        rule("messages-gt = 4", "groq/fast"),
        [BIG, BIG, FAST],
        amounts("0.130", "0.040", "0.0154"),  # 15,000 at 1 and 200 out at 2
    ),
    "a cache that is filled anew by who comes, then read": (
        STEADY,
        rule("messages-gt = 2", "openai/gpt"),
        [BIG, GPT, GPT],
        amounts("0.130", "0.0248", "0.0100"),  # 12,000 at 2; then 12,000 at 0.2 and 3,000 at 2
    ),
    "who comes back pays for what it did not see": (
        STEADY,
        rule("messages-gt = 2, not = { messages-gt = 4 }", "groq/fast"),
        [BIG, FAST, BIG],
        amounts("0.130", "0.0122", "0.0825"),  # of 15,000 only the first turn's 10,000 are in the cache
    ),
    "who stays does not pay for coming back": (HOVERING, "", [BIG] * 3, amounts("0.130", "0.040", "0.0595")),
}


@pytest.mark.parametrize(("history", "rules", "where", "costs"), CASES.values(), ids=CASES)
def test_costs_follow_the_cache(history: list[Recorded], rules: str, where: list[Place], costs: list[Decimal]) -> None:
    found = outcomes(history, rules)
    assert [one.place for one in found] == where
    assert usd(found) == costs


def test_what_stays_and_costs_otherwise_is_counted() -> None:
    found = replay(HOVERING, book(""), ground())
    assert (found.total.moved, found.recached, found.total.estimated) == (1, 1, 2)
    assert found.total.change == Decimal("0.2295") - Decimal("0.2247")
    assert found.total.output_usd == Decimal("0.005") + Decimal("0.010")


def test_a_cache_dies_of_old_age() -> None:
    late = [STEADY[0], STEADY[1]._replace(started_us=STEADY[0].ended_us + 6 * MINUTE, cache_read_tokens=0)]
    found = outcomes(late, rule("always = true", "openai/gpt"))
    assert usd(found) == amounts("0.0208", "0.0048")  # 2,000 of then, all of it at 2


def test_an_hour_where_that_is_paid_for() -> None:
    first = turn(1, cache_write_1h_tokens=10_000)
    second = turn(2, read=10_000, started_us=first.ended_us + 50 * MINUTE, cache_write_1h_tokens=2_000)
    cold = turn(2, read=10_000, started_us=first.ended_us + 61 * MINUTE, cache_write_1h_tokens=2_000)
    away = rule("messages-gt = 9", "groq/fast") + '[default]\nto = "openai/gpt"\n'
    assert usd(outcomes([first, second], away))[1] == Decimal("0.0068")  # 10,000 at 0.2, 2,000 at 2, 100 out
    assert usd(outcomes([first, cold], away))[1] == Decimal("0.0248")


def test_tokens_are_those_of_the_other_model() -> None:
    ratios = {tuple(BIG): 1.25, tuple(FAST): 1.0}
    (found,) = outcomes([turn(1, text=10_000)], rule("always = true", "groq/fast"), ratios=ratios)
    assert (found.cost, found.doubts) == (Decimal("0.0082"), ())  # 8,000 at 1 and 100 out at 2


def test_a_ratio_that_is_not_known_is_said() -> None:
    (found,) = outcomes([turn(1, text=10_000)], rule("always = true", "groq/fast"), ratios={})
    assert (found.cost, found.doubts) == (Decimal("0.0102"), (Doubt.TOKENIZER,))


def test_a_price_that_nobody_knows_is_no_price() -> None:
    found = replay(STEADY, book(rule("messages-gt = 4", "minimax/dear")), ground()).total
    assert (found.now, found.now_unpriced, found.was_unpriced) == (Decimal("0.170"), 1, 0)
    assert (found.change, found.change_unpriced) == (0, 1)


def test_what_had_no_price_may_get_one() -> None:
    nameless = turn(1, text=10_000, place=Place("minimax", "dear"))
    found = replay([nameless], book(""), ground()).total
    assert (found.was, found.was_unpriced, found.now_unpriced, found.change_unpriced) == (0, 1, 0, 1)


def test_what_failed_costs_nothing_and_is_said() -> None:
    failed = turn(1, out=0, source="none", failed=True, cost=Decimal(0))
    (found,) = outcomes([failed], rule("always = true", "groq/fast"))
    assert (found.place, found.cost, found.doubts) == (FAST, 0, (Doubt.FAILED,))


def test_what_failed_leaves_nothing_in_a_cache() -> None:
    failed = turn(1, out=0, source="none", failed=True, cost=Decimal(0))
    found = outcomes([failed, STEADY[1]], rule("always = true", "openai/gpt"))
    assert found[1].cost == Decimal("0.0248")


def test_an_agent_that_marks_nothing_caches_nothing_elsewhere() -> None:
    plain = [turn(1, text=10_000), turn(2, text=12_000)]
    assert usd(outcomes(plain, rule("always = true", "openai/gpt"))) == amounts("0.0208", "0.0248")


def test_another_thread_reads_nothing() -> None:
    agent, subagent = turn(2, read=0, write=10_000), turn(3, write=9_000, messages=1)
    found = outcomes([agent, subagent], rule("always = true", "openai/gpt"))
    assert usd(found) == amounts("0.0208", "0.0188")
    assert usd(outcomes([agent, subagent._replace(messages=5, tools=3)], rule("always = true", "openai/gpt"))) == usd(
        found
    )


def test_requests_without_a_session_read_nothing() -> None:
    alone = [one._replace(session="") for one in STEADY]
    assert usd(outcomes(alone, rule("always = true", "openai/gpt")))[1] == Decimal("0.0248")


class TestFallbacks:
    RULES = rule("always = true", "openai/gpt", 'fallback = ["groq/fast"]')
    LABEL = "always → openai"

    def one(self, **given: Any) -> Recorded:
        return turn(1, text=2_000, place=FAST, rule=self.LABEL, **given)

    def where(self, history: list[Recorded], rules: str, **more: Any) -> list[Place]:
        now = Replay(book(rules), ground(), **more).take
        return [found.place for found in map(now, history) if isinstance(found, Outcome)]

    def test_one_that_answered_answers_again(self) -> None:
        history = [self.one(first_provider="openai", first_model="gpt")]
        assert self.where(history, self.RULES) == [FAST]
        assert self.where(history, self.RULES.replace("always = true", "messages-gt = 0")) == [FAST]

    def test_not_where_it_is_no_fallback_any_more(self) -> None:
        history = [self.one(first_provider="openai", first_model="gpt")]
        assert self.where(history, rule("always = true", "openai/gpt")) == [GPT]

    def test_one_that_was_asked_while_the_first_rested(self) -> None:
        assert self.where([self.one()], self.RULES, in_force=book(self.RULES)) == [FAST]

    def test_a_place_of_before_that_is_a_fallback_now_is_left(self) -> None:
        before = rule("always = true", "openai/old")
        now = rule("always = true", "openai/gpt", 'fallback = ["openai/old"]')
        history = [turn(1, text=2_000, place=Place("openai", "old"), rule=self.LABEL)]
        assert self.where(history, now, in_force=book(before)) == [GPT]


def test_what_a_limit_sent_elsewhere_stays_there() -> None:
    limited = turn(1, text=2_000, place=FAST, rule="cheap → groq", limited=True)
    (found,) = outcomes([limited], "")
    assert (found.label, found.place, found.cost, found.doubts) == (
        "cheap → groq",
        FAST,
        limited.cost,
        (Doubt.LIMITED,),
    )


@pytest.mark.parametrize(
    ("wire_format", "place"), [("openai-chat", FAST), ("anthropic-messages", BIG)], ids=["as it is", "not translated"]
)
def test_what_nobody_could_read_goes_where_it_need_not_be_translated(wire_format: str, place: Place) -> None:
    unread = turn(1, out=0, readable=False, format=wire_format, source="none")
    (found,) = outcomes([unread], '[default]\nto = "groq/fast"\n')
    assert found.place == place


class TestSticky:
    RULES = rule("messages-gt = 2, not = { messages-gt = 4 }", "groq/fast", 'sticky = "session"')

    def test_it_keeps_the_conversation(self) -> None:
        assert [one.place for one in outcomes(STEADY, self.RULES)] == [BIG, FAST, FAST]

    def test_and_no_other(self) -> None:
        other = [STEADY[0], STEADY[1], STEADY[2]._replace(requested="small")]
        assert [one.place for one in outcomes(other, self.RULES)] == [BIG, FAST, BIG]

    def test_what_a_row_says_of_a_conversation_that_began_before(self) -> None:
        (label, *_) = book(self.RULES).labels
        kept = STEADY[2]._replace(rule=label, kept=True)
        assert [one.place for one in outcomes([kept], self.RULES)] == [FAST]
        assert [one.place for one in outcomes([kept._replace(kept=False)], self.RULES)] == [BIG]


class TestUndecided:
    RULES = rule('header = { x-who = "me" }, messages-gt = 2', "groq/fast") + rule("messages-gt = 4", "openai/gpt")

    def test_what_hangs_on_a_header_is_left_out(self) -> None:
        found = replay(STEADY, book(self.RULES), ground())
        assert found.undecided == {"header.x-who+messages-gt → groq": 2}
        assert (found.undecided_usd, found.total.requests) == (Decimal("0.0995"), 1)

    def test_in_either_of_two_books(self) -> None:
        found = replay(STEADY, book(""), ground(), against=book(self.RULES))
        assert (found.undecided.total(), found.total.requests) == (2, 1)

    def test_a_rule_before_it_decides(self) -> None:
        rules = rule("messages-gt = 2", "openai/gpt") + self.RULES
        assert replay(STEADY, book(rules), ground()).undecided == {}


def test_what_leads_up_to_the_time_counts_for_caches_alone() -> None:
    history = [STEADY[0]._replace(within=False), *STEADY[1:]]
    found = replay(history, book(rule("always = true", "openai/gpt")), ground())
    assert (found.total.requests, found.total.now) == (2, Decimal("0.0068") + Decimal("0.0100"))


def test_two_books_side_by_side() -> None:
    cheap, dear = book(rule("messages-gt = 4", "groq/fast")), book("")
    found = replay(STEADY, cheap, ground(), against=dear, keep=True)
    assert (found.total.was, found.total.now) == (Decimal("0.2295"), Decimal("0.1854"))
    (moved,) = found.moved
    assert (moved.request.id, moved.was.place, moved.now.place) == ("r3", BIG, FAST)
    back = replay(STEADY, dear, ground(), against=cheap)
    assert (back.total.change, back.total.moved) == (-found.total.change, 1)


def test_a_history_of_nothing() -> None:
    assert replay([], book(""), ground()) == Comparison()


# ---- for all histories ----

MATCHES = (
    "input-tokens-lt = 3000",
    "input-tokens-gt = 6000",
    "messages-gt = 4",
    "tool-use = true",
    "tools-gte = 2",
    "tool-result = false",
    "model-prefix = 'b'",
    "not = { stream = true }",
    "any = [ { thinking = true }, { has-images = true } ]",
)
ENDS = (
    'to = "groq/fast"',
    'to = "openai/gpt"',
    'to = "groq/fast"\nfallback = ["openai/gpt", "anthropic/big"]',
    'to = "openai/gpt"\nsticky = "session"',
    'split = { "groq/fast" = 30, "openai/gpt" = 70 }',
    'to = "passthrough"',
)
RULES = st.lists(
    st.builds("[[rule]]\nmatch = {{ {} }}\n{}\n".format, st.sampled_from(MATCHES), st.sampled_from(ENDS)), max_size=5
).map("".join)
REQUESTS = st.fixed_dictionaries(
    {
        "session": st.sampled_from(["", "a", "b"]),
        "requested": st.sampled_from(["big", "small"]),
        "messages": st.integers(1, 9),
        "tools": st.integers(0, 4),
        "tool_result": st.booleans(),
        "stream": st.booleans(),
        "thinking": st.booleans(),
        "images": st.integers(0, 2),
        "input_tokens": st.integers(0, 9_000),
        "cache_read_tokens": st.integers(0, 9_000),
        "cost": st.one_of(st.none(), st.decimals(0, 9, places=6)),
        "ratio": st.sampled_from([0.8, 1.0, 1.3]),
        "source": st.sampled_from(["reported", "estimated", "none"]),
        "failover": st.booleans(),
    }
)


def lived(rules: str, asked: list[dict[str, Any]]) -> list[Recorded]:
    """What a proxy with these rules leaves of such requests, by the way that requests themselves take."""
    found, kept = [], dict[tuple[str, str], frozenset[str]]()
    made = book(rules)
    for number, given_ in enumerate(asked):
        given = dict(given_)
        failover = given.pop("failover")
        tokens = given["input_tokens"] + given["cache_read_tokens"]
        one = recorded(id=f"r{number}", **given)._replace(
            started_us=1_760_000_000_000_000 + number * MINUTE, tokens_low=tokens // 2, tokens_high=tokens * 2
        )
        one = one._replace(ended_us=one.started_us + 1000)
        learned = Calibration({(one.asked, one.requested): given["ratio"]})
        mine = kept.get(one.conversation, frozenset()) if one.session else frozenset()
        decision = decide(made, one.features(None), learned, mine, one.id)
        if decision is NEED_TOKENS:
            one = one._replace(counted=tokens)
            decision = decide(made, one.features(tokens), learned, mine, one.id)
        assert isinstance(decision, Decision)
        if decision.sticky and one.session:
            kept[one.conversation] = mine | {decision.label}
        chain = places(decision.route, one.asked, one.requested, REGISTRY, ProfilePin())
        where = chain[-1] if failover else chain[0]
        first = chain[0] if failover and len(chain) > 1 else (None, None)
        one = one._replace(rule=decision.label, arm=decision.arm, provider=where.provider, model=where.model)
        found.append(one._replace(first_provider=first[0], first_model=first[1]))
    return found


@given(RULES, st.lists(REQUESTS, max_size=12))
def test_the_rules_that_were_in_force_give_what_happened(rules: str, asked: list[dict[str, Any]]) -> None:
    history = lived(rules, asked)
    again = Replay(book(rules), ground()).take
    for one in history:
        then, now = happened(one), again(one)
        assert isinstance(now, Outcome)
        assert (now.label, now.place, now.cost) == (then.label, then.place, then.cost)
        assert not now.estimated


@given(RULES, RULES, st.lists(REQUESTS, max_size=12))
def test_sums_are_those_of_single_requests(rules: str, others: str, asked: list[dict[str, Any]]) -> None:
    history = lived(rules, asked)
    found = replay(history, book(others), ground(), keep=True)
    now = Replay(book(others), ground()).take
    every = [one for one in map(now, history) if not isinstance(one, Undecided)]
    assert found.total.requests == len(every) == len(history)
    assert found.total.now == sum((one.cost for one in every if one.cost is not None), Decimal(0))
    assert found.total.now_unpriced == sum(one.cost is None for one in every)
    assert found.total.moved == len(found.moved) == sum(tally.requests for tally in found.moves.values())
    assert sum(tally.requests for tally in found.rules(()).values()) == len(history)
    assert sum(found.before.values()) == len(history)


@given(RULES, RULES, st.lists(REQUESTS, max_size=12))
def test_there_and_back_changes_nothing(rules: str, others: str, asked: list[dict[str, Any]]) -> None:
    history = lived(rules, asked)
    there = compared(history, Replay(book(rules), ground()).take, Replay(book(others), ground()).take)
    back = compared(history, Replay(book(others), ground()).take, Replay(book(rules), ground()).take)
    assert there.total.requests == back.total.requests
    assert (there.total.was, there.total.now) == (back.total.now, back.total.was)
    assert there.total.change == -back.total.change
