"""Which arm a session takes: as often as its weight says, always the same, and raising one arm moves nobody else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet_mitm.rules.routing import Decision, decide, decide_unreadable
from ringlet_mitm.rules.rulebook import Route, RuleBook, load_rulebook
from ringlet_mitm.rules.splits import Arm, chosen, share_words, shares, within
from ringlet_mitm.rules.tokens import Calibration

SESSIONS = [f"session-{number}" for number in range(4_000)]
GROQ = "groq/llama-3.3-70b-versatile"
SPLIT = f'split = {{ "{GROQ}" = 20, "anthropic" = 80 }}'

names = st.lists(st.text("abcdefgh-/.", min_size=1, max_size=8), min_size=2, max_size=5, unique=True)
weights = st.floats(0.01, 1_000)


def arms(**parts: float) -> tuple[Arm, ...]:
    return tuple(Arm(Route(name), weight) for name, weight in parts.items())


def taken(found: tuple[Arm, ...]) -> list[str]:
    return [chosen(found, session).name for session in SESSIONS]


@pytest.mark.parametrize(
    "parts",
    [{"a": 50, "b": 50}, {"a": 20, "b": 80}, {"a": 1, "b": 99}, {"a": 0.5, "b": 0.25, "c": 0.25}, {"a": 3, "b": 3}],
    ids=str,
)
def test_shares_are_as_the_weights_say(parts: dict[str, float]) -> None:
    found = arms(**parts)
    went = taken(found)
    for name, share in shares(found).items():
        # Four standard deviations of a binomial distribution.
        spread = 4 * (share * (1 - share) / len(SESSIONS)) ** 0.5
        assert abs(went.count(name) / len(SESSIONS) - share) < spread


def test_the_order_in_the_file_is_nothing() -> None:
    found = arms(a=1, b=2, c=3)
    assert taken(found) == taken(found[::-1])


@given(names, st.data(), st.text(max_size=20))
def test_the_same_session_takes_the_same_arm(parts: list[str], data: st.DataObject, who: str) -> None:
    found = tuple(Arm(Route(name), data.draw(weights)) for name in parts)
    assert chosen(found, who) is chosen(found, who)
    assert chosen(found, who) in found


@given(names, st.data(), st.text(max_size=20))
def test_raising_an_arm_moves_sessions_to_it_only(parts: list[str], data: st.DataObject, who: str) -> None:
    found = tuple(Arm(Route(name), data.draw(weights)) for name in parts)
    place = data.draw(st.integers(0, len(found) - 1))
    raised = Arm(found[place].route, found[place].weight * data.draw(st.floats(1, 100)))
    after = chosen((*found[:place], raised, *found[place + 1 :]), who)
    assert after.name in (chosen(found, who).name, raised.name)


@given(names, st.data(), st.text(max_size=20))
def test_a_new_arm_takes_from_the_others_and_moves_nobody_between_them(
    parts: list[str], data: st.DataObject, who: str
) -> None:
    found = tuple(Arm(Route(name), data.draw(weights)) for name in parts)
    new = Arm(Route("a new one"), data.draw(weights))
    assert chosen((*found, new), who).name in (chosen(found, who).name, new.name)


@given(st.text(max_size=20), st.floats(0, 100), st.floats(0, 100))
def test_who_is_within_a_share_stays_in_a_larger_one(who: str, one: float, other: float) -> None:
    less, more = sorted((one, other))
    assert not within(who, less) or within(who, more)
    assert within(who, 100)
    assert not within(who, 0)


def test_shares_in_words() -> None:
    assert share_words(shares(arms(a=1, b=2))) == "33.3 % a, 66.7 % b"
    assert share_words(shares(arms(a=20, b=80))) == "20 % a, 80 % b"


def book(providers: Any, text: str) -> RuleBook:
    return load_rulebook(text, "routing.toml", providers)


def arm_of(made: RuleBook, features: Any, request_id: str = "") -> str:
    decision = decide(made, features, Calibration(), (), request_id)
    assert isinstance(decision, Decision)
    return decision.arm


def test_a_rule_splits_by_session_and_without_one_by_request(providers: Any, make_features: Any) -> None:
    made = book(providers, f"[[rule]]\nmatch = {{ stream = true }}\n{SPLIT}\n")
    by_session = {arm_of(made, make_features(session="s-1"), f"r-{number}") for number in range(50)}
    assert len(by_session) == 1
    by_request = [arm_of(made, make_features(session=""), f"r-{number}") for number in range(400)]
    assert 40 < by_request.count(GROQ) < 120
    assert set(by_request) == {GROQ, "anthropic"}


def test_the_decision_has_the_arms_route_with_what_follows_it(providers: Any, make_features: Any) -> None:
    rule = f'[[rule]]\nname = "trial"\nmatch = {{ stream = true }}\n{SPLIT}\nfallback = ["openai"]\nretries = 7\n'
    made = book(providers, rule)
    assert made.labels == ("trial → split", "default → passthrough")
    for number in range(40):
        decision = decide(made, make_features(session=f"s-{number}"), Calibration())
        assert isinstance(decision, Decision)
        assert (decision.label, decision.index, decision.policy.retries) == ("trial → split", 0, 7)
        assert str(decision.route) == decision.arm
        assert decision.route.fallback == (Route("openai"),)


def test_two_rules_split_the_same_sessions_anew(providers: Any, make_features: Any) -> None:
    text = "[[rule]]\nmatch = { stream = %s }\n" + SPLIT + "\n"
    made = book(providers, (text % "true") + (text % "false"))
    pairs = {
        tuple(arm_of(made, make_features(session=f"s-{number}", stream=stream)) for stream in (True, False))
        for number in range(100)
    }
    assert len(pairs) == 4


def test_the_default_splits_too_also_what_cannot_be_read(providers: Any, make_features: Any) -> None:
    made = book(providers, f'[default]\n{SPLIT}\nshadow = "openai"\n')
    assert made.default.label == "default → split"
    assert {arm_of(made, make_features(session=f"s-{number}")) for number in range(50)} == {GROQ, "anthropic"}
    unread = [decide_unreadable(made, f"r-{number}") for number in range(50)]
    assert {one.arm for one in unread} == {GROQ, "anthropic"}
    assert {one.shadow for one in unread} == {None}


def test_an_arm_may_pass_through_and_ordinary_rules_have_none(providers: Any, make_features: Any) -> None:
    made = book(providers, '[[rule]]\nmatch = { stream = true }\nsplit = { "passthrough" = 1, "groq" = 1 }\n')
    assert {arm_of(made, make_features(session=f"s-{number}")) for number in range(50)} == {"passthrough", "groq"}
    assert arm_of(made, make_features(stream=False)) == ""


def test_sticky_and_split_go_together(providers: Any, make_features: Any) -> None:
    made = book(providers, f'[[rule]]\nmatch = {{ stream = true }}\n{SPLIT}\nsticky = "session"\n')
    first = decide(made, make_features(session="s-1"), Calibration())
    later = decide(made, make_features(session="s-1", stream=False), Calibration(), (made.rules[0].label,))
    assert isinstance(first, Decision)
    assert isinstance(later, Decision)
    assert (later.arm, later.kept) == (first.arm, True)


def test_what_holds_for_copies(providers: Any, make_features: Any) -> None:
    made = book(
        providers,
        '[[rule]]\nmatch = { stream = true }\nto = "anthropic"\nshadow = "groq/llama"\n'
        "[shadow]\nusd-per-day = 2.5\nshare = 10\nmax-tokens = 50_000\n",
    )
    decision = decide(made, make_features(), Calibration())
    assert isinstance(decision, Decision)
    assert decision.shadow == Route("groq", "llama")
    said = made.shadowing
    assert (str(said.usd_per_day), said.share, said.max_tokens) == ("2.5", 10, 50_000)
    usual = book(providers, "").shadowing
    assert (str(usual.usd_per_day), usual.share, usual.max_tokens) == ("1", 100, None)
