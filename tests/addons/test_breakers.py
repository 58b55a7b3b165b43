"""Health per provider and key, as the streams of a proxy share it."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from ringlet_mitm.addons.breakers import Breakers
from ringlet_mitm.rules.failures import Failure, FailureKind
from ringlet_mitm.rules.keys import KeyRef
from ringlet_mitm.rules.providers import Endpoint
from ringlet_mitm.rules.reliability import AGENTS_OWN, Attempt
from ringlet_mitm.rules.shapes import WireFormat
from ringlet_mitm.rules.targets import Target

Kind = FailureKind


def target(provider: str, model: str = "big", key: str = "K1", *, host: str = "", as_asked: bool = False) -> Target:
    endpoint = Endpoint("https", host or f"api.{provider}.example", 443, "/v1/messages")
    return Target(provider, model, WireFormat.MESSAGES, endpoint, "bearer", KeyRef((key,)), as_asked)


A1, A2, A_SMALL = target("alpha"), target("alpha", key="K2"), target("alpha", "small")
B, C = target("beta"), target("gamma")
OWN = target("alpha", as_asked=True)
DOWN, BUSY = Failure(Kind.UNREACHABLE), Failure(Kind.OVERLOADED, 529)
REFUSED, USED_UP = Failure(Kind.AUTH, 401), Failure(Kind.QUOTA, 402)
ODD = Failure(Kind.REFUSED_REQUEST, 400)


def limited(seconds: float) -> Failure:
    return Failure(Kind.RATE_LIMITED, 429, retry_after_ms=int(seconds * 1000))


class Rig:
    """Breakers and a clock that is set by hand."""

    def __init__(self, most_doors: int = 256) -> None:
        self.now_ms = 50_000
        self.breakers = Breakers(lambda: self.now_ms, most_doors)

    def passes(self, seconds: float) -> None:
        self.now_ms += int(seconds * 1000)

    def ended(self, where: Target, failure: Failure | None = None, *, times: int = 1, lasted_s: float = 0) -> None:
        label = AGENTS_OWN if where.as_asked else f"env:{where.key_ref.variables[0]}" if where.key_ref else ""
        for _ in range(times):
            attempt = Attempt(1, where, label, 7_000_000, ended_us=7_000_000 + int(lasted_s * 1e6), failure=failure)
            self.breakers.ended(attempt)

    def resting(self, *targets: Target) -> list[bool]:
        return [self.breakers.rests(one) for one in targets]


@pytest.fixture
def rig() -> Rig:
    return Rig()


class TestDoors:
    def test_nobody_rests_before_anything_happened(self, rig: Rig) -> None:
        assert rig.resting(A1, B, OWN) == [False, False, False]
        assert (rig.breakers.report(), rig.breakers.why(A1)) == ([], "")

    def test_a_key_at_a_provider_with_all_its_models(self, rig: Rig) -> None:
        rig.ended(A1, DOWN, times=3)
        rig.ended(A_SMALL, BUSY, times=2)
        assert rig.resting(A1, A_SMALL, A2, OWN, B) == [True, True, False, False, False]

    @pytest.mark.parametrize("failure", [REFUSED, USED_UP])
    def test_a_refused_key_is_set_aside_at_once(self, rig: Rig, failure: Failure) -> None:
        rig.ended(A1, failure)
        assert rig.resting(A1, A_SMALL, A2) == [True, True, False]
        rig.passes(60)
        assert rig.resting(A1) == [False]

    def test_a_limit_is_a_models(self, rig: Rig) -> None:
        rig.ended(A1, limited(40))
        assert rig.resting(A1, A_SMALL, A2) == [True, False, False]
        rig.passes(40)
        assert rig.resting(A1) == [False]

    def test_a_limit_without_a_word_counts_five_times(self, rig: Rig) -> None:
        bare = Failure(Kind.RATE_LIMITED, 429)
        rig.ended(A1, bare, times=4)
        assert rig.resting(A1) == [False]
        rig.ended(A1, bare)
        assert rig.resting(A1, A_SMALL) == [True, False]

    @pytest.mark.parametrize("failure", [REFUSED, USED_UP, Failure(Kind.AUTH, 403), limited(60)])
    def test_the_agents_own_credential_is_its_own_matter(self, rig: Rig, failure: Failure) -> None:
        rig.ended(OWN, failure, times=4)
        assert rig.resting(OWN, A1) == [False, False]

    def test_a_dead_host_is_one_for_the_agents_own_credential_too(self, rig: Rig) -> None:
        rig.ended(OWN, DOWN, times=5)
        assert rig.resting(OWN, A1) == [True, False]

    def test_a_host_that_is_no_providers_is_one_by_itself(self, rig: Rig) -> None:
        one, other = target("", host="one.example"), target("", host="other.example")
        elsewhere = replace(one, endpoint=replace(one.endpoint, port=8443))
        rig.ended(one, DOWN, times=5)
        assert rig.resting(one, other, elsewhere) == [True, False, False]

    def test_there_are_so_many_of_them_and_no_more(self) -> None:
        rig = Rig(most_doors=10)
        for number in range(30):
            rig.ended(target("", host=f"{number}.example"), USED_UP)
        assert len(rig.breakers.report()) == 10
        assert rig.resting(target("", host="0.example"), target("", host="29.example")) == [False, True]

    def test_models_that_do_well_take_no_room(self, rig: Rig) -> None:
        for number in range(50):
            rig.ended(target("alpha", f"model-{number}"), None if number % 2 else ODD)
        assert len(rig.breakers.report()) == 1


class TestFirst:
    def test_of_the_chain_that_does_not_rest(self, rig: Rig) -> None:
        rig.ended(A1, USED_UP)
        rig.ended(A2, limited(30))
        assert rig.breakers.first((A1, A2, B, C)) is B

    def test_where_all_rest_the_first_is_asked_all_the_same(self, rig: Rig) -> None:
        rig.ended(A1, USED_UP)
        rig.ended(B, DOWN, times=5)
        assert rig.breakers.first((A1, B)) is A1
        assert rig.breakers.first((A1,)) is A1

    @pytest.mark.parametrize(("lasted_s", "rests"), [(4, False), (6, True)], ids=["sent since", "sent before"])
    def test_a_good_answer_of_one_that_was_asked_all_the_same(self, rig: Rig, lasted_s: float, rests: bool) -> None:
        rig.ended(A1, USED_UP)
        rig.passes(5)
        rig.ended(A1, lasted_s=lasted_s)
        assert rig.resting(A1) == [rests]


class TestProbe:
    @pytest.fixture
    def due(self, rig: Rig) -> Rig:
        rig.ended(A1, DOWN, times=5)
        rig.passes(10)
        return rig

    def test_asking_is_not_sending(self, due: Rig) -> None:
        assert due.resting(A1, A1, A_SMALL) == [False, False, False]

    def test_one_goes_the_others_go_elsewhere(self, due: Rig) -> None:
        due.breakers.sent(A1)
        assert due.resting(A1, A_SMALL) == [True, True]
        assert due.breakers.why(A1) == "is being tried again after 5 failures (unreachable)"
        assert due.breakers.report()[0]["state"] == "probing"

    def test_its_end_is_for_all(self, due: Rig) -> None:
        due.breakers.sent(A1)
        due.ended(A_SMALL)
        assert due.resting(A1, A_SMALL) == [False, False]
        due.ended(A1, DOWN, times=4)
        assert due.resting(A1) == [False]

    def test_a_failed_one_doubles_the_rest(self, due: Rig) -> None:
        due.breakers.sent(A1)
        due.ended(A1, DOWN)
        due.passes(19.999)
        assert due.resting(A1) == [True]
        due.passes(0.001)
        assert due.resting(A1) == [False]

    def test_a_refused_request_shows_that_somebody_is_there(self, due: Rig) -> None:
        due.breakers.sent(A1)
        due.ended(A1, ODD)
        assert due.resting(A1) == [False]
        assert due.breakers.report()[0]["state"] == "sound"

    @pytest.mark.parametrize("kind", [Kind.CLIENT_GONE, Kind.NOT_SENT])
    def test_one_that_was_given_up_leaves_its_place(self, due: Rig, kind: Kind) -> None:
        due.breakers.sent(A1)
        due.ended(A1, Failure(kind))
        assert due.resting(A1) == [False]
        due.breakers.sent(A1)
        assert due.resting(A1) == [True]

    def test_one_that_is_never_heard_of_too(self, due: Rig) -> None:
        due.breakers.sent(A1)
        due.passes(600)
        assert due.resting(A1) == [False]

    def test_a_good_beginning_is_enough_to_let_others_in(self, due: Rig) -> None:
        due.breakers.sent(A1)
        due.breakers.answers(A1)
        assert due.resting(A1) == [False]
        due.ended(A1, Failure(Kind.BROKEN_STREAM))
        assert due.breakers.why(A1) == "rests for 20 s after 6 failures (broken-stream)"

    def test_a_good_beginning_says_nothing_otherwise(self, rig: Rig) -> None:
        rig.ended(A1, DOWN, times=4)
        rig.breakers.answers(A1)
        rig.breakers.answers(B)
        rig.ended(A1, DOWN)
        rig.breakers.answers(A1)
        assert rig.resting(A1, B) == [True, False]

    def test_the_end_of_an_older_stream_is_not_its_outcome(self, due: Rig) -> None:
        due.breakers.sent(A1)
        due.ended(A1, lasted_s=11)
        due.ended(A1, DOWN, lasted_s=11)
        due.ended(A1, Failure(Kind.CLIENT_GONE), lasted_s=11)
        assert due.breakers.report()[0]["state"] == "probing"

    def test_a_limit_has_its_own(self, rig: Rig) -> None:
        rig.ended(A1, limited(5))
        rig.passes(5)
        rig.breakers.sent(A1)
        assert rig.resting(A1, A_SMALL) == [True, False]
        rig.ended(A1, DOWN)  # tells nothing of the limit
        assert rig.resting(A1) == [False]
        rig.breakers.sent(A1)
        rig.ended(A1)
        assert [door["model"] for door in rig.breakers.report()] == [""]


class TestWords:
    @pytest.mark.parametrize(
        ("failure", "times", "words"),
        [
            (BUSY, 5, "rests for 10 s after 5 failures (overloaded)"),
            (USED_UP, 1, "rests for 60 s after 1 failure (quota)"),
            (limited(12.001), 1, "rests for 13 s after 1 failure (rate-limited)"),
            (DOWN, 4, ""),
        ],
    )
    def test_why_it_is_passed_over(self, rig: Rig, failure: Failure, times: int, words: str) -> None:
        rig.ended(A1, failure, times=times)
        assert rig.breakers.why(A1) == words

    def test_the_longest_of_two_reasons(self, rig: Rig) -> None:
        rig.ended(A1, limited(90))
        rig.ended(A1, USED_UP)
        assert rig.breakers.why(A1) == "rests for 90 s after 1 failure (rate-limited)"
        assert rig.breakers.why(A_SMALL) == "rests for 60 s after 1 failure (quota)"

    def test_report(self, rig: Rig) -> None:
        rig.ended(B)
        rig.ended(A1, BUSY, times=4)
        rig.ended(A1, Failure(Kind.OVERLOADED, retry_after_ms=90_000))
        rig.ended(A1, limited(30))
        rig.passes(29.5)
        assert rig.breakers.report() == [
            {
                "provider": "alpha",
                "key": "env:K1",
                "model": "",
                "state": "resting",
                "failures": 5,
                "rests_for_s": 61,
                "reason": "overloaded",
            },
            {
                "provider": "alpha",
                "key": "env:K1",
                "model": "big",
                "state": "resting",
                "failures": 1,
                "rests_for_s": 1,
                "reason": "rate-limited",
            },
            {
                "provider": "beta",
                "key": "env:K1",
                "model": "",
                "state": "sound",
                "failures": 0,
                "rests_for_s": 0,
                "reason": "",
            },
        ]

    def test_a_rest_that_is_over_says_so(self, rig: Rig) -> None:
        rig.ended(A1, USED_UP)
        rig.passes(100)
        assert rig.breakers.report()[0]["rests_for_s"] == 0
        assert rig.breakers.why(A1) == ""

    def test_an_attempt_without_a_key_keeps_the_label(self, rig: Rig) -> None:
        rig.ended(A1)
        rig.breakers.ended(Attempt(1, A1, "", 0, failure=Failure(Kind.NOT_SENT)))
        assert rig.breakers.report()[0]["key"] == "env:K1"

    def test_log_says_it_once_and_once_that_it_is_over(self, rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.WARNING):
            rig.ended(A1, DOWN, times=12)
            for _ in range(3):
                rig.passes(300)
                rig.breakers.sent(A1)
                rig.ended(A1, DOWN)
            rig.passes(300)
            rig.breakers.sent(A1)
            rig.ended(A1)
            rig.ended(A1)
            rig.ended(A2, limited(3))
        assert caplog.messages == [
            "alpha (env:K1) rests for 10 s after 5 failures (unreachable)",
            "alpha (env:K1) answers again",
            "alpha (env:K2), big rests for 3 s after 1 failure (rate-limited)",
        ]
